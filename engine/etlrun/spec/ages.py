"""Ages in a spec: `90 minutes`, `24 hours`, `1 day`, `2 weeks`, or short: `24h`, `40d`, `2w`."""

from __future__ import annotations

import re
from datetime import timedelta

UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(days=7),
}
HOW = "write an integer and a unit: `90 minutes`, `24 hours`, `1 day`, `2 weeks`"
_AGE = re.compile(r"([0-9]{1,6})(?: (minute|hour|day|week)s?|([hdw]))")
_SHORT = {"h": "hour", "d": "day", "w": "week"}


def read_age(text: str) -> timedelta | None:
    """The age in a text; None if the text is not an age."""
    found = _AGE.fullmatch(text)
    return int(found[1]) * UNITS[found[2] or _SHORT[found[3]]] if found else None


def shown_age(age: timedelta) -> str:
    """An age as text, such as `3 days` or `more than 3 hours`, in the largest unit with at least two; 24 hours are `1 day`. The sign is ignored."""
    size = abs(age)
    units = (unit for unit in ("day", "hour") if size >= 2 * UNITS[unit])
    unit = "day" if size == UNITS["day"] else next(units, "minute")
    number, rest = divmod(size, UNITS[unit])
    return f"{'more than ' if number and rest else ''}{number:,} {unit}{'' if number == 1 else 's'}"


def allowed_at_most(text: str) -> str:
    """`at most 24 hours are allowed`."""
    return f"at most {text} {'is' if text.startswith('1 ') else 'are'} allowed"
