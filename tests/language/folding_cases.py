"""Expressions for every aggregate and window function of the table, by its name; `over` holds aggregates over windows."""

from __future__ import annotations

AGGREGATES: dict[str, tuple[str, ...]] = {
    "count": (
        "count(*)",
        "count(s)",
        "count(distinct g)",
        "count(distinct g, b)",
        "count(distinct x)",
        "count(distinct g, not b)",
        "count(1)",
        "count(*) filter (where b)",
    ),
    "count_if": ("count_if(b)", "count_if(n > 0)", "count_if(b) filter (where n > 0)"),
    "sum": (
        "sum(y)",
        "sum(p)",
        "sum(distinct g)",
        "sum(if(k < 5, x, null))",
        "sum(n)",
        "sum(p) filter (where n > 0)",
        "sum(cast(p as double)) + 1",
    ),
    "avg": ("avg(n)", "avg(p)", "mean(if(k < 5, x, null))", "avg(y) filter (where b)", "avg(n) + 1"),
    "min": ("min(s)", "min(x)", "min(if(k = 1, -0D, 0D))", "min(d)", "min(b)", "min(p)", "min(z) filter (where g = 1)"),
    "max": ("max(if(k = 1, 0D, -0D))", "max(s)", "max(x)", "max(z)", "max(b)", "max(m)"),
    "min_by": ("min_by(s, n)", "min_by(k, g)", "min_by(t, b)", "min_by(d, y) filter (where b)"),
    "max_by": ("max_by(s, n)", "max_by(k, g)", "max_by(t, b)", "max_by(n, s)"),
    "bool_and": ("bool_and(b)", "every(n > 0)"),
    "bool_or": ("bool_or(b)", "any(n > 0)", "some(b) filter (where n > 0)"),
    "bit_and": ("bit_and(n)", "bit_and(m)"),
    "bit_or": ("bit_or(y)", "bit_or(m)"),
    "bit_xor": ("bit_xor(n)", "bit_xor(y)"),
    "collect_set": (
        "sort_array(collect_set(g))",
        "array_join(sort_array(collect_set(s)), '|')",
        "size(collect_set(b))",
        "sort_array(collect_set(n) filter (where b), false)",
    ),
    "collect_list": ("sort_array(collect_list(g))", "size(collect_list(t))", "sort_array(collect_list(s))"),
}

_BY_K = "over (partition by g order by k)"
WINDOWS: dict[str, tuple[str, ...]] = {
    "row_number": (
        f"row_number() {_BY_K}",
        "row_number() over (order by s desc)",
        "row_number() over (order by n nulls last) + 1",
    ),
    "rank": (
        "rank() over (order by g)",
        "rank() over (order by b desc, g)",
        "rank() over (partition by b order by g desc)",
    ),
    "dense_rank": ("dense_rank() over (order by g)", "dense_rank() over (order by b)"),
    "percent_rank": ("percent_rank() over (order by g)", f"percent_rank() {_BY_K}"),
    "cume_dist": ("cume_dist() over (order by g)", f"cume_dist() {_BY_K}"),
    "ntile": ("ntile(3) over (order by k)", f"ntile(2) {_BY_K}"),
    "lag": (f"lag(n) {_BY_K}", f"lag(s, 2, 'none') {_BY_K}", f"lag(y, 1) {_BY_K}"),
    "lead": (f"lead(n) {_BY_K}", "lead(d, 3) over (order by k desc)", f"lead(m, 0) {_BY_K}"),
    "first_value": (
        f"first_value(s) {_BY_K}",
        "first_value(n) over (order by k desc rows between 1 preceding and 1 following)",
    ),
    "last_value": (
        f"last_value(s) {_BY_K}",
        "last_value(n) over (order by k rows between unbounded preceding and unbounded following)",
    ),
    "nth_value": (f"nth_value(s, 2) {_BY_K}", "nth_value(n, 3) over (order by k)"),
    "over": (
        "sum(n) filter (where false) over (partition by g order by k)",
        "count(*) filter (where n > 0) over (order by k)",
        "min_by(s, n) filter (where b) over (order by k)",
        "sort_array(collect_set(y) filter (where b) over (order by k))",
        f"sum(n) {_BY_K}",
        f"avg(p) {_BY_K}",
        "count(*) over ()",
        f"min(s) {_BY_K}",
        f"max(x) {_BY_K}",
        "sum(y) over (order by g)",
        f"count_if(b) {_BY_K}",
        "sum(k) over (order by k rows between 2 preceding and current row)",
        f"max_by(s, n) {_BY_K}",
        f"size(collect_set(b) {_BY_K})",
        "sum(n) filter (where b) over (partition by g)",
        "sum(k) over (partition by b)",
        "count(*) over (partition by x / (k + 1), p % (k + 1), element_at(array(k), 1))",
        "max(k) over (order by z range between unbounded preceding and current row)",
        f"bool_or(b) {_BY_K}",
        "n - avg(n) over (partition by g)",
    ),
}
