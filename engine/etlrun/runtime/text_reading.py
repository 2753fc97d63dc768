"""Suggests the step that parses a text column: dates in another order, numbers with commas."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etlrun.language.columns import FRACTIONS, INTEGERS

_DAY = r"(?P<first>\d{1,4})(?P<between>[/. -])(?P<second>\d{1,2})(?P=between)(?P<third>\d{4}|\d{1,2})"
_MOMENT = re.compile(_DAY + r"(?: (?P<hour>\d{1,2}):\d{2}(?P<seconds>:\d{2})?)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+")
_PLAIN_NUMBERS = (  # the form of a number, and the expression that makes it plain
    (re.compile(r"[+-]?\d+,(?:\d{1,2}|\d{4,})"), "replace({0}, ',', '.')"),
    (re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+|[+-]?\d{1,3}(?:,\d{3}){2,}"), "replace({0}, ',', '')"),
    (re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+"), "replace(replace({0}, '.', ''), ',', '.')"),
)


def text_reading(column: str, kind: str, examples: Sequence[str]) -> tuple[str, str] | None:
    """A new column and the expression that parses texts such as `examples`; None if their form is not clear."""
    if kind in ("date", "timestamp"):
        form = _form(kind, examples)
        return (f"{column}_{kind}", f"to_{kind}({column}, '{form}')") if form else None
    if kind.partition("(")[0] not in (*INTEGERS, *FRACTIONS, "decimal"):
        return None
    if kind in INTEGERS:
        plain = "replace({0}, ',', '')" if all(map(_THOUSANDS.fullmatch, examples)) else None
    else:
        plain = next((way for form, way in _PLAIN_NUMBERS if all(map(form.fullmatch, examples))), None)
    return (f"{column}_value", f"cast({plain.format(column)} as {kind})") if plain else None


def _form(kind: str, examples: Sequence[str]) -> str | None:
    """The pattern of dates, or dates with times."""
    found = [_MOMENT.fullmatch(example) for example in examples]
    moments = [match for match in found if match and (match["hour"] is not None) == (kind == "timestamp")]
    if len(moments) < len(found) or len({(match["between"], match["seconds"] is None) for match in moments}) != 1:
        return None

    def letters(letter: str, part: str) -> str:
        return letter * min(len(match[part]) for match in moments)

    if all(len(match["first"]) == 4 for match in moments):
        order = ("yyyy", letters("M", "second"), letters("d", "third"))
    elif any(len(match["first"]) > 2 or len(match["third"]) != 4 for match in moments):
        return None
    elif any(int(match["second"]) > 12 for match in moments):
        order = (letters("M", "first"), letters("d", "second"), "yyyy")
    else:
        order = (letters("d", "first"), letters("M", "second"), "yyyy")
    seconds = ":ss" if moments[0]["seconds"] else ""
    clock = f" {letters('H', 'hour')}:mm{seconds}" if kind == "timestamp" else ""
    return moments[0]["between"].join(order) + clock
