"""Parses one record exactly: the typed values of its declared columns, or the reason why it is broken.

This is the reference that every faster reader must agree with. Values are Python values that Arrow accepts for the column's
type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etlrun.language.columns import Type
from etlrun.reading.encodings import why_undecodable
from etlrun.reading.json_paths import Path, path_text
from etlrun.reading.record_values import (
    RANGES,
    VALUES,
    BrokenRecordError,
    JsonNumber,
    JsonObject,
    MisfitError,
    expectation,
    from_text,
    json_kind,
    member_of,
    read_boolean,
    shown_value,
)

MAX_NESTING = 500


@dataclass(frozen=True)
class Field:
    """A declared column and the path (keys and positions) to its value. With `raw`, the column is the JSON text of that value."""

    name: str
    path: Path
    type: Type
    required: bool
    raw: bool = False

    @property
    def keys(self) -> tuple[str, ...]:
        """The path of a value that is inside objects only, not in arrays."""
        return tuple(map(str, self.path))


def read_line(raw: bytes, fields: Sequence[Field]) -> tuple[Any, ...] | None:
    """The values of one JSON record, or None if it is blank. Raises BrokenRecordError."""
    return read_text(decoded(raw), fields)


def decoded(raw: bytes) -> str:
    """The text of a record. Raises BrokenRecordError if it is not UTF-8."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BrokenRecordError(why_undecodable(raw)) from None


def read_text(text: str, fields: Sequence[Field]) -> tuple[Any, ...] | None:
    """Like `read_line`, for a record that is already text."""
    text = text.strip(" \t\r\n")
    if not text:
        return None
    any_value = all(not field.path or isinstance(field.path[0], int) for field in fields)
    found = _parse(text) if any_value else parse_object(text)
    return tuple(_value_in(found, field, text) for field in fields)


def read_value(text: str | None, fields: Sequence[Field]) -> tuple[Any, ...]:
    """The values inside one JSON text of any type; none for null and JSON `null`. Raises BrokenRecordError."""
    if text is None or text.strip(" \t\r\n") == "null":
        return tuple(_checked(None, field) for field in fields)
    found = read_text(text, fields)
    if found is None:
        raise BrokenRecordError("the text is empty, but JSON is expected")
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
    """A JSON object with its numbers as they are written (`JsonNumber`). Raises BrokenRecordError."""
    found = _parse(text)
    if not isinstance(found, JsonObject):
        raise BrokenRecordError(f"{json_kind(found)} instead of an object")
    return found


def _parse(text: str) -> Any:
    if nesting(text) > MAX_NESTING:
        raise BrokenRecordError(f"it nests more than {MAX_NESTING} deep")
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise BrokenRecordError(f"there is more text after the object (column {error.pos + 1})") from None
        raise BrokenRecordError(f"not JSON (column {error.pos + 1})") from None


def nesting(text: str) -> int:
    """How deep brackets nest in a text; or an upper bound, if that is at most MAX_NESTING."""
    brackets = text.count("{") + text.count("[")
    if brackets <= MAX_NESTING:
        return brackets
    depth = deepest = 0
    for found in _BRACKET.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(found[0], 0)
        deepest = max(deepest, depth)
    return deepest


_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\]]', re.DOTALL)


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = JsonObject(pairs)
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
        elif isinstance(part, str) and isinstance(found, JsonObject):
            found = member_of(found, part)
        else:
            expected = "a list" if isinstance(part, int) else "an object"
            shown = path_text(field.path[:depth])
            raise BrokenRecordError(f"`{shown}` is {json_kind(found)}, but {expected} is expected")
    return found


def _as_text(value: Any, field: Field) -> str:
    """A value as JSON text without blanks, with its numbers as they were written."""
    text = _written(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise BrokenRecordError(f"`{field.name}` holds half a character") from None
    return text


def _written(value: Any) -> str:
    if isinstance(value, JsonObject):
        if value.twice:
            raise BrokenRecordError(f"the key `{min(value.twice)}` occurs twice")
        return "{" + ",".join(f"{_written(name)}:{_written(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_written, value)) + "]"
    return str(value) if isinstance(value, JsonNumber) else json.dumps(value, ensure_ascii=False)


def _checked(value: Any, field: Field) -> Any:
    if value is None:
        return _null(field)
    read = VALUES.get(field.type.name, from_text)
    try:
        return read(value, field.type)
    except MisfitError as misfit:
        place, found, kind = misfit.place, misfit.found if misfit.kind else value, misfit.kind or field.type
        raise BrokenRecordError(
            f"`{field.name}{place}` is {shown_value(found)}, but {expectation(misfit, kind)}"
        ) from None


def _checked_text(value: str | None, field: Field) -> Any:
    if value is None:
        return _null(field)
    if field.type.name == "string":
        return value
    try:
        if field.type.name in RANGES or field.type.name in ("double", "float"):
            return VALUES[field.type.name](JsonNumber(value), field.type)
        if field.type.name == "boolean":
            return read_boolean(value)
        return from_text(value, field.type)
    except MisfitError as misfit:
        raise BrokenRecordError(
            f"`{field.name}` is {shown_value(value)}, but {expectation(misfit, field.type)}"
        ) from None


def _null(field: Field) -> None:
    if field.required:
        raise BrokenRecordError(f"`{field.name}` has no value")
