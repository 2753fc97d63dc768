"""`fill_days`: gaps, bounds, weeks and months, groups of null, and rows that stay as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, refused

STEPS = "steps:\n  out:\n    - from: a\n    - fill_days: {}\n"


def test_every_group_has_days_of_its_own_and_its_rows_stay(case: Case) -> None:
    case.gives(
        STEPS.format("{by: [g], at: d, columns: {x: 0}}"),
        """
        a: {g: string, d: date, x: bigint, y: double}
        | g    | d          | x    | y   |
        | u    | 2023-12-31 | 1    | 1.5 |
        | u    | 2024-01-02 | null | 2.5 |
        | u    | 2024-01-02 | 3    | 2.5 |
        | u    | null       | 4    | 3.5 |
        | null | 2024-02-28 | 5    | 4.5 |
        | null | 2024-03-01 | 6    | 5.5 |
        | v    | null       | 7    | 6.5 |
        ->
        | g    | d          | x    | y    |
        | u    | 2023-12-31 | 1    | 1.5  |
        | u    | 2024-01-01 | 0    | null |
        | u    | 2024-01-02 | null | 2.5  |
        | u    | 2024-01-02 | 3    | 2.5  |
        | u    | null       | 4    | 3.5  |
        | null | 2024-02-28 | 5    | 4.5  |
        | null | 2024-02-29 | 0    | null |
        | null | 2024-03-01 | 6    | 5.5  |
        | v    | null       | 7    | 6.5  |
        """,
    )


def test_bounds_are_the_same_for_all_groups(case: Case) -> None:
    case.gives(
        STEPS.format("{by: [g], at: d, from: date '2024-01-01', to: date '2024-01-02'}"),
        """
        a: {g: string, d: date}
        | g | d          |
        | u | 2024-01-02 |
        | u | 2024-01-09 |
        | v | null       |
        ->
        | g | d          |
        | u | 2024-01-01 |
        | u | 2024-01-02 |
        | u | 2024-01-09 |
        | v | 2024-01-01 |
        | v | 2024-01-02 |
        | v | null       |
        """,
    )


def test_bounds_make_rows_of_no_rows_where_there_are_no_groups(case: Case) -> None:
    case.gives(
        STEPS.format("{at: d, from: date '2024-01-01', to: date '2024-01-08', every: week, columns: {x: 0}}"),
        """
        a: {d: date, x: int}
        ->
        | d          | x |
        | 2024-01-01 | 0 |
        | 2024-01-08 | 0 |
        """,
    )


def test_months_are_counted_from_the_first_day(case: Case) -> None:
    case.gives(
        STEPS.format("{at: d, every: month}"),
        """
        a: {d: date}
        | d          |
        | 2024-01-31 |
        | 2024-04-15 |
        ->
        | d          |
        | 2024-01-31 |
        | 2024-02-29 |
        | 2024-03-31 |
        | 2024-04-15 |
        """,
    )


def test_the_first_and_last_days_of_all_have_no_gap(case: Case) -> None:
    case.gives(
        STEPS.format("{at: d, by: [g]}"),
        """
        a: {g: int, d: date}
        | g | d          |
        | 1 | 0001-01-01 |
        | 1 | 0001-01-02 |
        | 2 | 9999-12-31 |
        ->
        | g | d          |
        | 1 | 0001-01-01 |
        | 1 | 0001-01-02 |
        | 2 | 9999-12-31 |
        """,
    )


def test_filled_days_are_carried_on_by_the_key_that_stays(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - from: a
            - fill_days: {at: d}
            - carry: {columns: [x], order: [d]}
        """,
        """
        a: {d: date key, x: int}
        | d          | x |
        | 2024-01-01 | 1 |
        | 2024-01-03 | 2 |
        ->
        | d          | x |
        | 2024-01-01 | 1 |
        | 2024-01-02 | 1 |
        | 2024-01-03 | 2 |
        """,
    )


@pytest.mark.parametrize(
    ("step", "mistake"),
    [
        ("{at: t}", ("type-mismatch", "t")),
        ("{at: d, by: [d]}", ("column-exists", "d")),
        ("{at: d, columns: {d: date '2024-01-01'}}", ("column-exists", "d")),
        ("{at: d, columns: {x: 1.5D}}", ("type-mismatch", "1.5D")),
        ("{at: d, columns: {x: y}}", ("unknown-column", "y")),
        ("{at: d, from: 2024}", ("type-mismatch", "2024")),
        ("{at: d, every: hour}", ("wrong-value", "hour")),
    ],
)
def test_what_is_no_day_or_no_value_is_refused(tmp_path: Path, step: str, mistake: tuple[str, str]) -> None:
    given = "    a: {d: date, t: timestamp, x: int, y: int}\n"
    assert mistake in refused(tmp_path, STEPS.format(step), given)
