"""Date patterns of Spark (`yyyy-MM-dd HH:mm:ss`), limited to the letters that every engine reads and prints in the same way."""

from __future__ import annotations

import re
from dataclasses import dataclass

PRINTED = {
    "yyyy": "%Y",
    "yy": "%y",
    "MM": "%m",
    "M": "%-m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "d": "%-d",
    "DDD": "%j",
    "D": "%-j",
    "E": "%a",
    "EEE": "%a",
    "EEEE": "%A",
    "a": "%p",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "SSSSSS": "%f",
}
READ = {
    "yyyy": "[0-9]{4}",
    "MM": "[0-9]{2}",
    "dd": "[0-9]{2}",
    "HH": "[01][0-9]|2[0-3]",
    "mm": "[0-9]{2}",
    "ss": "[0-9]{2}",
    "SSS": "[0-9]{1,3}",
    "SSSSSS": "[0-9]{1,6}",
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LOOSE = {
    "yy": "[0-9]{2}",
    "MMM": "|".join(MONTHS),
    "M": "[0-9]{1,2}",
    "d": "[0-9]{1,2}",
    "H": "[01]?[0-9]|2[0-3]",
    "m": "[0-9]{1,2}",
    "s": "[0-9]{1,2}",
}
"""Fields that engines read differently: a pattern with one of them is read by its regular expression on each, `yy` as 2000 to 2099."""
_SLOTS = ("yyyy", "MM", "dd", "HH", "mm", "ss", "S")
_SLOT_OF = {"yy": "yyyy", "MMM": "MM", "M": "MM", "d": "dd", "H": "HH", "m": "mm", "s": "ss", "SSS": "S", "SSSSSS": "S"}
_DEFAULTS = ("1970", "01", "01", "00", "00", "00", "0")


class ClockError(ValueError):
    """A pattern that the engines read differently; `fix` says what to write instead."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


@dataclass(frozen=True)
class Clock:
    """A date pattern in pieces: (True, letters of a field) or (False, literal text)."""

    pieces: tuple[tuple[bool, str], ...]

    @property
    def is_loose(self) -> bool:
        """Whether engines read the pattern differently, so that only its regular expression can be used."""
        return any(is_field and text in LOOSE for is_field, text in self.pieces)

    @property
    def names_months(self) -> bool:
        """Whether the month is written as a word, which must be replaced by its number."""
        return (True, "MMM") in self.pieces

    def to_print(self) -> str:
        """The same pattern for `strftime`. Raises ClockError for a field that the engines print differently."""
        return "".join(
            self._known(text, PRINTED) if is_field else text.replace("%", "%%") for is_field, text in self.pieces
        )

    def to_read(self) -> tuple[str, str]:
        """A regular expression with one group per field, and the replacement that puts the fields into ISO order.

        Raises ClockError for a field that the engines read differently, and for one that occurs twice.
        """
        pattern = ""
        groups: dict[str, str] = {}
        before = ""
        for is_field, text in self.pieces:
            if not is_field:
                pattern, before = pattern + re.escape(text), ""
                continue
            field = self._known(text, {**READ, **LOOSE})
            slot = _SLOT_OF.get(text, text)
            if slot in groups:
                raise ClockError(f"the pattern has two fields of the kind of `{text}`", "name each field once")
            if before in ("M", "d", "H", "m", "s"):
                raise ClockError(
                    f"`{before}` can have one or two digits, so there must be a character between it and `{text}`",
                    f"write `{before * 2}`",
                )
            groups[slot] = f"{'20' if text == 'yy' else ''}\\{len(groups) + 1}"
            pattern, before = pattern + f"({field})", text
        if "yyyy" not in groups:
            raise ClockError("the pattern has no year", "a date needs yyyy, MM and dd")
        year, month, day, hour, minute, second, fraction = (
            groups.get(slot, default) for slot, default in zip(_SLOTS, _DEFAULTS, strict=True)
        )
        return pattern, f"{year}-{month}-{day} {hour}:{minute}:{second}.{fraction}"

    def _known(self, letters: str, known: dict[str, str]) -> str:
        if letters in known:
            return known[letters]
        raise ClockError(f"`{letters}` differs between engines", "the fields are " + ", ".join(known))


def read_clock(pattern: str) -> Clock:
    """Split a pattern into fields and text. Text is in single quotes, or has no letters. Raises ClockError."""
    pieces: list[tuple[bool, str]] = []
    rest = pattern
    while rest:
        found = re.match(r"([A-Za-z])\1*|'((?:[^']|'')*)'|[^A-Za-z'\[\]{}#]+", rest)
        if found is None:
            raise ClockError(f"`{rest[0]}` is not allowed in a date pattern", "put text between single quotes")
        if found.group(1):
            pieces.append((True, found.group()))
        elif found.group(2) is not None:
            pieces.append((False, found.group(2).replace("''", "'") or "'"))
        else:
            pieces.append((False, found.group()))
        rest = rest[found.end() :]
    if not pieces:
        raise ClockError("the date pattern is empty", "such as 'yyyy-MM-dd'")
    return Clock(tuple(pieces))
