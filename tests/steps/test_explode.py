"""`explode`: empty arrays, null arrays, null elements and positions."""

from __future__ import annotations

from pathlib import Path

from cases import Case, refused


def steps(explode: str) -> str:
    return f"steps:\n  out:\n    - from: a\n    - explode: {explode}\n"


ROWS = """
    a: {k: int, xs: array<bigint>, z: string}
    | k | xs        | z |
    | 1 | [7, null] | p |
    | 2 | []        | q |
    | 3 | null      | r |
"""


def test_dropping_leaves_only_elements(case: Case) -> None:
    case.gives(
        steps("{column: xs, empty: drop}"),
        ROWS + "    ->\n    | k | xs | z |\n    | 1 | 7 | p |\n    | 1 | null | p |\n",
    )


def test_positions_count_from_one(case: Case) -> None:
    case.gives(
        steps("{column: xs, as: x, empty: drop, position: xs}"),
        ROWS + "    ->\n    | k | x | z | xs: int |\n    | 1 | 7 | p | 1 |\n    | 1 | null | p | 2 |\n",
    )


def test_a_kept_row_has_neither_element_nor_position(case: Case) -> None:
    case.gives(
        steps("{column: xs, as: x, empty: keep, position: n}"),
        ROWS
        + "    ->\n    | k | x | z | n |\n    | 1 | 7 | p | 1 |\n    | 1 | null | p | 2 |\n    | 2 | null | q | null |\n    | 3 | null | r | null |\n",
    )


def test_empty_input_gives_no_rows(case: Case) -> None:
    case.gives(steps("{column: xs, empty: keep}"), "    a: {xs: array<string>}\n    ->\n    | xs: string |\n")


def test_a_column_that_is_no_array_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{column: k, empty: drop}"), ROWS) == [("type-mismatch", "k")]


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{column: xs, as: z, empty: drop}"), ROWS) == [("column-exists", "z")]


def test_what_becomes_of_empty_arrays_must_be_said(tmp_path: Path) -> None:
    assert [code for code, _ in refused(tmp_path, steps("{column: xs}"), ROWS)] == ["missing-key"]
