"""Build frozen values from valid YAML mappings, with every `$name` replaced."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from etlrun.diagnostics import SpecError
from etlrun.spec.fields import (
    REFERENCE,
    Expr,
    Label,
    Percent,
    Scalar,
    Size,
    TypeText,
    described_fields,
    field_types,
    is_scalar,
    yaml_name,
)
from etlrun.spec.located import Document, Keys

Built = TypeVar("Built")


def build(annotation: Any, value: Any, where: Keys, origin: Origin) -> Any:
    """Turn a valid YAML value into the type of its annotation, with `$name` references replaced."""
    if annotation in _BUILDERS:
        return _BUILDERS[annotation](value, where, origin)
    outer, arguments = get_origin(annotation), get_args(annotation)
    if outer is Literal:
        return _choice(arguments, value, where, origin)
    if outer is tuple:
        return _build_list(arguments[0], value, where, origin)
    if outer in (Union, types.UnionType):
        choices = [choice for choice in arguments if choice is not types.NoneType]
        meant = origin.fill(value, where) if isinstance(value, str) and re.match(REFERENCE, value) else value
        fitting = [choice for choice in choices if _fits(choice, meant)]
        by_keys = (choice for choice in fitting if len(fitting) > 1 and _has_keys(choice, meant))
        return build(next(iter((*by_keys, *fitting, choices[0]))), value, where, origin)
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return build_class(annotation, value, where, origin)
    return {name: build(arguments[1], inner, (*where, name), origin) for name, inner in value.items()}


def build_class(cls: type[Built], value: Any, where: Keys, origin: Origin) -> Built:
    """Build a described class from its long or short form."""
    plain: type = cls
    hints = field_types(plain)
    short: str = getattr(cls, "short", "")
    if short and not _is_long_form(cls, value):
        origin.aliases[(*where, short)] = where
        value, where_of = {short: value}, {short: where}
    else:
        value, where_of = value or {}, {}
    given = {}
    for item in described_fields(cls):
        name = yaml_name(item)
        if name in value:
            given[item.name] = build(hints[name], value[name], where_of.get(name, (*where, name)), origin)
    return cls(**given)


@dataclass
class Origin:
    """The origin of values: the document, and the values of `$name`.

    `unknown` gives a substitute for a name without a value, and `unfit` is called for a value that does not fit its place.
    `aliases` maps a path in terms of fields to the path in the file where a short form made them differ.
    """

    document: Document
    values: Mapping[str, Any]
    unknown: Callable[[str, Keys], str] = lambda name, where: ""
    unfit: Callable[[Keys, str], None] | None = None
    aliases: dict[Keys, Keys] = field(default_factory=dict)

    def fill(self, value: Any, where: Keys) -> Any:
        """Replace `$name` in a text; a text that is only `$name` becomes the typed value. `$$name` is the text `$name`."""
        if not isinstance(value, str) or "$" not in value:
            return value
        if re.match(REFERENCE, value):
            return self.value_of(value[1:], where)
        return _INSIDE.sub(lambda found: str(self._inside(found.group(1) or found.group(2), where)), value)

    def _inside(self, name: str | None, where: Keys) -> Any:
        return self.value_of(name, where) if name else "$"

    def value_of(self, name: str, where: Keys) -> Any:
        return self.values[name] if name in self.values else self.unknown(name, where)

    def refuse(self, value: Any, filled: Any, wanted: str, where: Keys) -> None:
        """Report that the value of a `$name` has the wrong type for `where`."""
        message = f"{wanted} is expected here, but `{value}` is `{filled}`"
        if self.unfit is None:
            raise SpecError([self.document.diagnose(where, "type-mismatch", message)])
        self.unfit(where, message)

    def in_file(self, where: Keys) -> Keys:
        """The path in the file of a path in terms of fields."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.aliases:
                return (*self.aliases[where[:length]], *where[length:])
        return where


_INSIDE = re.compile(r"\$(?:\$(?=[A-Za-z_{])|([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")


def _build_list(item: Any, value: Any, where: Keys, origin: Origin) -> tuple[Any, ...]:
    if not isinstance(value, list):
        origin.aliases[(*where, 0)] = where
        return (build(item, value, where, origin),)
    return tuple(build(item, inner, (*where, index), origin) for index, inner in enumerate(value))


def _is_long_form(cls: type, value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    hints = field_types(cls)
    short: str = getattr(cls, "short", "")
    takes_mapping = _fits(hints[short], {})
    return (isinstance(value.get(short), Mapping) and set(value) <= set(hints)) if takes_mapping else True


def _fits(annotation: Any, value: Any) -> bool:
    """Whether a value of YAML has the outer form of an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return any(_fits(choice, value) for choice in arguments)
    if isinstance(value, Mapping):
        return dataclasses.is_dataclass(annotation) or origin is Mapping
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        short: str = getattr(annotation, "short", "")
        return bool(short) and _fits(field_types(annotation)[short], value)
    if isinstance(value, list):
        return origin is tuple
    if annotation is types.NoneType:
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation in (int, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if origin is Literal:
        return value in arguments
    return is_scalar(annotation) or (origin is tuple and _fits(arguments[0], value))


def _has_keys(annotation: Any, value: Any) -> bool:
    """Whether a described class has every key of a mapping."""
    is_class = dataclasses.is_dataclass(annotation) and isinstance(annotation, type)
    return is_class and isinstance(value, Mapping) and set(value) <= set(field_types(annotation))


def _text(value: Any, where: Keys, origin: Origin) -> str:
    filled = origin.fill(value, where)
    if filled is value and where in origin.document.scalars:
        return origin.document.scalars[where]
    return str(filled)


def _label(value: Any, where: Keys, origin: Origin) -> Label:
    return Label(_text(value, where, origin))


def _expr(value: Any, where: Keys, origin: Origin) -> Expr:
    return Expr(origin.document.scalars.get(where, str(value)).rstrip("\n"))


def _choice(choices: tuple[Any, ...], value: Any, where: Keys, origin: Origin) -> Any:
    filled = origin.fill(value, where)
    if filled not in choices:
        origin.refuse(value, filled, "one of " + ", ".join(f"`{choice}`" for choice in choices), where)
        return choices[0]
    return filled


def _boolean(value: Any, where: Keys, origin: Origin) -> bool:
    filled = origin.fill(value, where)
    if str(filled).lower() not in ("true", "false"):
        origin.refuse(value, filled, "true or false", where)
    return str(filled).lower() == "true"


def _whole_number(value: Any, where: Keys, origin: Origin) -> int:
    filled = origin.fill(value, where)
    try:
        return int(str(filled))
    except ValueError:
        origin.refuse(value, filled, "an integer", where)
        return 0


def _number(value: Any, where: Keys, origin: Origin) -> float:
    filled = origin.fill(value, where)
    try:
        return float(str(filled))
    except ValueError:
        origin.refuse(value, filled, "a number", where)
        return 0.0


def _percent(value: Any, where: Keys, origin: Origin) -> Percent:
    filled = origin.fill(value, where)
    text = str(filled)
    try:
        share = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        origin.refuse(value, filled, "a share such as `20%`", where)
    return Percent(share)


def _size(value: Any, where: Keys, origin: Origin) -> Size:
    filled = origin.fill(value, where)
    found = re.fullmatch(r"([0-9]+)(?: ?([kMG]?)B)?", str(filled))
    if not found:
        origin.refuse(value, filled, "a size such as `100 MB`", where)
        return Size(0)
    return Size(int(found[1]) * {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}[found[2] or ""])


_BUILDERS: dict[Any, Callable[[Any, Keys, Origin], Any]] = {
    str: _text,
    Expr: _expr,
    Label: _label,
    TypeText: lambda value, where, origin: TypeText(_text(value, where, origin)),
    Scalar: lambda value, where, origin: Scalar(_text(value, where, origin)),
    bool: _boolean,
    int: _whole_number,
    float: _number,
    Percent: _percent,
    Size: _size,
}
