"""`join`: which rows stay, what null keys do, how duplicates multiply, and which columns are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, messages, refused

ROWS = """
    a: {k: string, x: int}
    | k    | x |
    | k1   | 1 |
    | k2   | 2 |
    | null | 3 |
    b: {k: string, y: int}
    | k    | y  |
    | k1   | 10 |
    | k1   | 11 |
    | k3   | 30 |
    | null | 40 |
"""


def steps(join: str) -> str:
    return f"steps:\n  out:\n    - from: a\n    - join: {join}\n"


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("inner", "| k1 | 1 | 10 |\n| k1 | 1 | 11 |"),
        ("left", "| k1 | 1 | 10 |\n| k1 | 1 | 11 |\n| k2 | 2 | null |\n| null | 3 | null |"),
        ("right", "| k1 | 1 | 10 |\n| k1 | 1 | 11 |\n| k3 | null | 30 |\n| null | null | 40 |"),
        (
            "full",
            "| k1 | 1 | 10 |\n| k1 | 1 | 11 |\n| k2 | 2 | null |\n| null | 3 | null |\n| k3 | null | 30 |\n| null | null | 40 |",
        ),
    ],
)
def test_null_keys_match_nothing_and_duplicates_multiply(how: str, expected: str, case: Case) -> None:
    lines = expected.replace("\n", "\n    ")
    case.gives(steps(f"{{with: b, on: [k], how: {how}}}"), f"{ROWS}    ->\n    | k | x | y |\n    {lines}\n")


def test_semi_keeps_a_row_once_and_anti_keeps_null_keys(case: Case) -> None:
    case.gives(steps("{with: b, on: k, how: semi}"), ROWS + "    ->\n    | k | x |\n    | k1 | 1 |\n")
    case.gives(steps("{with: b, on: k, how: anti}"), ROWS + "    ->\n    | k | x |\n    | k2 | 2 |\n    | null | 3 |\n")


def test_an_empty_side_leaves_what_the_other_side_has(case: Case) -> None:
    case.gives(
        steps("{with: b, on: [k], how: full}"),
        """
        a: {k: string, x: int}
        b: {k: string, y: int}
        | k  | y |
        | k1 | 1 |
        ->
        | k  | x    | y |
        | k1 | null | 1 |
        """,
    )


def test_keys_of_different_widths_match_and_a_full_join_widens_them(case: Case) -> None:
    case.gives(
        steps("{with: b, on: {i: j}, how: full}"),
        """
        a: {i: int, x: string}
        | i | x |
        | 1 | a |
        b: {j: bigint, y: string}
        | j          | y |
        | 1          | b |
        | 9999999999 | c |
        ->
        | i: bigint  | x    | y |
        | 1          | a    | b |
        | 9999999999 | null | c |
        """,
    )


def test_a_relation_joins_itself_and_renames_what_it_brings(case: Case) -> None:
    case.gives(
        steps("{with: a, on: {boss: id}, how: left, columns: {boss_name: name}}"),
        """
        a: {id: int, name: string, boss: int}
        | id | name | boss |
        | 1  | An   | null |
        | 2  | Ba   | 1    |
        ->
        | id | name | boss | boss_name |
        | 1  | An   | null | null      |
        | 2  | Ba   | 1    | An        |
        """,
    )


def test_a_prefix_goes_before_every_name(case: Case) -> None:
    case.gives(
        steps("{with: b, on: [k], prefix: b_}"),
        """
        a: {k: int, v: int}
        | k | v |
        | 1 | 2 |
        b: {k: int, v: int, w: int}
        | k | v | w |
        | 1 | 3 | 4 |
        ->
        | k | v | b_v | b_w |
        | 1 | 2 | 3   | 4   |
        """,
    )


def test_a_group_of_the_other_side_comes_along_under_its_new_names(case: Case) -> None:
    case.gives(
        """
        steps:
          sums:
            - from: b
            - aggregate: {by: [k], pivot: {column: t, labels: [TV, Film], value: sum(v), fill: 0, as: totals}}
          out:
            - from: a
            - join: {with: sums, on: [k], prefix: n_}
            - argmax: {over: totals, as: most}
        """,
        """
        a: {k: int}
        | k |
        | 1 |
        b: {k: int, t: string, v: bigint}
        | k | t    | v |
        | 1 | TV   | 3 |
        | 1 | Film | 4 |
        ->
        | k | n_Film | n_TV | most |
        | 1 | 4      | 3    | Film |
        """,
    )


CLASH = """
    a: {k: string, v: int}
    b: {k: string, v: int}
"""


def test_a_column_of_both_sides_is_refused_with_advice(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{with: b, on: [k]}"), CLASH) == [("column-exists", "b")]
    assert messages(tmp_path, steps("{with: b, on: [k]}"), CLASH) == [
        "both sides have a column `v`; list the columns of the other relation in `columns: [...]`, or add a `prefix:`"
    ]


def test_names_that_differ_only_in_case_clash(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{with: b, on: [k]}"), "    a: {k: int, V: int}\n    b: {k: int, v: int}\n") == [
        ("column-exists", "b")
    ]


def test_expect_one_needs_a_known_key(tmp_path: Path) -> None:
    assert refused(
        tmp_path,
        steps("{with: b, on: [k], columns: [], expect: one}".replace("columns: [], ", "columns: {w: v}, ")),
        CLASH,
    ) == [("no-total-order", "one")]


def test_expect_one_is_kept_by_what_made_the_other_side_unique(case: Case) -> None:
    case.gives(
        """
        steps:
          sums:
            - from: b
            - aggregate: {by: [k], columns: {n: count(*)}}
          out:
            - from: a
            - join: {with: sums, on: [k], how: left, expect: one}
        """,
        """
        a: {k: int}
        | k |
        | 1 |
        | 1 |
        b: {k: int}
        | k |
        | 1 |
        | 1 |
        ->
        | k | n |
        | 1 | 2 |
        | 1 | 2 |
        """,
    )


def test_keys_of_types_that_do_not_compare_are_refused(tmp_path: Path) -> None:
    rows = "    a: {k: string}\n    b: {k: int}\n"
    assert refused(tmp_path, steps("{with: b, on: [k]}"), rows) == [("type-mismatch", "k")]


def test_a_key_or_relation_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{with: bb, on: [k]}"), CLASH) == [("unknown-relation", "bb")]
    assert refused(tmp_path, steps("{with: b, on: [kk], columns: {w: v}}"), CLASH)[0] == ("unknown-column", "kk")


def test_semi_brings_no_columns(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{with: b, on: [k], how: semi, prefix: b_}"), CLASH) == [("wrong-value", "b_")]


PAIRS = """
    a: {k: int, x: int}
    | k    | x    |
    | 1    | 5    |
    | 1    | 7    |
    | 2    | null |
    | null | 9    |
    b: {k: int, y: int}
    | k    | y    |
    | 1    | 6    |
    | 2    | 6    |
    | null | null |
    e: {z: int}
    | z |
"""


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("{with: b, on: [k], where: here.x < there.y}", "| k | x | y |\n| 1 | 5 | 6 |"),
        (
            "{with: b, on: [k], how: left, where: here.x < there.y}",
            "| k | x | y |\n| 1 | 5 | 6 |\n| 1 | 7 | null |\n| 2 | null | null |\n| null | 9 | null |",
        ),
        ("{with: a, on: [k], how: semi, where: here.x <> there.x}", "| k | x |\n| 1 | 5 |\n| 1 | 7 |"),
        ("{with: a, on: [k], how: anti, where: here.x <> there.x}", "| k | x |\n| 2 | null |\n| null | 9 |"),
        (
            "{with: b, how: cross, columns: [y], where: x > y or there.k = 2 and x < 6}",
            "| k | x | y |\n| 1 | 7 | 6 |\n| 1 | 7 | 6 |\n| 1 | 5 | 6 |\n| null | 9 | 6 |\n| null | 9 | 6 |",
        ),
        ("{with: e, how: cross}", "| k | x | z |"),
    ],
)
def test_a_match_meets_the_condition_besides(join: str, expected: str, case: Case) -> None:
    lines = expected.replace("\n", "\n    ")
    case.gives(steps(join), f"{PAIRS}    ->\n    {lines}\n")


def test_every_row_there_stands_beside_every_row_here(case: Case) -> None:
    case.gives(
        "steps:\n  out:\n    - from: b\n    - filter: k is not null\n    - join: {with: a, how: cross, columns: [x]}\n",
        PAIRS
        + "    ->\n    | k | y | x |\n"
        + "".join(f"    | {k} | 6 | {x} |\n" for k in (1, 2) for x in (5, 7, "null", 9)),
    )


@pytest.mark.parametrize(
    ("join", "found"),
    [
        ("{with: b, columns: [y]}", ("missing-key", "{with: b, columns: [y]}")),
        ("{with: b, how: cross, on: [k], columns: [y]}", ("wrong-value", "[k]")),
        ("{with: b, on: [k], how: full, where: here.x > 1}", ("not-allowed-here", "here.x > 1")),
        ("{with: b, on: [k], where: k > 1}", ("unknown-column", "k")),
        ("{with: b, on: [k], where: there.z > 1}", ("unknown-column", "there.z")),
        ("{with: b, on: [k], where: here.x + 1}", ("type-mismatch", "here.x + 1")),
    ],
)
def test_a_condition_of_a_join_is_checked(join: str, found: tuple[str, str], tmp_path: Path) -> None:
    assert refused(tmp_path, steps(join), PAIRS) == [found]
