"""Converts a JSON value or a text to the typed value of a column. This is the reference that every faster reader must agree with.

A text column takes a number or a boolean as it is written; no other column takes a value of another JSON type.
Every function here raises MisfitError for a value that does not fit.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from etlrun.language.columns import Type
from etlrun.language.instant_text import EXACT_TEXT, read_instant
from etlrun.reading.lookalikes import lookalike, spelled_otherwise

DATE = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
TIMESTAMP = DATE + r"[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
OFFSET = re.compile(TIMESTAMP.replace("{1,6}", "+") + r" ?(?:[zZ]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)")
RANGES = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}


class BrokenRecordError(ValueError):
    """A record that cannot be read. `str()` is the reason, safe to write to any file or terminal."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode("utf-8", errors="backslashreplace").decode("utf-8"))


class JsonNumber(str):
    """A number of a JSON text, as it is written."""


class JsonObject(dict[str, Any]):
    """A JSON object that remembers its duplicate keys."""

    twice: frozenset[str] = frozenset()


def member_of(found: JsonObject, name: str) -> Any:
    """The value of a key; None if it is missing. Raises BrokenRecordError if it is a duplicate, or another key looks like it."""
    if name in found.twice:
        raise BrokenRecordError(f"the key `{name}` occurs twice")
    if name not in found:
        other = lookalike(name, found)
        if other is not None:
            raise BrokenRecordError(f"the key {spelled_otherwise(other, name)}")
        return None
    return found[name]


def expectation(misfit: MisfitError, kind: Type) -> str:
    return f"{str(misfit) or kind} is expected"


class MisfitError(ValueError):
    """A value, or one inside it, does not fit the column's type. `place` is the path to it, `found` the value and `kind` its type."""

    place = ""
    found: Any = None
    kind: Type | None = None

    def inside(self, place: str, found: Any, kind: Type) -> MisfitError:
        """The same error, with the path from the enclosing value."""
        if self.kind is None:
            self.found, self.kind = found, kind
        self.place = place + self.place
        return self


def _string(value: Any, kind: Type) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise MisfitError("a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise MisfitError("a text without half characters") from None
    return str(value)


def _integer(value: Any, kind: Type) -> int:
    if not isinstance(value, JsonNumber) or not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise MisfitError
    number, bits = int(value), RANGES[kind.name]
    if not -(2**bits) <= number < 2**bits:
        raise MisfitError
    return number


def _fraction(value: Any, kind: Type) -> float:
    if not isinstance(value, JsonNumber) or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", value):
        raise MisfitError
    number = float(value)
    if number in (float("inf"), float("-inf")) or (kind.name == "float" and abs(number) > 3.4028235677973366e38):
        raise MisfitError
    return number


def read_boolean(value: Any, kind: Type | None = None) -> bool:
    if isinstance(value, bool):
        return value
    if kind is None and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise MisfitError


def _array(value: Any, kind: Type) -> list[Any]:
    if not isinstance(value, list):
        raise MisfitError
    element = kind.element
    assert element is not None
    return [_inside(item, element, f"[{index}]") for index, item in enumerate(value)]


def _struct(value: Any, kind: Type) -> dict[str, Any]:
    if not isinstance(value, JsonObject):
        raise MisfitError
    return {name: _inside(member_of(value, name), inner, f".{name}") for name, inner in kind.fields}


def _map(value: Any, kind: Type) -> list[tuple[Any, Any]]:
    """The entries in the order of the text, in the form of an Arrow map."""
    if not isinstance(value, JsonObject):
        raise MisfitError
    if value.twice:
        raise BrokenRecordError(f"the key `{min(value.twice)}` occurs twice")
    assert kind.entry is not None
    key, inner = kind.entry
    found: dict[Any, Any] = {}
    for name, item in value.items():
        read = _inside(JsonNumber(name) if key.name in RANGES else name, key, "[key]")
        if read in found:  # `1` and `01` are the same number
            raise MisfitError("one spelling of each key").inside("[key]", name, key)
        found[read] = _inside(item, inner, f"[{shown_value(name)}]")
    return list(found.items())


def _inside(value: Any, kind: Type, place: str) -> Any:
    """Convert a value inside another; `place` is its path from there."""
    if value is None:
        return None
    try:
        return VALUES.get(kind.name, from_text)(value, kind)
    except MisfitError as misfit:
        raise misfit.inside(place, value, kind) from None


def from_text(value: Any, kind: Type) -> Any:
    """A decimal, date or timestamp, from its text; a decimal may also be a number."""
    if not isinstance(value, str) or (isinstance(value, JsonNumber) and kind.name != "decimal"):
        raise MisfitError
    pattern, read = _NUMBER if isinstance(value, JsonNumber) else _TEXTS[kind.name]
    if not re.fullmatch(pattern, value):
        raise MisfitError(_other_moment(value, kind))
    try:
        found = read(value)
    except ValueError:
        raise MisfitError from None
    return _fitting(found, kind) if isinstance(found, Decimal) else found


def _other_moment(value: str, kind: Type) -> str:
    """The type that fits if a text is a timestamp where an instant is expected, or the reverse."""
    if kind.name == "timestamp" and OFFSET.fullmatch(value):
        return "a timestamp without an offset"
    return (
        "a timestamp with its offset, such as Z"
        if kind.name == "timestamptz" and re.fullmatch(TIMESTAMP, value)
        else ""
    )


def _fitting(found: Decimal, kind: Type) -> Decimal:
    """A decimal, if its type can hold all its digits."""
    if found == 0:
        return Decimal(0)
    _, digits, exponent = _EXACT.normalize(found).as_tuple()
    if -int(exponent) > kind.scale or len(digits) + int(exponent) > kind.precision - kind.scale:
        raise MisfitError
    return found


def _timestamp(text: str) -> datetime.datetime:
    whole, _, part = text.partition(".")
    found = datetime.datetime.fromisoformat(whole)
    return found.replace(microsecond=int(part.ljust(6, "0"))) if part else found


_EXACT = Context(prec=MAX_PREC, Emin=MIN_EMIN, Emax=MAX_EMAX)
_NUMBER: tuple[str, Callable[[str], Any]] = (r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]{1,4})?", Decimal)
_TEXTS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "decimal": (r"-?[0-9]+(\.[0-9]+)?", Decimal),
    "date": (DATE, datetime.date.fromisoformat),
    "timestamp": (TIMESTAMP, _timestamp),
    "timestamptz": (EXACT_TEXT, read_instant),
}
VALUES: dict[str, Callable[[Any, Type], Any]] = {
    "string": _string,
    **dict.fromkeys(RANGES, _integer),
    "double": _fraction,
    "float": _fraction,
    "boolean": read_boolean,
    "array": _array,
    "struct": _struct,
    "map": _map,
}


def json_kind(value: Any) -> str:
    if isinstance(value, JsonNumber):
        return "a number"
    names = {str: "a text", bool: "a truth value", list: "a list", JsonObject: "an object", type(None): "null"}
    return names[type(value)]


def shown_value(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return json_kind(value)
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if len(str(value)) <= 40 else str(value)[:40] + "..."
    return text if isinstance(value, JsonNumber) else json.dumps(text, ensure_ascii=False)
