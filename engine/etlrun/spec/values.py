"""Converts values of column types from and to YAML: values in a test become Python values, and actual values become text."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from etlrun.diagnostics import Diagnostic, nearest
from etlrun.language.columns import Type
from etlrun.language.instant_text import read_instant
from etlrun.spec.located import Document, Keys
from etlrun.spec.yaml_reader import resolve_plain


class ValueTextError(ValueError):
    """A text that is not a value of a type; `str()` is the reason, `fix` shows how to write one."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class ValueReader:
    """Reads values of a document as values of declared types; mistakes go to `problems`, and wrong values become null."""

    def __init__(self, document: Document, problems: list[Diagnostic]) -> None:
        self.document = document
        self.problems = problems

    def read(self, value: Any, where: Keys, kind: Type) -> Any:
        """The Python value (as in Arrow) of `value`, which is at `where`."""
        if value is None:
            return None
        if kind.element is not None:
            return self._array(value, where, kind.element)
        if kind.name == "struct":
            return self._struct(value, where, kind)
        if kind.entry is not None:
            return self._map(value, where, kind.entry)
        if isinstance(value, (list, dict)):
            shown = "a list" if isinstance(value, list) else "a mapping"
            return self._complain(where, f"a value of type {kind} is expected here, not {shown}")
        text = self.document.scalars[where]
        if isinstance(value, str) and not isinstance(resolve_plain(text), str) and _is_bare(kind):
            return self._complain(where, f'`"{text}"` is a text, but {kind} is expected here', "remove the quotes")
        try:
            return READERS[kind.name](text, kind)
        except ValueTextError as error:
            return self._complain(where, str(error), error.fix)

    def _array(self, value: Any, where: Keys, element: Type) -> list[Any] | None:
        if not isinstance(value, list):
            self._complain(where, f"a list of {element} is expected here", "write `[a, b]`")
            return None
        return [self.read(item, (*where, index), element) for index, item in enumerate(value)]

    def _struct(self, value: Any, where: Keys, kind: Type) -> dict[str, Any] | None:
        names = [name for name, _ in kind.fields]
        if not isinstance(value, dict):
            self._complain(
                where,
                f"a mapping of {', '.join(f'`{name}`' for name in names)} is expected here",
                "write `{a: 1, b: 2}`",
            )
            return None
        for name in value:
            if name not in names:
                fix = nearest(name, names) or f"its fields are {', '.join(names)}"
                inside = (*where, name)
                self.problems.append(
                    self.document.diagnose_key(inside, "unknown-column", f"the struct has no field `{name}`", fix)
                )
        return {name: self.read(value.get(name), (*where, name), inner) for name, inner in kind.fields}

    def _map(self, value: Any, where: Keys, entry: tuple[Type, Type]) -> dict[Any, Any] | None:
        key, inner = entry
        if not isinstance(value, dict):
            self._complain(where, f"a mapping of {key} to {inner} is expected here", "write `{a: 1, b: 2}`")
            return None
        found = {}
        for name, item in value.items():
            try:
                read = READERS[key.name](str(name), key)
            except ValueTextError as error:
                self.problems.append(self.document.diagnose_key((*where, name), "type-mismatch", str(error), error.fix))
                continue
            found[read] = self.read(item, (*where, name), inner)
        return found

    def _complain(self, where: Keys, message: str, fix: str = "") -> None:
        self.problems.append(self.document.diagnose(where, "type-mismatch", message, fix))


def _is_bare(kind: Type) -> bool:
    return kind.is_numeric or kind.name == "boolean"


def _integer(text: str, kind: Type) -> int:
    if not re.fullmatch(r"[-+]?\d{1,30}", text):
        raise ValueTextError(f"`{text}` is not an integer, but {kind} is expected here")
    bits = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}[kind.name]
    if not -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1):
        raise ValueTextError(f"`{text}` does not fit {kind}")
    return int(text)


def _float(text: str, kind: Type) -> float:
    special = {".nan": "nan", ".inf": "inf", "+.inf": "inf", "-.inf": "-inf"}.get(text.lower())
    if special is None and not re.fullmatch(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?", text):
        raise ValueTextError(f"`{text}` is not a number, but {kind} is expected here")
    value = float(special or text)
    return float(_as_float32(value)) if kind.name == "float" else value


def _as_float32(value: float) -> float:
    import struct

    try:
        (near,) = struct.unpack("f", struct.pack("f", value))
    except OverflowError:
        return math.copysign(math.inf, value)
    return float(near)


def _decimal(text: str, kind: Type) -> Decimal:
    if not re.fullmatch(r"[-+]?(\.\d+|\d+(\.\d*)?)", text):
        raise ValueTextError(f"`{text}` is not a number, but {kind} is expected here", "write it as `12.50`")
    value = Decimal(text)
    exponent = value.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > kind.scale:
        raise ValueTextError(f"`{text}` has more than {kind.scale} digits after the point, but {kind} is expected here")
    if value and value.adjusted() >= kind.precision - kind.scale:
        raise ValueTextError(f"`{text}` does not fit {kind}")
    return value


def _boolean(text: str, kind: Type) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueTextError(f"`{text}` is neither true nor false, but boolean is expected here")
    return text.lower() == "true"


def _date(text: str, kind: Type) -> datetime.date:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return datetime.date.fromisoformat(text)
    except ValueError:
        pass  # no such day
    raise ValueTextError(f"`{text}` is not a date", "write it as 2022-04-30")


def _timestamp(text: str, kind: Type) -> datetime.datetime:
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?", text):
            return datetime.datetime.fromisoformat(text)
    except ValueError:
        pass  # no such moment
    raise ValueTextError(
        f"`{text}` is not a timestamp", 'write it as "2022-04-30 20:15:00"; a timestamp has no time zone'
    )


def _instant(text: str, kind: Type) -> datetime.datetime:
    try:
        return read_instant(text)
    except ValueError:
        pass  # no offset, or no such moment
    raise ValueTextError(f"`{text}` is not a timestamptz", 'write it with its offset: "2022-04-30 20:15:00Z"')


def _binary(text: str, kind: Type) -> bytes:
    if not re.fullmatch(r"0x([0-9a-fA-F]{2})*", text):
        raise ValueTextError(f"`{text}` is not binary", "write the bytes in hexadecimal: 0x48656c")
    return bytes.fromhex(text[2:])


READERS: Mapping[str, Callable[[str, Type], Any]] = {
    "string": lambda text, kind: text,
    "boolean": _boolean,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _instant,
    "decimal": _decimal,
    "binary": _binary,
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), _integer),
    **dict.fromkeys(("float", "double"), _float),
}


def value_text(value: Any) -> str:
    """A value as one line of YAML, which reads back as the same value of its type."""
    if isinstance(value, list):
        return "[" + ", ".join(value_text(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{value_text(name)}: {value_text(item)}" for name, item in value.items()) + "}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return (
            repr(value) if math.isfinite(value) else ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
        )
    if isinstance(value, datetime.datetime):
        return f'"{value}"'
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return (
        {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)
    )


_PLAIN = re.compile(r"\w(?:[\w .()/+%'-]*[\w.()/+%'-])?")


def _text(text: str) -> str:
    """A text as YAML, in quotes if it would be read as something else."""
    if _PLAIN.fullmatch(text) and isinstance(resolve_plain(text), str):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(character if character.isprintable() else _escape(character) for character in quoted)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
