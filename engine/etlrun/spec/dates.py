"""Calendars: the days a source must have, and the path of each day's file."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from etlrun.spec.fields import Described, Scalar, key

MAX_DAYS = 4000
DATE_COLUMN = "date"  # the column that a source with days has besides its declared ones


class DatesError(ValueError):
    """A calendar or path template that cannot be read; `str()` is the reason, `fix` what to write and `at` the wrong field."""

    def __init__(self, message: str, fix: str = "", at: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.fix = fix
        self.at = at


@dataclass(frozen=True)
class Dates(Described):
    """The days a source covers: months, days and ranges, optionally only some days of each month."""

    short: ClassVar[str] = "months"

    months: tuple[Scalar, ...] = key(
        "months (2022-04), days (2022-04-30) or ranges of either (2022-04-01..2022-04-10)",
        example=("2022-04..2022-06",),
    )
    days: Scalar | None = key("read only these days of each month: `1-14`, or `1,15`", default=None, example="1-14")


@dataclass(frozen=True)
class Days:
    """The days that may be missing: all, or these."""

    every: bool
    only: frozenset[datetime.date] = frozenset()

    def __contains__(self, day: object) -> bool:
        return self.every or day in self.only


def calendar(dates: Dates) -> tuple[datetime.date, ...]:
    """Every day that `dates` names, in order, each once. Raises DatesError."""
    wanted = set(_days_of_month(dates.days)) if dates.days else None
    found: set[datetime.date] = set()
    for index, text in enumerate(dates.months):
        try:
            found.update(day for day in days_of(text) if wanted is None or day.day in wanted)
        except DatesError as error:
            raise DatesError(str(error), error.fix, ("months", index)) from error
    if not found:
        raise DatesError("the calendar has no day")
    if len(found) > MAX_DAYS:
        raise DatesError(f"the calendar has {len(found):,} days; a source can read at most {MAX_DAYS:,}")
    return tuple(sorted(found))


def days_of(text: str) -> Iterator[datetime.date]:
    """The days of one entry of a calendar. Raises DatesError."""
    first, separator, last = text.partition("..")
    start, end = bounds_of(first.strip()), bounds_of(last.strip() if separator else first.strip())
    if end[1] < start[0]:
        raise DatesError(f"the range `{text}` ends before it starts", "write the earlier one first")
    for ordinal in range(start[0].toordinal(), end[1].toordinal() + 1):
        yield datetime.date.fromordinal(ordinal)


PLACEHOLDER = re.compile(r"\{date:([^}]*)\}")
DIGITS = {"yyyy": "%Y", "MM": "%m", "dd": "%d"}


def day_path(template: str, day: datetime.date) -> str:
    """The path of one day: `{date:yyyyMMdd}` filled in. Raises DatesError for a pattern with other letters."""
    return PLACEHOLDER.sub(lambda found: day.strftime(_pattern(found.group(1))), template)


def has_placeholder(template: str) -> bool:
    """Whether a path contains `{date:...}`."""
    return bool(PLACEHOLDER.search(template))


def check_template(template: str) -> None:
    """Raises DatesError unless the path is different for every day."""
    patterns = "".join(_pattern(found) for found in PLACEHOLDER.findall(template))
    missing = [word for word, digits in DIGITS.items() if digits not in patterns]
    if missing:
        raise DatesError(
            f"the path is the same for different days: `{{date:...}}` lacks {', '.join(missing)}",
            "write `{date:yyyyMMdd}`",
        )


def _pattern(text: str) -> str:
    pattern = text
    for word, digits in DIGITS.items():
        pattern = pattern.replace(word, digits)
    if re.search(r"(?<!%)[A-Za-z]", pattern):
        raise DatesError(
            f"`{text}` is not a pattern of yyyy, MM and dd",
            "write `{date:yyyyMMdd}`, with these upper and lower case letters",
        )
    return pattern


def bounds_of(text: str) -> tuple[datetime.date, datetime.date]:
    """The first and the last day of a month or day. Raises DatesError."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            first = datetime.date.fromisoformat(f"{text}-01")
            return first, (first + datetime.timedelta(days=32)).replace(day=1) - datetime.timedelta(days=1)
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            day = datetime.date.fromisoformat(text)
            return day, day
    except ValueError:
        pass
    raise DatesError(f"`{text}` is neither a month nor a day", "write 2022-04, 2022-04-30 or a range: 2022-04..2022-06")


def _days_of_month(text: str) -> Iterator[int]:
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,2})\s*(?:-\s*(\d{1,2})\s*)?", part)
        if not found:
            raise DatesError(f"`{text}` is not a list of days of a month", "write `1-14` or `1,15`", ("days",))
        first, last = int(found.group(1)), int(found.group(2) or found.group(1))
        if not 1 <= first <= last <= 31:
            raise DatesError(f"`{part.strip()}` is not a range within 1 to 31", "write `1-14` or `1,15`", ("days",))
        yield from range(first, last + 1)
