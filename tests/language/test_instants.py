"""Instants and the clocks of time zones, on both engines and beside Python's `zoneinfo`."""

from __future__ import annotations

import datetime
import io
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from both_engines import Engines

from etlrun.language.columns import TIMESTAMP, TIMESTAMPTZ, Column, Columns
from etlrun.language.expressions import parse_select
from etlrun.language.problems import ExpressionError
from etlrun.language.queries import check_query
from etlrun.language.zones import calendar_of, zone_names, zone_table

EVERY = 12  # every so many zones; the others have the same code
ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC")
CLOCKS = tuple(
    datetime.datetime.fromisoformat(text)
    for text in (
        "0001-01-02 00:00:00",
        "9999-12-30 23:59:59.999999",
        "1911-04-30 16:53:30",
        "1945-03-14 23:00:00",
        "1975-06-12 15:59:59.5",
        "2000-02-29 12:00:00",
        "2022-03-27 00:59:59.999999",
        "2022-03-27 01:00:00",
        "2022-03-27 02:30:00",  # not there in Berlin
        "2022-10-30 00:59:59",
        "2022-10-30 01:00:00",
        "2022-10-30 02:30:00",  # twice in Berlin
        "2022-03-13 02:30:00",
        "2022-11-06 01:30:00",
        "2022-04-03 01:45:00",  # half an hour in Lord Howe
        "2022-12-31 23:30:00",
        "2100-03-28 02:15:00",
        "2400-10-29 02:15:00",
    )
)
TEXTS = (
    *("2022-04-30T20:15:00+07:00", "2022-04-30 13:15:00Z", "2022-04-30 13:15:00.25 UTC", " 2022-4-1 1:2+0530 ", "2022-04-30 10:15:00-03"),
    *("2022-04-30 20:15:00", "2022-04-30", "2022-04-30Z", "2022-02-30 10:00:00Z", "2022-04-30 24:00:00Z", "2022-04-30 20:15:00+7"),
    *("2022-04-30 20:15:00+19:00", "2022-04-30 20:15:00+07:60", "x", "", None),
)  # fmt: skip


def zone_of(name: str) -> ZoneInfo:
    return ZoneInfo.from_file(io.BytesIO(files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()))


def to_zone(clock: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    return clock.replace(tzinfo=datetime.UTC).astimezone(zone).replace(tzinfo=None)


def from_zone(clock: datetime.datetime, zone: ZoneInfo) -> datetime.datetime:
    return clock.replace(tzinfo=zone).astimezone(datetime.UTC).replace(tzinfo=None)


def by_table(name: str, clock: datetime.datetime, *, is_local: bool) -> datetime.timedelta:
    table = zone_table(name, is_local=is_local)
    place = clock.year - table.first
    if place < 0:
        return datetime.timedelta(seconds=table.before)
    year = table.years[place] if place < len(table.years) else table.calendars[calendar_of(clock.year)]
    second = (clock - datetime.datetime(clock.year, 1, 1)) // datetime.timedelta(seconds=1)
    return datetime.timedelta(seconds=year.offsets[sum(second >= change for change in year.changes)])


def test_both_engines_convert_clocks_of_zones_as_python_does(spark: Any, duck: Any) -> None:
    engines = Engines(spark, duck, {"k": "int", "w": "timestamp"}, list(enumerate((*CLOCKS, None))))
    calls = [f"{name}(w, '{zone}')" for zone in ZONES for name in ("from_utc_timestamp", "to_utc_timestamp")]
    nested = "from_utc_timestamp(to_utc_timestamp(coalesce(w, w), 'Europe/Berlin') + interval 1 hour, 'Asia/Kathmandu')"
    assert (
        engines.differences([*calls, nested, "max(to_utc_timestamp(w, 'Asia/Ho_Chi_Minh')) over (partition by k)"])
        == []
    )
    expected = [
        tuple(repr(convert(clock, zone_of(zone)).isoformat(" ", "microseconds")) for clock in CLOCKS) + ("None",)
        for zone in ZONES
        for convert in (to_zone, from_zone)
    ]
    assert [answer.values for answer in engines.duck_answers(calls)] == expected


def test_text_with_an_offset_is_an_instant_on_both_engines(spark: Any, duck: Any) -> None:
    engines = Engines(spark, duck, {"k": "int", "s": "string"}, list(enumerate(TEXTS)))
    expressions = ["try_cast(s as timestamptz)", "cast(try_to_timestamptz(s) as string)"]
    assert engines.differences(expressions) == []
    read = [value.strip("'") for value in engines.duck_answers(expressions)[1].values]
    assert read == [
        *("2022-04-30 13:15:00Z", "2022-04-30 13:15:00Z", "2022-04-30 13:15:00.25Z", "2022-03-31 19:32:00Z", "2022-04-30 13:15:00Z"),
        *["None"] * 11,
    ]  # fmt: skip
    clocks = ["try_cast(s as timestamp)", "try_to_timestamp(s)", "try_cast(concat(s, '') as timestamp)"]
    assert engines.differences(clocks) == []
    without = ["'2022-04-30 20:15:00.000000'", "'2022-04-30 00:00:00.000000'"]
    assert [[value for value in answer.values if value != "None"] for answer in engines.duck_answers(clocks)] == [
        without
    ] * 3
    first = "cast(s as timestamptz) = '2022-04-30 13:15:00Z' and unix_seconds(cast(s as timestamptz)) = 1651324500"
    assert engines.differences([first], "from rows where k = 0") == []
    assert [answer.is_error for answer in engines.duck_answers(["cast(s as timestamptz)"])] == [True]
    assert engines.unlike(["cast(s as timestamptz)"]) == []


def test_the_table_of_a_zone_is_what_python_says() -> None:
    for name in sorted(zone_names())[::EVERY]:
        zone = zone_of(name)
        for year in (1, 1850, 1916, 1945, 1969, 1996, 2007, 2022, 2037, 2038, 2100, 2399, 9999):
            for month in range(1, 13):
                clock = datetime.datetime(year, month, 14, 11, 30)
                assert clock + by_table(name, clock, is_local=False) == to_zone(clock, zone), (name, clock)
                assert clock - by_table(name, clock, is_local=True) == from_zone(clock, zone), (name, clock)


@pytest.mark.parametrize(
    ("expression", "message", "fix"),
    [
        ("year(t)", "`year` needs a date or timestamp here, but this is timestamptz", "name the time zone: from_utc_timestamp(t, 'Asia/Ho_Chi_Minh'), or 'UTC'"),
        ("cast(t as date)", "a timestamptz cannot be cast to date", "name the time zone: cast(from_utc_timestamp(t, 'UTC') as date)"),
        ("t > w", "timestamptz and timestamp cannot be compared", "name the time zone of the timestamp: to_utc_timestamp(..., 'UTC')"),
        ("t > '2022-04-30 20:15:00'", "'2022-04-30 20:15:00' is not a timestamptz", "write it as '2022-04-30 20:15:00+07:00'"),
        ("t + interval 1 month", "`timestampadd`: a timestamptz has no months or years to add", "name the time zone: from_utc_timestamp(t, 'UTC')"),
        ("from_utc_timestamp(t, 'Asia/Ho_Chi_Min')", "`from_utc_timestamp`: `Asia/Ho_Chi_Min` is not a time zone", "did you mean `Asia/Ho_Chi_Minh`?"),
        ("from_utc_timestamp(t, '+07:00')", "`from_utc_timestamp`: `+07:00` is not a time zone", "write a zone such as `Asia/Ho_Chi_Minh`, or add a fixed offset: `+ interval 7 hours`"),
        ("cast('2022-04-30 20:15:00' as timestamptz)", "'2022-04-30 20:15:00' cannot be read as timestamptz", "write it as '2022-04-30 20:15:00+07:00'"),
        ("cast('2022-04-30 20:15:00+07:00' as timestamp)", "'2022-04-30 20:15:00+07:00' has an offset, which a timestamp does not keep", "write it without the offset, or name the time zone: from_utc_timestamp(cast('2022-04-30 20:15:00+07:00' as timestamptz), 'UTC')"),
    ],
)  # fmt: skip
def test_what_depends_on_a_clock_asks_for_its_zone(expression: str, message: str, fix: str) -> None:
    columns = Columns((Column("t", TIMESTAMPTZ), Column("w", TIMESTAMP)))
    with pytest.raises(ExpressionError) as refused:
        check_query(parse_select(f"select {expression} as x from rows"), {"rows": columns})
    assert [(problem.message, problem.fix) for problem in refused.value.problems] == [(message, fix)]
