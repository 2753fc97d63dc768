"""Read one record exactly: the typed values of its declared columns, or why it is broken.

This is the definition that every faster reader must agree with. Values come out as Python values that Arrow takes for the
column's type; a text column takes a number or a truth value as its own text, and no other column takes a value of another kind.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any

from etlrun.language.columns import Type
from etlrun.language.instant_text import EXACT_TEXT, read_instant
from etlrun.reading.json_paths import Path, path_text

MAX_NESTING = 500
DATE = "(?:[1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-[0-9]{2}-[0-9]{2}"
TIMESTAMP = DATE + r"[ T](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
OFFSET = re.compile(TIMESTAMP.replace("{1,6}", "+") + r" ?(?:[zZ]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)")
RANGES = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}


@dataclass(frozen=True)
class Field:
    """A declared column, and the keys and positions that lead to its value; with `raw` it is the JSON text of that value."""

    name: str
    path: Path
    type: Type
    required: bool
    raw: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The path of a value that stands in objects only."""
        return tuple(map(str, self.path))


class BrokenRecordError(ValueError):
    """A record that cannot be read; `str()` is the reason, which any file and terminal takes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode("utf-8", errors="backslashreplace").decode("utf-8"))


class JsonNumber(str):
    """A number of a JSON text, as it is spelled."""


class _Object(dict[str, Any]):
    """A JSON object that remembers the keys that stand in it more than once."""

    twice: frozenset[str] = frozenset()


def read_line(raw: bytes, fields: Sequence[Field]) -> tuple[Any, ...] | None:
    """The values of one JSON record, or None where it is blank. Raises BrokenRecordError."""
    return read_text(decoded(raw), fields)


def decoded(raw: bytes) -> str:
    """The text of a record. Raises BrokenRecordError where it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenRecordError(f"not UTF-8 (byte {error.start + 1})") from None


def read_text(text: str, fields: Sequence[Field]) -> tuple[Any, ...] | None:
    """The values of one JSON record that is text. Like `read_line`."""
    text = text.strip(" \t\r\n")
    if not text:
        return None
    any_value = all(not field.path or isinstance(field.path[0], int) for field in fields)
    found = _parse(text) if any_value else parse_object(text)
    return tuple(_value_in(found, field, text) for field in fields)


def read_value(text: str | None, fields: Sequence[Field]) -> tuple[Any, ...]:
    """The values of one JSON text that is a value itself; null and JSON `null` have none. Raises BrokenRecordError."""
    if text is None or text.strip(" \t\r\n") == "null":
        return tuple(_checked(None, field) for field in fields)
    found = read_text(text, fields)
    if found is None:
        raise BrokenRecordError("the text is empty, and JSON is expected")
    return found


def _value_in(found: Any, field: Field, text: str) -> Any:
    """The value of a column in a record, whose text is `text`."""
    if not field.raw:
        return _checked(_follow(found, field), field)
    value = _follow(found, field)
    if value is None and field.path:
        return _null(field)
    return text if not field.path else _as_text(value, field)


def read_texts(values: Sequence[str | None], fields: Sequence[Field]) -> tuple[Any, ...]:
    """The values of one line of texts, in the order of `fields`; None is null. Raises BrokenRecordError."""
    return tuple(_checked_text(value, field) for value, field in zip(values, fields, strict=True))


def parse_object(text: str) -> dict[str, Any]:
    """A JSON object, its numbers as they are spelled (`JsonNumber`). Raises BrokenRecordError."""
    found = _parse(text)
    if not isinstance(found, _Object):
        raise BrokenRecordError(f"{_kind_of(found)} instead of an object")
    return found


def _parse(text: str) -> Any:
    if nesting(text) > MAX_NESTING:
        raise BrokenRecordError(f"it nests more than {MAX_NESTING} deep")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise BrokenRecordError(f"something follows the object (column {error.pos + 1})") from None
        raise BrokenRecordError(f"not JSON (column {error.pos + 1})") from None


def nesting(text: str) -> int:
    """How deep brackets nest in a text; an upper bound of it where that is no more than MAX_NESTING."""
    brackets = text.count("{") + text.count("[")
    if brackets <= MAX_NESTING:
        return brackets
    depth = deepest = 0
    for found in _BRACKET.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]]', re.DOTALL)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        found.twice = frozenset(name for name in found if names.count(name) > 1)
    return found


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=JsonNumber
)


def _follow(found: Any, field: Field) -> Any:
    for depth, part in enumerate(field.path):
        if found is None:
            return None
        if isinstance(part, int) and isinstance(found, list):
            found = found[part] if part < len(found) else None
        elif isinstance(part, str) and isinstance(found, _Object):
            found = _member(found, part)
        else:
            expected = "a list" if isinstance(part, int) else "an object"
            shown = path_text(field.path[:depth])
            raise BrokenRecordError(f"`{shown}` is {_kind_of(found)}, and {expected} is expected")
    return found


def _as_text(value: Any, field: Field) -> str:
    """A value as JSON text without blanks, its numbers as they are spelled."""
    text = _written(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BrokenRecordError(f"`{field.name}` holds half a character") from None
    return text


def _written(value: Any) -> str:
    if isinstance(value, _Object):
        if value.twice:
            raise BrokenRecordError(f"the key `{min(value.twice)}` is there twice")
        return "{" + ",".join(f"{_written(name)}:{_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return str(value) if isinstance(value, JsonNumber) else json.dumps(value, ensure_ascii=False)


def _member(found: _Object, name: str) -> Any:
    """The value of a key; None where it is absent. Raises BrokenRecordError where it is there twice or only in other case."""
    if name in found.twice:
        raise BrokenRecordError(f"the key `{name}` is there twice")
    if name not in found:
        variant = next((other for other in found if other.lower() == name.lower()), None)
        if variant is not None:
            raise BrokenRecordError(f"the key is spelled `{variant}`, and `{name}` is declared")
        return None
    return found[name]


def _checked(value: Any, field: Field) -> Any:
    if value is None:
        return _null(field)
    read = _VALUES.get(field.type.name, _from_text)
    try:
        return read(value, field.type)
    except _MisfitError as misfit:
        place, found, kind = misfit.place, misfit.found if misfit.kind else value, misfit.kind or field.type
        raise BrokenRecordError(f"`{field.name}{place}` is {_shown(found)}, and {_expected(misfit, kind)}") from None


def _checked_text(value: str | None, field: Field) -> Any:
    if value is None:
        return _null(field)
    if field.type.name == "string":
        return value
    try:
        if field.type.name in RANGES or field.type.name in ("double", "float"):
            return _VALUES[field.type.name](JsonNumber(value), field.type)
        if field.type.name == "boolean":
            return _truth(value)
        return _from_text(value, field.type)
    except _MisfitError as misfit:
        raise BrokenRecordError(f"`{field.name}` is {_shown(value)}, and {_expected(misfit, field.type)}") from None


def _null(field: Field) -> None:
    if field.required:
        raise BrokenRecordError(f"`{field.name}` has no value")


def _expected(misfit: _MisfitError, kind: Type) -> str:
    return f"{str(misfit) or kind} is expected"


class _MisfitError(ValueError):
    """A value of another kind than the column's, or one inside it: `place` leads there, `found` is that value and `kind` its type."""

    place = ""
    found: Any = None
    kind: Type | None = None

    def inside(self, place: str, found: Any, kind: Type) -> _MisfitError:
        """The same misfit, seen from the value around it."""
        if self.kind is None:
            self.found, self.kind = found, kind
        self.place = place + self.place
        return self


def _string(value: Any, kind: Type) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        raise _MisfitError("a text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _MisfitError("a text without half characters") from None
    return str(value)


def _integer(value: Any, kind: Type) -> int:
    if not isinstance(value, JsonNumber) or not re.fullmatch(r"-?[0-9]{1,19}", value):
        raise _MisfitError
    number, bits = int(value), RANGES[kind.name]
    if not -(2**bits) <= number < 2**bits:
        raise _MisfitError
    return number


def _fraction(value: Any, kind: Type) -> float:
    if not isinstance(value, JsonNumber) or not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?", value):
        raise _MisfitError
    number = float(value)
    if number in (float("inf"), float("-inf")) or (kind.name == "float" and abs(number) > 3.4028235677973366e38):
        raise _MisfitError
    return number


def _truth(value: Any, kind: Type | None = None) -> bool:
    if isinstance(value, bool):
        return value
    if kind is None and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _MisfitError


def _array(value: Any, kind: Type) -> list[Any]:
    if not isinstance(value, list):
        raise _MisfitError
    element = kind.element
    assert element is not None
    return [_inside(item, element, f"[{index}]") for index, item in enumerate(value)]


def _struct(value: Any, kind: Type) -> dict[str, Any]:
    if not isinstance(value, _Object):
        raise _MisfitError
    return {name: _inside(_member(value, name), inner, f".{name}") for name, inner in kind.fields}


def _map(value: Any, kind: Type) -> list[tuple[Any, Any]]:
    """The members in the order of the text, as Arrow takes a map."""
    if not isinstance(value, _Object):
        raise _MisfitError
    if value.twice:
        raise BrokenRecordError(f"the key `{min(value.twice)}` is there twice")
    assert kind.entry is not None
    key, inner = kind.entry
    found: dict[Any, Any] = {}
    for name, item in value.items():
        read = _inside(JsonNumber(name) if key.name in RANGES else name, key, "[key]")
        if read in found:  # `1` and `01` are one number
            raise _MisfitError("one spelling of each key").inside("[key]", name, key)
        found[read] = _inside(item, inner, f"[{_shown(name)}]")
    return list(found.items())


def _inside(value: Any, kind: Type, place: str) -> Any:
    """A value inside another; `place` leads to it from there."""
    if value is None:
        return None
    try:
        return _VALUES.get(kind.name, _from_text)(value, kind)
    except _MisfitError as misfit:
        raise misfit.inside(place, value, kind) from None


def _from_text(value: Any, kind: Type) -> Any:
    """A decimal, date or timestamp, from its text; a decimal may also be a number."""
    if not isinstance(value, str) or (isinstance(value, JsonNumber) and kind.name != "decimal"):
        raise _MisfitError
    pattern, read = _NUMBER if isinstance(value, JsonNumber) else _TEXTS[kind.name]
    if not re.fullmatch(pattern, value):
        raise _MisfitError(_other_moment(value, kind))
    try:
        found = read(value)
    except ValueError:
        raise _MisfitError from None
    return _fitting(found, kind) if isinstance(found, Decimal) else found


def _other_moment(value: str, kind: Type) -> str:
    """What a column of moments needs where a text is one of the other kind."""
    if kind.name == "timestamp" and OFFSET.fullmatch(value):
        return "a timestamp without an offset"
    return (
        "a timestamp with its offset, such as Z"
        if kind.name == "timestamptz" and re.fullmatch(TIMESTAMP, value)
        else ""
    )


def _fitting(found: Decimal, kind: Type) -> Decimal:
    """A decimal that its type holds with all its digits."""
    if found == 0:
        return Decimal(0)
    _, digits, exponent = _EXACT.normalize(found).as_tuple()
    if -int(exponent) > kind.scale or len(digits) + int(exponent) > kind.precision - kind.scale:
        raise _MisfitError
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


_VALUES: dict[str, Callable[[Any, Type], Any]] = {
    "string": _string,
    **dict.fromkeys(RANGES, _integer),
    "double": _fraction,
    "float": _fraction,
    "boolean": _truth,
    "array": _array,
    "struct": _struct,
    "map": _map,
}


def _kind_of(value: Any) -> str:
    if isinstance(value, JsonNumber):
        return "a number"
    names = {str: "a text", bool: "a truth value", list: "a list", _Object: "an object", type(None): "null"}
    return names[type(value)]


def _shown(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return _kind_of(value)
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value) if len(str(value)) <= 40 else str(value)[:40] + "..."
    return text if isinstance(value, JsonNumber) else json.dumps(text, ensure_ascii=False)
