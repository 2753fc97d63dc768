"""`unpivot`: labels, nulls, types, and what is left of keys."""

from __future__ import annotations

from pathlib import Path

from cases import Case, refused


def steps(unpivot: str) -> str:
    return f"steps:\n  out:\n    - from: a\n    - unpivot: {unpivot}\n"


def test_nulls_are_dropped_when_asked(case: Case) -> None:
    case.gives(
        steps("{columns: [x, y], name: n, value: v, nulls: drop}"),
        """
        a: {k: int, x: int, y: int}
        | k | x    | y    |
        | 1 | 5    | null |
        | 2 | null | null |
        ->
        | k | n | v |
        | 1 | x | 5 |
        """,
    )


def test_a_group_gives_its_labels_not_its_columns(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - from: a
            - aggregate: {by: [k], pivot: {column: t, labels: [Phim Truyen, TV], value: sum(x), name: "total_{label}", fill: 0, as: totals}}
            - unpivot: {over: totals, name: type, value: seconds}
            - top: {n: 1, per: [k], order: [seconds desc, type]}
        """,
        """
        a: {k: int, t: string, x: bigint}
        | k | t           | x |
        | 1 | Phim Truyen | 5 |
        | 1 | TV          | 5 |
        ->
        | k | type        | seconds |
        | 1 | Phim Truyen | 5       |
        """,
    )


def test_empty_input_gives_no_rows(case: Case) -> None:
    case.gives(steps("{columns: [x], name: n, value: v}"), "    a: {x: date}\n    ->\n    | n | v |\n")


def test_every_column_may_be_unpivoted(case: Case) -> None:
    case.gives(
        steps("{columns: [y, X], name: n, value: v}"),
        "    a: {x: int, y: int}\n    | x | y |\n    | 1 | 2 |\n    ->\n    | n | v |\n    | y | 2 |\n    | x | 1 |\n",
    )


def test_mixed_types_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{columns: [x, y], name: n, value: v}"), "    a: {x: int, y: bigint}\n") == [
        ("type-mismatch", "y")
    ]


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{columns: [x, X], name: n, value: v}"), "    a: {x: int}\n") == [
        ("column-exists", "X")
    ]


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{columns: [x], name: k, value: k}"), "    a: {k: int, x: int}\n")[0] == (
        "column-exists",
        "k",
    )


def test_columns_and_a_group_together_are_refused(tmp_path: Path) -> None:
    assert ("missing-key") in {code for code, _ in refused(tmp_path, steps("{name: n, value: v}"), "    a: {x: int}\n")}
