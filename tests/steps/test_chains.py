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
