"""Frames of `window` and of `over`: days with gaps, ties, nulls, both directions; and functions that pass over nulls."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, messages, refused

STEPS = "steps:\n  out:\n    - from: a\n    - window: {}\n"


def test_days_without_rows_are_part_of_a_frame_of_days(case: Case) -> None:
    case.gives(
        STEPS.format("{per: [g], order: [d], frame: 3 days, columns: {n: count(*), total: sum(x), last: max(x)}}"),
        """
        a: {g: string, d: date, x: int}
        | g | d          | x    |
        | u | 2024-02-27 | 1    |
        | u | 2024-02-29 | 2    |
        | u | 2024-03-01 | 4    |
        | u | 2024-03-01 | 8    |
        | u | 2024-03-05 | null |
        | u | null       | 16   |
        | u | null       | 32   |
        | v | 2024-02-29 | 64   |
        ->
        | g | d          | x    | n | total | last |
        | u | 2024-02-27 | 1    | 1 | 1     | 1    |
        | u | 2024-02-29 | 2    | 2 | 3     | 2    |
        | u | 2024-03-01 | 4    | 3 | 14    | 8    |
        | u | 2024-03-01 | 8    | 3 | 14    | 8    |
        | u | 2024-03-05 | null | 1 | null  | null |
        | u | null       | 16   | 2 | 48    | 32   |
        | u | null       | 32   | 2 | 48    | 32   |
        | v | 2024-02-29 | 64   | 1 | 64    | 64   |
        """,
    )


def test_the_beginning_of_a_frame_of_hours_is_not_part_of_it(case: Case) -> None:
    case.gives(
        STEPS.format("{order: [t], frame: 2 hours, columns: {n: count(*)}}"),
        """
        a: {t: timestamp}
        | t                          |
        | 0001-01-01 00:00:00        |
        | 2024-01-01 10:00:00        |
        | 2024-01-01 11:59:59.999999 |
        | 2024-01-01 12:00:00        |
        | 9999-12-31 23:59:59.999999 |
        | null                       |
        ->
        | t                          | n |
        | 0001-01-01 00:00:00        | 1 |
        | 2024-01-01 10:00:00        | 1 |
        | 2024-01-01 11:59:59.999999 | 2 |
        | 2024-01-01 12:00:00        | 2 |
        | 9999-12-31 23:59:59.999999 | 1 |
        | null                       | 1 |
        """,
    )


def test_a_descending_order_looks_at_the_days_behind(case: Case) -> None:
    case.gives(
        STEPS.format("{order: [d desc nulls first], frame: 2 weeks, columns: {n: count(*)}}"),
        """
        a: {d: date}
        | d          |
        | 0001-01-01 |
        | 2024-01-01 |
        | 2024-01-14 |
        | 2024-01-15 |
        | 9999-12-31 |
        | null       |
        ->
        | d          | n |
        | 0001-01-01 | 1 |
        | 2024-01-01 | 2 |
        | 2024-01-14 | 2 |
        | 2024-01-15 | 1 |
        | 9999-12-31 | 1 |
        | null       | 1 |
        """,
    )


def test_rows_and_whole_groups_are_frames(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - from: a
            - window: {order: [k], frame: 2 rows, columns: {two: sum(x), first: first_value(x)}}
            - window: {order: [k], frame: unbounded, columns: {all: sum(x), last: last_value(x)}}
        """,
        """
        a: {k: int key, x: int}
        | k | x |
        | 1 | 1 |
        | 2 | 2 |
        | 3 | 4 |
        ->
        | k | x | two | first | all | last |
        | 1 | 1 | 1   | 1     | 7   | 4    |
        | 2 | 2 | 3   | 1     | 7   | 4    |
        | 3 | 4 | 6   | 2     | 7   | 4    |
        """,
    )


def test_ignore_nulls_looks_at_rows_with_a_value(case: Case) -> None:
    case.gives(
        STEPS.format(
            "{order: [k], columns: {seen: last_value(x) ignore nulls, first: first_value(x) ignore nulls,"
            ' second: "nth_value(x, 2) ignore nulls", before: lag(x) ignore nulls, next: "lead(x, 2, -1) ignore nulls"}}'
        ),
        """
        a: {k: int key, x: int}
        | k | x    |
        | 1 | null |
        | 2 | 5    |
        | 3 | null |
        | 4 | 7    |
        | 5 | null |
        | 6 | 9    |
        ->
        | k | x    | seen | first | second | before | next |
        | 1 | null | null | null  | null   | null   | 7    |
        | 2 | 5    | 5    | 5     | null   | null   | 9    |
        | 3 | null | 5    | 5     | null   | 5      | 9    |
        | 4 | 7    | 7    | 5     | 7      | 5      | -1   |
        | 5 | null | 7    | 5     | 7      | 7      | -1   |
        | 6 | 9    | 9    | 5     | 7      | 7      | -1   |
        """,
    )


def test_sql_measures_ranges_in_time(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - sql: |
                select d, sum(x) over (order by d range between interval 1 week preceding and interval 1 day following) as n,
                  last_value(x) ignore nulls over (order by d) as seen
                from a
        """,
        """
        a: {d: date key, x: int}
        | d          | x    |
        | 2024-01-01 | 1    |
        | 2024-01-08 | 2    |
        | 2024-01-09 | null |
        | 2024-01-10 | 4    |
        ->
        | d          | n | seen |
        | 2024-01-01 | 1 | 1    |
        | 2024-01-08 | 3 | 2    |
        | 2024-01-09 | 6 | 2    |
        | 2024-01-10 | 6 | 4    |
        """,
    )


GIVEN = "    a: {k: int key, g: string, d: date, t: timestamp, x: int}\n"


@pytest.mark.parametrize(
    ("window", "mistake"),
    [
        ("{order: [d], frame: 2 rows, columns: {n: sum(x)}}", ("no-total-order", "[d]")),
        ("{order: [d], frame: 7 days, columns: {n: first_value(x)}}", ("no-total-order", "[d]")),
        ("{order: [d, k], frame: 7 days, columns: {n: sum(x)}}", ("wrong-value", "7 days")),
        ("{order: [k], frame: 7 days, columns: {n: sum(x)}}", ("type-mismatch", "7 days")),
        ("{order: [d], frame: 7 hours, columns: {n: sum(x)}}", ("type-mismatch", "7 hours")),
        ("{order: [d], frame: 0 days, columns: {n: sum(x)}}", ("wrong-value", "0 days")),
        ("{order: [k], frame: 0 rows, columns: {n: sum(x)}}", ("wrong-value", "0 rows")),
        ("{order: [d], frame: 1 month, columns: {n: sum(x)}}", ("wrong-value", "1 month")),
        ("{order: [d], frame: all, columns: {n: sum(x)}}", ("wrong-value", "all")),
        ("{per: [g], frame: 7 days, columns: {n: sum(x)}}", ("missing-key", "7 days")),
        ("{order: [k], frame: 2 rows, columns: {n: row_number()}}", ("not-allowed-here", "row_number")),
        ("{order: [k], columns: {n: sum(x) ignore nulls}}", ("not-allowed-here", "sum")),
        ("{order: [k], columns: {n: rank() ignore nulls}}", ("not-allowed-here", "rank")),
    ],
)
def test_a_frame_that_names_no_rows_is_refused(tmp_path: Path, window: str, mistake: tuple[str, str]) -> None:
    assert mistake in refused(tmp_path, STEPS.format(window), GIVEN)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("order by k range between 6 preceding and current row", "`range` takes no numbers"),
        ("order by k range between interval 6 days preceding and current row", "needs an order of one date"),
        ("order by d, k range between interval 6 days preceding and current row", "needs an order of one date"),
        ("order by d range between interval 6 hours preceding and current row", "a frame over dates has no hours"),
        ("order by k rows between interval 6 days preceding and current row", "`rows` counts rows, not time"),
        (
            "order by t range between interval 1 month preceding and current row",
            "the start and the end of a frame must be",
        ),
        ("order by t range between interval 1 hour following and interval 1 hour preceding", "the start first"),
        ("order by d rows between 6 preceding and current row", "rows can tie here"),
    ],
)
def test_a_range_of_sql_that_means_nothing_is_refused(tmp_path: Path, over: str, message: str) -> None:
    steps = f"steps:\n  out:\n    - sql: select k, sum(x) over ({over}) as n from a\n"
    assert any(message in text for text in messages(tmp_path, steps, GIVEN))
