"""Which periods are plainly disjoint: never two that some row could fulfil."""

from __future__ import annotations

import itertools

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import parse_one

from etlrun.warehouse.periods import are_disjoint

DAYS = ("2022-03-31", "2022-04-01", "2022-04-02", "2022-05-01")
SHOPS = ("HN", "SG", "hn")
NUMBERS = (-1, 0, 4, 10)


def apart(one: str, other: str) -> bool:
    """Which is the same from either side."""
    found = [are_disjoint(parse_one(mine, dialect="spark"), its) for mine, its in ((one, other), (other, one))]
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("month = '2022-04'", "month = '2022-05'"),
        ("month = 4", "MONTH = 5"),
        ("n = -1", "n >= 0"),
        ("day >= '2022-04-01' AND day < '2022-05-01'", "day >= '2022-05-01' AND day < '2022-06-01'"),
        ("day BETWEEN '2022-04-01' AND '2022-04-30'", "day > '2022-04-30'"),
        ("day = CAST('2022-04-01' AS DATE)", "day = CAST('2022-04-02' AS DATE)"),
        ("month = '2022-04' AND shop = 'HN'", "month = '2022-04' AND shop = 'SG'"),
        ("shop IN ('HN', 'SG')", "shop IN ('DN', 'HP')"),
        ("'2022-04' = month", "month = '2022-05'"),
        ("5 > n", "n > 5"),
    ],
)
def test_they_are(one: str, other: str) -> None:
    assert apart(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("month = '2022-04'", ""),
        ("month = '2022-04'", "month = '2022-04' "),
        ("month = '2022-04'", "month = '2022-0… 8f14e45fceea167a5a36dedd4bea2543"),
        ("month = '2022-04'", "month = '2022-04 '"),
        ("month = '2022-04'", "shop = '2022-05'"),
        ("month = '4'", "month = '04'"),
        ("at = '2022-04-01'", "at = '2022-04-01 00:00:00'"),
        ("shop < 'b'", "shop > 'c'"),  # which way a collation has it
        ("day <= '2022-04-01'", "day >= '2022-04-01'"),
        ("month = '2022-04' OR shop = 'HN'", "month = '2022-05'"),
        ("NOT month = '2022-04'", "month = '2022-05'"),
        ("month = 4", "month = '5'"),
        ("year(day) = 2022", "year(day) = 2023"),
    ],
)
def test_they_are_not_or_nobody_can_tell(one: str, other: str) -> None:
    assert not are_disjoint(parse_one(one, dialect="spark"), other)


def comparisons() -> st.SearchStrategy[str]:
    columns = {
        "day": [f"'{day}'" for day in DAYS],
        "shop": [f"'{shop}'" for shop in SHOPS],
        "n": [str(number) for number in NUMBERS],
    }

    def one(column: str) -> st.SearchStrategy[str]:
        value = st.sampled_from(columns[column])
        compared = st.builds(
            lambda sign, constant: f"{column} {sign} {constant}", st.sampled_from(["=", "<", "<=", ">", ">="]), value
        )
        mirrored = st.builds(
            lambda sign, constant: f"{constant} {sign} {column}", st.sampled_from(["=", "<", ">="]), value
        )
        listed = st.builds(lambda some: f"{column} IN ({', '.join(some)})", st.lists(value, min_size=1, max_size=3))
        between = st.builds(lambda low, high: f"{column} BETWEEN {low} AND {high}", value, value)
        return st.one_of(compared, mirrored, listed, between)

    return st.sampled_from(sorted(columns)).flatmap(one)


def periods() -> st.SearchStrategy[str]:
    def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        return st.builds(
            lambda one, sign, other: f"({one}) {sign} ({other})", inner, st.sampled_from(["AND", "AND", "OR"]), inner
        )

    return st.recursive(comparisons(), joined, max_leaves=4)


@settings(max_examples=300, deadline=None)
@given(periods(), periods())
def test_no_row_fulfils_two_periods_that_are_taken_to_be_apart(one: str, other: str) -> None:
    if not apart(one, other):
        return
    rows = " UNION ALL ".join(
        f"SELECT '{day}' AS day, '{shop}' AS shop, {n} AS n" for day, shop, n in itertools.product(DAYS, SHOPS, NUMBERS)
    )
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT count(*) FROM ({rows}) WHERE ({one}) AND ({other})").fetchone() == (0,)
