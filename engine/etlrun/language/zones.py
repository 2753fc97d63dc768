"""Time zones: the offsets of each zone from UTC, from the package `tzdata`, so that every engine and machine uses the same table.

A zone becomes a few lists of integers: for each year the seconds after its start at which the offset changes, and the offsets
before and after. The rule for the future gives 14 more years, one for each calendar that a year can have.
"""

from __future__ import annotations

import calendar
import datetime
import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_EPOCH = datetime.datetime(1970, 1, 1)


@dataclass(frozen=True)
class YearOfZone:
    """The seconds after the beginning of the year at which the offset changes, and the offsets, of which there is one more."""

    year: int
    changes: tuple[int, ...]
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class _Change:
    """When an offset changes, in seconds of UTC since 1970, and the offsets before and after."""

    at: int
    before: int
    after: int

    def seen(self, *, is_local: bool) -> int:
        """The first second of local time that has the new offset."""
        return self.at + (max(self.before, self.after) if is_local else 0)


@dataclass(frozen=True)
class ZoneTable:
    """A zone: the years from `first` on, then one for each of the 14 calendars; `before` is the offset of all earlier years."""

    first: int
    before: int
    years: tuple[YearOfZone, ...]
    calendars: tuple[YearOfZone, ...]

    @property
    def most_changes(self) -> int:
        """Of a year."""
        return max(len(year.changes) for year in (*self.years, *self.calendars))


def zone_names() -> frozenset[str]:
    """The names of all zones."""
    return _names()


@cache
def _names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("ascii").split())


@cache
def zone_table(name: str, *, is_local: bool) -> ZoneTable:
    """The table of a zone by UTC time or, with `is_local`, by its local time.

    A local time that the zone skips is read with the offset before the gap; one that occurs twice is the first of both, as in Java.
    """
    data = files("tzdata").joinpath("zoneinfo", *name.split("/")).read_bytes()
    zone = ZoneInfo.from_file(io.BytesIO(data), key=name)
    listed = list(_listed_changes(data))
    last = _year_of(listed[-1].at) if listed else 1969
    begins = _seconds(datetime.datetime(last, 1, 1))
    changes = [*(change for change in listed if change.at < begins), *_found_changes(zone, last, last + 50)]
    changes = [
        replace(change, at=change.seen(is_local=is_local)) for change in changes if change.before != change.after
    ]
    first = _year_of(changes[0].at) if changes else 1970
    before = changes[0].before if changes else _offset(zone, _EPOCH)
    years = {year.year: year for year in _by_year(changes, first, last + 49, before)}
    calendars = tuple(replace(years[year], year=0) for year in _one_of_each_calendar(last + 1))
    while last >= first and replace(years[last], year=0) == calendars[calendar_of(last)]:
        last -= 1
    return ZoneTable(first, before, tuple(years[year] for year in range(first, last + 1)), calendars)


def calendar_of(year: int) -> int:
    """Which of the 14 calendars a year has: the weekday of its first day, where 0 is a Sunday, and 7 more in a leap year."""
    past = year - 1
    return (year + past // 4 - past // 100 + past // 400) % 7 + (7 if calendar.isleap(year) else 0)


def _one_of_each_calendar(start: int) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for year in range(start, start + 50):
        found.setdefault(calendar_of(year), year)
    return tuple(found[index] for index in range(14))


def _by_year(changes: Sequence[_Change], first: int, last: int, offset: int) -> Iterator[YearOfZone]:
    for year in range(min(first, last - 48), last + 1):
        begins, ends = (_seconds(datetime.datetime(each, 1, 1)) for each in (year, year + 1))
        inside = [change for change in changes if begins <= change.at < ends]
        yield YearOfZone(
            year, tuple(change.at - begins for change in inside), (offset, *(change.after for change in inside))
        )
        offset = inside[-1].after if inside else offset


def _found_changes(zone: ZoneInfo, first: int, last: int) -> Iterator[_Change]:
    """The changes of years that follow a rule, which changes the clocks at most once a week."""
    week, ends = datetime.timedelta(days=7), datetime.datetime(last + 1, 1, 1)
    moment = datetime.datetime(first, 1, 1)
    before = _offset(zone, moment)
    while moment < ends:
        after = _offset(zone, moment + week)
        if after != before:
            low, high = 0, 7 * 86_400  # the change is in between
            while high - low > 1:
                middle = (low + high) // 2
                is_before = _offset(zone, moment + datetime.timedelta(seconds=middle)) == before
                low, high = (middle, high) if is_before else (low, middle)
            yield _Change(_seconds(moment) + high, before, after)
        moment, before = moment + week, after


def _offset(zone: ZoneInfo, utc: datetime.datetime) -> int:
    local = utc.replace(tzinfo=datetime.UTC).astimezone(zone)
    return _seconds(local.replace(tzinfo=None)) - _seconds(utc)


def _seconds(moment: datetime.datetime) -> int:
    return (moment - _EPOCH) // datetime.timedelta(seconds=1)


def _year_of(seconds: int) -> int:
    return (_EPOCH + datetime.timedelta(seconds=seconds)).year


def _listed_changes(data: bytes) -> Iterator[_Change]:
    """The changes that a file lists: the second block of a TZif file (RFC 9636)."""
    counts = struct.unpack(">6l", data[20:44])
    is_utc, is_standard, leaps, times, kinds, letters = counts
    start = 44 + times * 5 + kinds * 6 + letters + leaps * 8 + is_standard + is_utc
    _, _, _, times, kinds, _ = struct.unpack(">6l", data[start + 20 : start + 44])
    start += 44
    at = struct.unpack(f">{times}q", data[start : start + 8 * times])
    which = data[start + 8 * times : start + 9 * times]
    start += 9 * times
    offsets = [struct.unpack(">l", data[start + 6 * kind : start + 6 * kind + 4])[0] for kind in range(kinds)]
    before = offsets[0]
    for moment, kind in zip(at, which, strict=True):
        if moment > -(2**40):  # a first entry may mean "since the beginning"
            yield _Change(moment, before, offsets[kind])
        before = offsets[kind]
