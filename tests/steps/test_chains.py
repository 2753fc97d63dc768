"""Chains: how they start, what order they are made in, and what nobody reads."""

from __future__ import annotations

from pathlib import Path

from cases import Case, refused
from running import check
from tables import read_example

ROWS = "    a: {x: int}\n    | x |\n    | 1 |\n"


def test_a_chain_says_first_what_it_reads(tmp_path: Path) -> None:
    assert refused(tmp_path, "steps:\n  out:\n    - filter: x > 1\n", ROWS)[0] == ("missing-key", "filter")


def test_from_stands_first(tmp_path: Path) -> None:
    assert refused(tmp_path, "steps:\n  out:\n    - from: a\n    - from: a\n", ROWS) == [("not-allowed-here", "from")]


def test_a_chain_of_from_alone_is_its_relation(case: Case) -> None:
    case.gives("steps:\n  out:\n    - from: a\n", ROWS + "    ->\n    | x |\n    | 1 |\n")


def test_chains_are_made_in_the_order_of_what_they_read_whatever_the_case_of_names_in_sql(case: Case) -> None:
    case.gives(
        "steps:\n  first:\n    - sql: select X + 1 as y from Later\n  later:\n    - from: a\n  out:\n    - from: first\n",
        ROWS + "    ->\n    | y |\n    | 2 |\n",
    )


def test_a_relation_that_only_a_check_reads_is_used(tmp_path: Path) -> None:
    text = "steps:\n  kept:\n    - from: a\n  out:\n    - from: a\nchecks:\n  out:\n    - conserved: {left: sum(kept.x), right: sum(x)}\n"
    assert check(tmp_path, read_example(text, ROWS)).warnings == ()


def test_a_relation_that_nobody_reads_is_told(tmp_path: Path) -> None:
    (warning,) = check(tmp_path, read_example("steps:\n  out:\n    - from: a\n", ROWS)).warnings
    assert (warning.code, warning.message) == ("unused", "nothing reads or publishes `out`")


def test_united_rows_may_be_null_where_either_may(tmp_path: Path) -> None:
    text = "steps:\n  sure:\n    - from: a\n    - bucket: {column: x, as: b, cases: {Low: '< 1'}, else: High}\n    - select: [b]\n  unsure:\n    - from: a\n    - bucket: {column: x, as: b, cases: {Low: '< 1'}}\n    - select: [b]\n  out:\n    - from: [sure, unsure]\n"
    columns = check(tmp_path, read_example(text, ROWS)).columns
    assert [columns[name].get("b").nullable for name in ("sure", "unsure", "out")] == [False, True, True]  # type: ignore[union-attr]


def test_a_column_that_one_of_several_relations_lacks_is_null_in_its_rows(case: Case) -> None:
    case.gives(
        "steps:\n  out:\n    - from: {relations: [a, b, c], missing: null}\n",
        """
        a: {x: int, day: date}
        | x | day        |
        | 1 | 2024-01-01 |
        | 1 | 2024-01-01 |
        b: {Price: "decimal(10,2)", X: int}
        | Price | X    |
        | 1.50  | null |
        c: {price: "decimal(10,2)", at: timestamp}
        | price | at                  |
        | 2.50  | 2024-01-01 10:00:00 |
        ->
        | x    | day        | Price | at                  |
        | 1    | 2024-01-01 | null  | null                |
        | 1    | 2024-01-01 | null  | null                |
        | null | null       | 1.50  | null                |
        | null | null       | 2.50  | 2024-01-01 10:00:00 |
        """,
    )


def test_columns_that_differ_are_a_mistake_unless_null_is_asked_for(tmp_path: Path) -> None:
    rows = "    a: {x: int}\n    | x |\n    | 1 |\n    b: {y: int}\n    | y |\n    | 1 |\n    c: {y: string}\n    | y |\n    | 1 |\n"
    assert refused(tmp_path, "steps:\n  out:\n    - from: [a, b]\n", rows) == [
        ("unknown-column", "b"),
        ("unknown-column", "b"),
    ]
    drifting = "steps:\n  out:\n    - from: {relations: [a, b, c], missing: null}\n"
    assert refused(tmp_path, drifting, rows) == [("type-mismatch", "c")]
    assert refused(tmp_path, "steps:\n  out:\n    - from: {relations: a, missing: null}\n", rows) == [
        ("wrong-value", "null")
    ]
    assert refused(tmp_path, "steps:\n  out:\n    - from: {relations: [a, b], missing: none}\n", rows) == [
        ("wrong-value", "none")
    ]


def test_a_column_may_have_the_name_of_a_key_of_its_step(tmp_path: Path) -> None:
    text = "steps:\n  out:\n    - from: a\n    - derive: {columns: x * 2}\n"
    assert check(tmp_path, read_example(text, ROWS)).columns["out"].names == ("x", "columns")
