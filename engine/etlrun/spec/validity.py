"""Checks quickly whether a value is valid by a schema, without the library that explains mistakes; most values are valid."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from etlrun.spec.fields import Schema

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}
# Keywords that do not validate anything.
_WORDS = ("description", "markdownDescription", "examples", "default", "title", "$schema")


def is_allowed(value: Any, schema: Schema | bool) -> bool:
    """Whether a schema certainly allows a value; false also if the schema has a keyword that is not known here."""
    if isinstance(schema, bool):
        return schema
    return all(
        keyword in _WORDS or keyword.startswith("x-") or (keyword in _RULES and _RULES[keyword](value, rule, schema))
        for keyword, rule in schema.items()
    )


def _is_of_type(value: Any, rule: Any, schema: Schema) -> bool:
    names = [rule] if isinstance(rule, str) else rule
    return any(isinstance(value, _TYPES[name]) and (name == "boolean" or value.__class__ is not bool) for name in names)


def _is_listed(value: Any, rule: Any, schema: Schema) -> bool:
    return any(choice.__class__ is value.__class__ and choice == value for choice in rule)


def _has_allowed_keys(value: Any, rule: Mapping[str, Schema], schema: Schema) -> bool:
    return not isinstance(value, dict) or all(is_allowed(value[name], rule[name]) for name in value if name in rule)


def _has_allowed_others(value: Any, rule: Any, schema: Schema) -> bool:
    known = schema.get("properties", {})
    return not isinstance(value, dict) or all(is_allowed(value[name], rule) for name in value if name not in known)


def _are_allowed(value: Any, rule: Any, schema: Schema) -> bool:
    return not isinstance(value, list) or all(is_allowed(item, rule) for item in value)


def _bound(kinds: tuple[type, ...], holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Schema], bool]:
    """A rule for values of some types; values of other types pass."""
    return lambda value, rule, _: isinstance(value, bool) or not isinstance(value, kinds) or holds(value, rule)


_RULES: dict[str, Callable[[Any, Any, Schema], bool]] = {
    "type": _is_of_type,
    "enum": _is_listed,
    "properties": _has_allowed_keys,
    "additionalProperties": _has_allowed_others,
    "items": _are_allowed,
    "anyOf": lambda value, rule, _: any(is_allowed(value, choice) for choice in rule),
    "required": _bound((dict,), lambda value, rule: all(name in value for name in rule)),
    "minProperties": _bound((dict,), lambda value, rule: len(value) >= rule),
    "maxProperties": _bound((dict,), lambda value, rule: len(value) <= rule),
    "minItems": _bound((list,), lambda value, rule: len(value) >= rule),
    "minLength": _bound((str,), lambda value, rule: len(value) >= rule),
    "pattern": _bound((str,), lambda value, rule: re.search(rule, value) is not None),
    "minimum": _bound((int, float), lambda value, rule: value >= rule),
    "maximum": _bound((int, float), lambda value, rule: value <= rule),
}
