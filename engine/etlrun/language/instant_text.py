"""Parses instants from text: a local time with its offset from UTC, such as `2022-04-30T20:15:00+07:00` or `2022-04-30 13:15:00Z`."""

from __future__ import annotations

import datetime
import re

from etlrun.language.casts import whole

_BLANK = r"[\x00-\x20\x7f]*"
_CLOCK = r"[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}[ T](?:[01]?[0-9]|2[0-3]):[0-9]{1,2}(?::[0-9]{1,2}(?:\.[0-9]*)?)?"
_OFFSET = r"(?:[Zz]|UTC|GMT|([+-](?:0[0-9]|1[0-8]))(?::?([0-5][0-9]))?)"
ZONED_TEXT = whole(
    f"{_BLANK}({_CLOCK}) ?{_OFFSET}{_BLANK}"
)  # groups: the clock, the hours with their sign, the minutes
EXACT_TEXT = (  # for files and literals: no part may be missing or guessed
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]((?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?) ?" + _OFFSET
)
EXAMPLE = "'2022-04-30 20:15:00+07:00'"


def read_instant(text: str) -> datetime.datetime:
    """The clock time in UTC of an instant in the exact form. Raises ValueError for other texts, and before year 1 or after 9999."""
    found = re.fullmatch(EXACT_TEXT, text)
    if found is None:
        raise ValueError(text)
    day, clock, hours, minutes = found.groups()
    whole_seconds, _, fraction = clock.partition(".")
    local = datetime.datetime.fromisoformat(f"{day} {whole_seconds}").replace(
        microsecond=int(fraction.ljust(6, "0") or 0)
    )
    offset = datetime.timedelta(hours=abs(int(hours or 0)), minutes=int(minutes or 0))
    try:
        return local + offset if (hours or "").startswith("-") else local - offset
    except OverflowError:
        raise ValueError(text) from None
