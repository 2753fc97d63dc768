"""Subqueries, lists of tables and named columns in the `sql` step: the same rows on both engines, nulls and no rows included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cases import messages
from running import both, in_order
from tables import read_example

ROWS = """
    t: {k: int key, g: string, x: int, d: date, w: double, m: "decimal(10,2)"}
    | k | g | x | d | w | m |
    | 1 | a | 5 | 2024-01-31 | 0.0 | 1.50 |
    | 2 | b | null | 2024-02-29 | -0.0 | 2.00 |
    | 3 | null | 7 | null | NaN | null |
    | 4 | a | 9 | 2023-12-31 | 1.5 | 5.00 |
    u: {a: bigint, g: string, y: int, w: double}
    | a | g | y | w |
    | 1 | a | 5 | 0.0 |
    | 1 | a | 6 | NaN |
    | 4 | b | null | null |
    | 9 | null | 9 | 2.0 |
    e: {a: int}
    | a |
"""

QUERIES = [
    (
        "select g, sum(x) as s, count(distinct g) as d, grouping(g) as top from t group by rollup(g)",
        [("a", 14, 1, 0), ("b", None, 1, 0), (None, 7, 0, 0), (None, 21, 2, 1)],
    ),
    (
        "select coalesce(g, '?') as g, k, count(*) as n from t where k > 2 group by cube(g, k) having k is null",
        [("?", None, 1), ("?", None, 2), ("a", None, 1)],
    ),
    (
        "with w as (select upper(g) as u, max(x) as m from t group by grouping sets ((g), ())) select u, m from w",
        [("A", 9), ("B", None), (None, 7), (None, 9)],
    ),
    ("select a, count(*) as n from e group by rollup(a) order by a, n limit 5", [(None, 0)]),
    ("select g, a, count(*) as n from u where y > 99 group by g, rollup(a)", []),
    (
        "select year(d) as y, upper(G) as u, grouping(Year(d)) as total, count(*) as n from t group by rollup(year(d), Upper(g))",
        [
            *[(2023, "A", 0, 1), (2023, None, 0, 1), (2024, "A", 0, 1), (2024, "B", 0, 1), (2024, None, 0, 2)],
            *[(None, None, 0, 1), (None, None, 0, 1), (None, None, 1, 4)],
        ],
    ),
    (
        "select k + 1 as next, count(*) as n from t where k < 3 group by cube(k, k + 1)",
        [(2, 1), (2, 1), (3, 1), (3, 1), (None, 1), (None, 1), (None, 2)],
    ),
    ("select k as n from t where k = 1 union all select count(*) from t union all select 1 + 1", [(1,), (4,), (2,)]),
    (
        "select k, g from t qualify row_number() over (partition by g order by x desc, k) = 1",
        [(2, "b"), (3, None), (4, "a")],
    ),
    (
        "select * except (d, w, m), count(*) over (partition by g) as n from t qualify n > 1 order by k desc limit 1",
        [(4, "a", 9, 2)],
    ),
    ("select g, sum(x) as s from t group by all qualify rank() over (order by sum(x) desc) = 1", [("a", 14)]),
    ("select distinct g from t qualify count(*) over (partition by g) > 1", [("a",)]),
    (
        "select t.k, sum(t.x) over w as s, lag(t.k) over (w order by t.k) as l from t window w as (partition by t.g)",
        [(1, 14, None), (2, None, None), (3, 7, None), (4, 14, 1)],
    ),
    ("select t.k, t.g from t order by t.k desc limit 1", [(4, "a")]),
    (
        "with v as (select t.k, t.g from t) select k, row_number() over (order by k) as n from v",
        [(1, 1), (2, 2), (3, 3), (4, 4)],
    ),
    ("select k from t where x in (select y from u)", [(1,), (4,)]),
    ("select k from t where k in (select a from u)", [(1,), (4,)]),
    ("select k from t where m in (select k from t)", [(2,)]),
    ("select k from t where w in (select w from u)", [(1,), (2,), (3,)]),
    ("select k from t where x not in (select y from u)", []),
    ("select k from t where x not in (select y from u where y is not null)", [(3,)]),
    ("select k from t where x not in (select a from e)", [(1,), (2,), (3,), (4,)]),
    ("select k from t where x not in (select y from u where u.g = t.g)", [(3,), (4,)]),
    ("select k from t where not (x in (select y from u)) or k = 2", [(2,)]),
    ("select k from t where (not (x in (select a from e)) and g = 'a') or k = 2", [(1,), (2,), (4,)]),
    ("select k from t where k in (select a from u group by a having count(*) > 1)", [(1,)]),
    ("select k from t where k in (select a from u union select y from u)", [(1,), (4,)]),
    ("select k from t where exists (select 1 from u where u.a = t.k)", [(1,), (4,)]),
    ("select k from t where exists (select * from e)", []),
    ("select k from t where not exists (select * from u where a = k and u.g <> t.g)", [(1,), (2,), (3,)]),
    ("select k from t where exists (select 1 from u where u.a = t.k) or x is null", [(1,), (2,), (4,)]),
    ("select k from t where exists (select 1 from u where u.y < t.x or u.g = t.g)", [(1,), (2,), (3,), (4,)]),
    ("select k from t where exists (select 1 from t as s where s.g = t.g and s.k <> t.k)", [(1,), (4,)]),
    ("select k from t where x > (select avg(y) from u)", [(3,), (4,)]),
    ("select k from t where x = (select max(s.x) from t as s where s.k = t.k)", [(1,), (3,), (4,)]),
    ("select k from t where x = (select max(a) from e)", []),
    ("select k from t where x < (select max(y) from u where u.a = t.k)", [(1,)]),
    ("select k from t where 0 = (select count(*) from u where u.a = t.k)", [(2,), (3,)]),
    ("select k from t where x = (select y from u order by y nulls last, a, g, w limit 1)", [(1,)]),
    ("select k, (select max(y) from u) as m from t where k < 3", [(1, 9), (2, 9)]),
    ("select k, (select count(*) from u where u.a = t.k) as n from t", [(1, 2), (2, 0), (3, 0), (4, 1)]),
    ("select g, sum(x) as s from t group by g having sum(x) > (select max(y) from u)", [("a", 14)]),
    ("select g, count(*) as n from t group by g having g in (select g from u)", [("a", 2), ("b", 1)]),
    ("select t.k, u.y from t, u where t.k = u.a and u.y in (select x from t)", [(1, 5)]),
    (
        "select n, k from (select t.k, count(u.a) from t left join u on t.k = u.a group by t.k) as c (k, n)",
        [(2, 1), (0, 2), (0, 3), (1, 4)],
    ),
    ("with r (a, b) as (select k, x from t) select a, b from r where b = (select max(b) from r)", [(4, 9)]),
    ("select k from t where d >= date '2024-01-01' and d < date '2024-01-01' + interval '2' month", [(1,), (2,)]),
    ("select k, extract(year from d) as y from t where k > 2", [(3, None), (4, 2023)]),
]


def test_subqueries_give_the_same_rows_on_both_engines(spark: Any, duck: Any, tmp_path: Path) -> None:
    chains = "".join(f"  q{at}:\n    - sql: {json.dumps(query)}\n" for at, (query, _) in enumerate(QUERIES))
    for bench in both(spark, duck, tmp_path, read_example("steps:\n" + chains, ROWS)):
        found = {query: bench.rows(f"q{at}").rows for at, (query, _) in enumerate(QUERIES)}
        assert found == {query: in_order(rows) for query, rows in QUERIES}


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "select k from t where x = (select y from u)",
            "this subquery is used as a value, but may return several rows",
        ),
        ("select k from t where x in (select a, y from u)", "this subquery has 2 columns, but one is expected"),
        ("select k from t where g in (select y from u)", "string and int cannot be compared"),
        (
            "select k from t where x = (select max(y) from u where u.y < t.x)",
            "in a subquery that is used as a value, columns of the outer query can be compared only with `=`",
        ),
        (
            "select k from t where exists (select count(*) from u where u.a = t.k)",
            "a subquery that reads columns of the outer query cannot have aggregate",
        ),
        (
            "select k from t where x = (select max(s.x) from t as s where s.k < t.k)",
            "in a subquery that is used as a value, columns of the outer query can be compared only with `=`",
        ),
        (
            "select k from t where exists (select count(*) from t as s where s.k = t.k)",
            "a subquery that reads columns of the outer query cannot have aggregate",
        ),
        (
            "select k from t as x where exists (select 1 from t where g = x.g)",
            "`x` is the name of a relation of the outer query and of a column here",
        ),
        (
            "select k, sum(x) as n, (select max(y) from u where u.a = t.k) as m from t group by k",
            "beside groups, a subquery cannot read columns of the outer query",
        ),
        (
            "select k from t group by k having k in (select a from u where u.g = t.g)",
            "beside groups, a subquery cannot read columns of the outer query",
        ),
        ("select k, x in (select y from u) as b from t", "are conditions of WHERE and HAVING"),
        (
            "select k from t where (x in (select y from u)) is null",
            "combined with other conditions only by `and`, `or`",
        ),
        (
            "select k from t where not (x in (select y from u) and g = 'a')",
            "combined with other conditions only by `and`, `or`",
        ),
        (
            "select k from t where (x in (select y from u)) = (g = 'a')",
            "combined with other conditions only by `and`, `or`",
        ),
        (
            "select k from t where case when x in (select y from u) then 1 else 0 end = 1",
            "combined with other conditions",
        ),
        ("select k, sum((select max(y) from u)) as b from t group by k", "is not allowed in an aggregate or window"),
        ("select k from t order by (select max(y) from u)", "a subquery is not allowed here"),
        ("select k from t where x > all (select y from u)", "`any` and `all` are not supported"),
        ("select k from t where exists (select nope from u)", "there is no column `nope` here"),
        ("select k from t where exists (select 1 from u where nope = k)", "there is no column `nope` here"),
        ("select k from t where x = (select y from u limit 1)", "LIMIT without ORDER BY"),
        (
            "select k from t as y where exists (select 1 from u where u.a = y.k)",
            "`y` is the name of a relation of the outer query and of a column here",
        ),
        (
            "select k from t where exists (select 1 from u where u.a = t.k qualify row_number() over (order by y) = 1)",
            "QUALIFY is not allowed in a subquery of an expression",
        ),
        ("select g from t group by rollup(g) qualify g = 'a'", "QUALIFY is not allowed with ROLLUP"),
        ("select k from t qualify row_number() over (order by k)", "a condition is expected here, but this is int"),
        ("select k + 1 from t qualify row_number() over (order by k) = 1", "this column has no name"),
        ("select * except (kk) from t", "there is no column `kk` in this `*`"),
        ("select * except (a) from e", "this SELECT has no columns"),
        ("select count(* except (k)) as n from t", "`count(*)` counts rows"),
        ("select 1 as one from t group by all", "GROUP BY ALL groups by the columns of SELECT, and there are none"),
        ("select sum(x) over (w order by k) as s from t window w as (order by g)", "a named window is defined once"),
        ("select k from t join u", "this JOIN does not say which rows match"),
        ("select z from (select k, x from t) as q (z)", "`q` lists 1 column name, but its query has 2 columns"),
        ("select z from (select k, x from t) as q (z, z)", "`q` names a column twice"),
    ],
)
def test_a_subquery_that_engines_know_differently_is_refused(query: str, message: str, tmp_path: Path) -> None:
    text = f"steps:\n  out:\n    - sql: {json.dumps(query)}\n"
    assert any(message in found for found in messages(tmp_path, text, ROWS))


def test_no_other_step_takes_a_subquery(tmp_path: Path) -> None:
    text = "steps:\n  out:\n    - from: t\n    - filter: k in (select a from u)\n"
    assert messages(tmp_path, text, ROWS) == [
        "a subquery is not allowed in an expression; use a `join` step with `how: semi` or `how: anti`, or a `sql` step"
    ]
