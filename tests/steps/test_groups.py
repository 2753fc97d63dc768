"""Column groups in expressions: `sum(totals)` over one row and over all rows."""

from __future__ import annotations

from cases import Case

PIVOT = "{by: [k], pivot: {column: t, labels: [A, B], value: sum(x)%s, as: totals}}"


def steps(rest: str, fill: str = "") -> str:
    return f"steps:\n  out:\n    - from: a\n    - aggregate: {PIVOT % fill}\n    - {rest}\n"


ROWS = """
    a: {k: int, t: string, x: int}
    | k | t | x    |
    | 1 | A | 5    |
    | 1 | B | 2    |
    | 2 | B | 3    |
    | 3 | A | null |
"""


def test_a_row_is_added_up_without_its_nulls(case: Case) -> None:
    case.gives(
        steps("derive: {total: sum(totals), most: max(totals), least: min(totals), some: sum(totals) > 4}"),
        ROWS
        + """
    ->
    | k | A    | B    | total | most | least | some  |
    | 1 | 5    | 2    | 7     | 5    | 2     | true  |
    | 2 | null | 3    | 3     | 3    | 3     | false |
    | 3 | null | null | null  | null | null  | null  |
    """,
    )


def test_a_filled_group_has_no_null(case: Case) -> None:
    case.gives(
        steps("derive: {total: sum(totals)}", ", fill: 0"),
        ROWS
        + "    ->\n    | k | A | B | total |\n    | 1 | 5 | 2 | 7 |\n    | 2 | 0 | 3 | 3 |\n    | 3 | 0 | 0 | 0 |\n",
    )


def test_rows_are_added_up_in_an_aggregate(case: Case) -> None:
    case.gives(
        steps("aggregate: {columns: {total: sum(totals), most: max(totals), rows: count(*)}}"),
        ROWS + "    ->\n    | total | most | rows |\n    | 10 | 5 | 3 |\n",
    )


def test_an_order_and_a_filter_may_ask_a_group(case: Case) -> None:
    case.gives(
        steps("filter: sum(totals) > 0\n    - top: {order: [sum(totals) desc, k]}"),
        ROWS + "    ->\n    | k | A | B |\n    | 1 | 5 | 2 |\n",
    )


def test_a_column_of_the_same_name_comes_first(case: Case) -> None:
    case.gives(
        steps("derive: {totals: k * 10}\n    - aggregate: {columns: {total: sum(totals)}}"),
        ROWS + "    ->\n    | total |\n    | 60 |\n",
    )


def test_a_group_of_one_label(case: Case) -> None:
    case.gives(
        "steps:\n  out:\n    - from: a\n    - aggregate: {by: [k], pivot: {column: t, labels: [A], value: sum(x), as: totals}}\n"
        "    - derive: {total: sum(totals), most: max(totals)}\n",
        ROWS
        + "    ->\n    | k | A | total | most |\n    | 1 | 5 | 5 | 5 |\n    | 2 | null | null | null |\n    | 3 | null | null | null |\n",
    )
