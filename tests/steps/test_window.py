"""`window`: frames, ties, nulls, and orders that do not settle the answer."""

from __future__ import annotations

from pathlib import Path

from cases import Case, refused


def steps(window: str) -> str:
    return f"steps:\n  out:\n    - from: a\n    - window: {window}\n"


def test_without_an_order_an_aggregate_covers_the_group(case: Case) -> None:
    case.gives(
        steps("{per: [g], columns: {n: count(*), part: x * 100 / sum(x)}}"),
        """
        a: {g: string, x: bigint}
        | g    | x    |
        | u    | 1    |
        | u    | 3    |
        | null | null |
        | null | 5    |
        ->
        | g    | x    | n | part  |
        | u    | 1    | 2 | 25.0  |
        | u    | 3    | 2 | 75.0  |
        | null | null | 2 | null  |
        | null | 5    | 2 | 100.0 |
        """,
    )


def test_rows_that_tie_share_a_running_sum(case: Case) -> None:
    case.gives(
        steps("{order: [t], columns: {so_far: sum(x)}}"),
        """
        a: {t: int, x: bigint}
        | t    | x |
        | 1    | 1 |
        | 2    | 2 |
        | 2    | 3 |
        | null | 9 |
        ->
        | t    | x | so_far |
        | null | 9 | 9      |
        | 1    | 1 | 10     |
        | 2    | 2 | 15     |
        | 2    | 3 | 15     |
        """,
    )


def test_a_descending_order_puts_nulls_last(case: Case) -> None:
    case.gives(
        steps("{order: [t desc], columns: {n: row_number()}}"),
        """
        a: {t: int}
        | t    |
        | null |
        | 1    |
        | 2    |
        ->
        | t    | n |
        | 2    | 1 |
        | 1    | 2 |
        | null | 3 |
        """,
    )


def test_empty_input_gives_no_rows(case: Case) -> None:
    case.gives(steps("{order: [t], columns: {n: row_number()}}"), "    a: {t: int}\n    ->\n    | t | n |\n")


def test_a_column_group_is_added_up_over_the_window(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - from: a
            - aggregate: {by: [g], pivot: {column: t, labels: [A, B], value: sum(x), as: totals}}
            - window: {columns: {everything: sum(totals)}}
        """,
        """
        a: {g: string, t: string, x: int}
        | g | t | x |
        | u | A | 1 |
        | u | B | 2 |
        | v | A | 4 |
        ->
        | g | A | B    | everything |
        | u | 1 | 2    | 7          |
        | v | 4 | null | 7          |
        """,
    )


GIVEN = "    a: {g: string, t: int, x: bigint}\n"


def test_a_rank_that_ties_could_decide_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{per: [g], order: [t], columns: {n: row_number()}}"), GIVEN) == [
        ("no-total-order", "[t]")
    ]


def test_a_rank_without_an_order_is_refused(tmp_path: Path) -> None:
    codes = {code for code, _ in refused(tmp_path, steps("{per: [g], columns: {n: row_number()}}"), GIVEN)}
    assert codes == {"no-total-order"}


def test_over_and_filter_and_distinct_are_refused_at_their_words(tmp_path: Path) -> None:
    assert refused(tmp_path, steps('{columns: {n: "sum(x) over (partition by g)"}}'), GIVEN)[0][0] == "not-allowed-here"
    assert refused(tmp_path, steps('{columns: {n: "sum(x) filter (where t > 1)"}}'), GIVEN) == [
        ("not-allowed-here", "sum")
    ]
    assert refused(tmp_path, steps("{columns: {n: count(distinct x)}}"), GIVEN) == [("not-allowed-here", "count")]


def test_an_expression_without_a_window_function_belongs_to_derive(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{columns: {n: x + 1}}"), GIVEN) == [("not-allowed-here", "x + 1")]


def test_a_mistake_in_the_order_is_reported_once(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{order: [tt], columns: {n: sum(x)}}"), GIVEN) == [("unknown-column", "tt")]


def test_an_aggregate_inside_another_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{columns: {n: sum(count(x))}}"), GIVEN)[0][0] == "not-allowed-here"
