"""`sql`: what a SELECT may read and say, and how it stands in a chain."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, messages, refused
from etlrun.compiler.plan import make_plan
from running import check
from tables import read_example

ROWS = """
    a: {k: string, x: bigint}
    | k | x |
    | u | 1 |
    | u | 2 |
    | v | 5 |
"""


def steps(query: str, before: str = "") -> str:
    lines = "\n".join(f"          {line}" for line in query.splitlines())
    return f"steps:\n  out:\n{before}    - sql: |\n{lines}\n"


def test_a_chain_may_start_with_it_and_go_on(case: Case) -> None:
    case.gives(
        steps("select k, sum(x) as total from a group by k") + "    - filter: total > 3\n",
        ROWS + "    ->\n    | k | total |\n    | v | 5 |\n",
    )


def test_its_own_ctes_may_read_the_rows_so_far(case: Case) -> None:
    case.gives(
        steps(
            "with sums as (select k, sum(x) as total from input group by k)\nselect k from sums where total = 3",
            "    - from: a\n    - filter: x < 5\n",
        ),
        ROWS + "    ->\n    | k |\n    | u |\n",
    )


def test_the_rows_so_far_may_be_read_twice(case: Case) -> None:
    case.gives(
        steps(
            "select one.k, two.x from input as one join input two on one.x = two.x - 1",
            "    - from: a\n    - filter: x < 5\n",
        ),
        ROWS + "    ->\n    | k | x |\n    | u | 2 |\n",
    )


def test_union_and_subqueries_are_read(case: Case) -> None:
    case.gives(
        steps("select k from (select k, x from a where x > 1) as big union all select 'w' as k"),
        ROWS + "    ->\n    | k |\n    | u |\n    | v |\n    | w |\n",
    )


def test_a_param_is_filled_in(tmp_path: Path) -> None:
    text = "params:\n  least: {type: int, default: 2}\n" + steps("select k from a where x >= $least")
    plan = make_plan(check(tmp_path, read_example(text, ROWS)))
    assert "2" in plan.relation("out").tree.sql()  # type: ignore[union-attr]


def test_only_what_it_reads_is_made_before(tmp_path: Path) -> None:
    text = steps("with mine as (select k from a) select mine.k from mine join other using (k)").replace(
        "steps:\n", "steps:\n  other:\n    - from: a\n    - select: [k]\n"
    )
    plan = make_plan(check(tmp_path, read_example(text, ROWS)))
    assert plan.relation("out").reads == ("other", "a") or plan.relation("out").reads == ("a", "other")


@pytest.mark.parametrize(
    "query",
    [
        "select a.k, count(*) as n from a group by k",
        "select k, count(*) as n from a group by a.k",
        "select t.k, count(*) as n from a as t group by k having t.k is not null order by t.k",
        "select k, count(*) as n from a as T group by t.K order by `t`.`k` limit 5",
        "select lower(t.k) as k, count(*) as n from a t group by lower(k)",
        "select concat(t.k, '') as k, count(*) as n from a t group by k",
        "select t.k, count(*) as n from a t group by rollup(k) having grouping(t.k) = 0",
    ],
)
def test_the_name_of_the_only_relation_makes_no_other_column(case: Case, query: str) -> None:
    case.gives(steps(query), ROWS.replace("| v | 5 |", "| u | 1 |") + "    ->\n    | k | n |\n    | u | 3 |\n")


@pytest.mark.parametrize(
    ("query", "code", "word"),
    [
        ("select k from aa", "unknown-relation", "aa"),
        ("select kk from a", "unknown-column", "kk"),
        ("select k from input", "unknown-relation", "input"),
        ("with a as (select 1 as one) select one from a", "duplicate-name", "a"),
        ("select k, count(*) from a group by k", "missing-key", "count"),
        ("select k, x from a group by k", "not-grouped", "x"),
        ("select k, grouping(k) as g from a group by k", "unknown-function", "grouping"),
        ("select k from a limit 1", "no-total-order", "1"),
        ("delete from a", "syntax", "delete from a"),
        ("select k from a; select x from a", "syntax", "select k from a; select x from a"),
        ("select k from parquet.`/etc/passwd`", "expression-not-allowed", "parquet.`/etc/passwd`"),
        ("select k as `__etlrun_x` from a", "bad-name", ""),
    ],
)
def test_what_it_cannot_say_is_refused_at_its_word(query: str, code: str, word: str, tmp_path: Path) -> None:
    found = refused(tmp_path, steps(query), ROWS)
    assert code in {code for code, _ in found}
    if word:
        assert (code, word) in found


def test_a_misspelled_relation_is_named(tmp_path: Path) -> None:
    assert messages(tmp_path, steps("select k from aa"), ROWS) == [
        "there is no source or step chain `aa`; did you mean `a`?"
    ]


def test_chains_that_read_each_other_are_a_cycle(tmp_path: Path) -> None:
    text = "steps:\n  one:\n    - sql: select k from two\n  two:\n    - sql: select k from one\n"
    assert "cycle" in {code for code, _ in refused(tmp_path, text, ROWS)}


def test_group_by_takes_a_name_that_select_gives(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - sql: |
                select upper(s) as u, extract(year from d) as y, count(*) as n
                from a
                group by u, y
                having upper(s) <> 'C'
                order by n desc, u, y
                limit 9
        """,
        """
        a: {s: string, d: date}
        | s    | d          |
        | a    | 2024-01-01 |
        | A    | 2024-12-31 |
        | A    | 2025-01-01 |
        | c    | 2024-01-01 |
        | null | null       |
        ->
        | u | y    | n |
        | A | 2024 | 2 |
        | A | 2025 | 1 |
        """,
    )


def test_having_takes_a_name_that_select_gives_and_positions_name_its_columns(case: Case) -> None:
    case.gives(
        steps("select lower(k) as low, sum(x) as total from a group by 1 having total > 2 order by 2 desc, 1 limit 1"),
        ROWS + "    ->\n    | low | total |\n    | v   | 5     |\n",
    )


def test_a_column_that_is_read_comes_before_a_name_that_select_gives(case: Case) -> None:
    case.gives(
        "steps:\n  out:\n    - sql: select count(*) as s, t from a group by t\n",
        """
        a: {s: string, t: int}
        | s | t |
        | x | 1 |
        | y | 1 |
        ->
        | s | t |
        | 2 | 1 |
        """,
    )


def test_group_by_refuses_the_name_of_an_aggregate(tmp_path: Path) -> None:
    steps = "steps:\n  out:\n    - sql: select s, count(*) as n from a group by s, n\n"
    assert ("not-allowed-here", "count") in refused(tmp_path, steps, "    a: {s: string}\n")
