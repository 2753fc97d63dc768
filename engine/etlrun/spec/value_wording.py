"""Says what is expected at a place of a YAML file, what is there, and what to write, from the JSON Schema of the place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from etlrun.diagnostics import nearest
from etlrun.spec.fields import Schema
from etlrun.spec.traps import VALUES

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError


def phrase(error: ValidationError, schema: Schema) -> tuple[str, str]:
    """The message and the fix."""
    rule, value = str(error.validator), error.instance
    if rule == "minItems" or value == "":
        return "this must not be empty", "add a value, or remove the key"
    if "x-kind" in schema and isinstance(value, str) and value in schema.get("properties", {}):
        needed = [name for form in forms(schema["properties"][value]) for name in form.get("required", ())]
        if not needed and "x-short" not in schema["properties"][value]:
            return f"`{value}` has no value", f"write `{{{value}: {{}}}}`"
        example = f"{{{needed[0]}: ...}}" if needed else "..."
        return f"`{value}` has no value", f"write `{value}: {example}` with its keys"
    if rule in ("minimum", "maximum") and "x-form" not in schema:
        return f"a number of at {'least' if rule == 'minimum' else 'most'} {error.validator_value} is expected here", ""
    return f"{_describe(schema)} is expected here, not {_name(value)}", _fix(error, schema)


def forms(schema: Schema) -> Iterator[Schema]:
    """A schema and every alternative it gives."""
    yield schema
    for choice in schema.get("anyOf", ()):
        yield from forms(choice)


def keys_of(schema: Schema) -> list[str]:
    """The keys that a value may have, from its first form that has keys."""
    return [name for form in forms(schema) for name in form.get("properties", {})]


def _properties(schema: Schema) -> dict[str, Schema]:
    return {name: inner for form in forms(schema) for name, inner in form.get("properties", {}).items()}


def known_keys(names: Any) -> str:
    return ("the keys here are " if len(names) > 1 else "the only key here is ") + ", ".join(names)


def _fix(error: ValidationError, schema: Schema) -> str:
    value = error.instance
    if schema.get("x-form") == _SHARE and isinstance(value, (int, float)) and 1 < value <= 100:
        return f"write `{value}%`"
    if isinstance(value, str) and value in keys_of(schema):
        return f"write `{{{value}: ...}}`"
    choices = [str(choice) for form in forms(schema) for choice in form.get("enum", ())]
    if choices:
        return _meant(str(value), schema, choices) or nearest(str(value), choices) or _meaning(error, schema)
    items = schema.get("items", {})
    if isinstance(value, dict) and items.get("x-kind"):
        return f"write each as an item: `- {next(iter(value), 'step')}: ...`"
    if any(form.get("type") == "object" and "properties" not in form for form in forms(schema)):
        return "write `name: value` for each"
    return _as_mapping(value, schema) or _meaning(error, schema)


def _as_mapping(value: Any, schema: Schema) -> str:
    """How a mapping is written where another value is; empty if the schema has no keys."""
    keys = keys_of(schema)
    needed = [name for form in forms(schema) for name in form.get("required", ())]
    if not needed:
        return known_keys(keys) if keys else ""
    is_its_value = len(needed) == 1 and isinstance(value, str) and _is_text(_properties(schema)[needed[0]])
    written = ", ".join(f"{name}: {value if is_its_value else '...'}" for name in needed)
    others = [name for name in keys if name not in needed]
    return f"write `{{{written}}}`" + (f"; it can also have {', '.join(others)}" if others else "")


def _is_text(schema: Schema) -> bool:
    return any(form.get("type") == "string" and "pattern" not in form for form in forms(schema))


def _meaning(error: ValidationError, schema: Schema) -> str:
    """The key of a value and its description; empty if the schema has none, or if it lists the allowed words, which explain themselves."""
    keys = [part for part in error.absolute_path if isinstance(part, str)]
    meaning = str(schema.get("description", ""))
    return f"`{keys[-1]}`: {meaning}" if keys and meaning and not meaning.startswith("`") else meaning


def _meant(value: str, schema: Schema, choices: list[str]) -> str:
    """What to write for a value of another tool; empty if it is not known."""
    meant = VALUES.get(value.lower(), "")
    if meant in choices:
        return f"write `{meant}`"
    return f"write `{{{meant}: ...}}`" if meant in keys_of(schema) else ""


_SHARE = "a share such as `20%`"


def _choices(schema: Schema) -> Iterator[Schema]:
    """The alternatives of a schema, with nested ones in place of theirs; an alternative with a name is not opened."""
    for choice in schema["anyOf"]:
        yield from _choices(choice) if "anyOf" in choice and "x-form" not in choice else (choice,)


def _describe(schema: Schema) -> str:
    """A schema in words: `a text`, `one of drop, null`, `a list`."""
    if "x-form" in schema:
        return str(schema["x-form"])
    if "anyOf" in schema:
        choices = [form for form in _choices(schema) if form.get("pattern") is None]
        return " or ".join(dict.fromkeys(map(_describe, choices)))
    if "enum" in schema:
        words = ", ".join(f"`{choice}`" for choice in schema["enum"])
        return f"one of {words}" if len(schema["enum"]) > 1 else words
    return {
        "string": "a text",
        "integer": "an integer",
        "number": "a number",
        "boolean": "true or false",
        "array": "a list",
        "object": "a mapping `key: value`",
    }.get(str(schema.get("type")), "another value")


def _name(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"
