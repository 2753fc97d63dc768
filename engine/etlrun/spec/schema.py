"""Located to valid values: the JSON Schema judges, and its findings are put in our words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from etlrun.diagnostics import Diagnostic, nearest
from etlrun.spec.fields import Schema
from etlrun.spec.located import Document, Keys


def kind_schema(kinds: Iterable[tuple[str, Schema]]) -> Schema:
    """One key that names a kind, and that kind's own schema below it."""
    return {
        "type": "object",
        "properties": dict(kinds),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "x-kind": True,
    }


def find_mistakes(document: Document, schema: Schema) -> list[Diagnostic]:
    """Everything in `document` that its schema does not allow, each at its place."""
    errors = _validator(_Held(schema)).iter_errors(document.value)
    return [diagnostic for error in errors for diagnostic in _explain(document, error)]


class _Held:
    """A schema as a cache key: by identity, since schemas are built once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.schema is self.schema


@lru_cache(maxsize=16)
def _validator(held: _Held) -> Draft7Validator:
    return Draft7Validator(held.schema)


def _explain(document: Document, error: ValidationError) -> Iterator[Diagnostic]:
    where: Keys = tuple(error.absolute_path)
    rule = str(error.validator)
    if rule == "anyOf":
        yield from _explain_choice(document, error, where)
    elif rule == "additionalProperties":
        yield from _explain_unknown_keys(document, error, where)
    elif rule == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        if missing and missing[0] == error.message.split("'")[1]:
            names = ", ".join(f"`{name}`" for name in missing)
            yield document.diagnose_key(where, "missing-key", f"{names} {'is' if len(missing) == 1 else 'are'} missing here")
    elif rule in ("maxProperties", "minProperties"):
        yield from _explain_kind_count(document, error, where)
    else:
        yield document.diagnose(where, "wrong-value", _phrase(error))


def _explain_choice(document: Document, error: ValidationError, where: Keys) -> Iterator[Diagnostic]:
    """Follow the alternative that the value resembles; where it resembles none, list them."""
    branches: dict[Any, list[ValidationError]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.schema_path[0], []).append(inner)
    for inners in sorted(branches.values(), key=len):
        if not any(_is_outer_mismatch(inner, error) for inner in inners):
            for inner in inners:
                yield from _explain(document, inner)
            return
    yield document.diagnose(where, "wrong-value", f"{_describe(error.schema)} is wanted here, not {_name(error.instance)}")


def _is_outer_mismatch(inner: ValidationError, outer: ValidationError) -> bool:
    """Whether an alternative fails on the value itself rather than on something inside it."""
    same_place = len(inner.absolute_path) == len(outer.absolute_path)
    if inner.validator == "anyOf" and same_place:
        return all(_is_outer_mismatch(deeper, outer) for deeper in inner.context or ())
    return same_place and inner.validator in ("type", "enum", "pattern", "const")


def _explain_unknown_keys(document: Document, error: ValidationError, where: Keys) -> Iterator[Diagnostic]:
    known = list(error.schema.get("properties", {}))
    is_kind = error.schema.get("x-kind")
    place = _place_name(where, error.schema.get("x-place", "a pipeline"))
    for name in error.instance:
        if name in known:
            continue
        fix = nearest(name, known) or ("there is " if is_kind else "the keys here are ") + ", ".join(known)
        if is_kind:
            yield document.diagnose_key((*where, name), "unknown-kind", f"there is no {_family(where)} `{name}`", fix)
        else:
            yield document.diagnose_key((*where, name), "unknown-key", f"`{name}` is not a key of {place}", fix)


def _explain_kind_count(document: Document, error: ValidationError, where: Keys) -> Iterator[Diagnostic]:
    if not error.instance:
        if "x-kind" in error.schema:
            yield document.diagnose(where, "missing-key", f"a {_family(where)} is missing here")
        else:
            yield document.diagnose(where, "missing-key", "this must not be empty")
        return
    known = error.schema.get("properties", {})
    if all(name in known for name in error.instance):
        names = " and ".join(f"`{name}`" for name in error.instance)
        second = list(error.instance)[1]
        yield document.diagnose_key((*where, second), "wrong-value", f"{names} stand in one item", "give each an item of its own: `- verb: ...`")


def _family(where: Keys) -> str:
    words = {"sources": "source", "steps": "step", "checks": "check", "sinks": "sink", "connections": "connection",
             "engine": "engine", "models": "model"}  # fmt: skip
    return next((words[part] for part in reversed(where) if part in words), "kind")


def _place_name(where: Keys, top: str) -> str:
    names = [part for part in where if isinstance(part, str)]
    return f"`{names[-1]}`" if names else top


def _phrase(error: ValidationError) -> str:
    rule, value = str(error.validator), error.validator_value
    if rule == "minItems":
        return "the list must not be empty"
    if rule == "pattern" and error.schema.get("x-name"):
        return f"`{error.instance}` is not a name: use letters, digits and `_`, at most 64, no digit first"
    if rule in ("minimum", "maximum"):
        return f"a number of at {'least' if rule == 'minimum' else 'most'} {value} is wanted here"
    return f"{_describe(error.schema)} is wanted here, not {_name(error.instance)}"


def _describe(schema: Schema) -> str:
    """A schema in words: `a text`, `one of drop, null`, `a list`."""
    if "anyOf" in schema:
        found = [_describe(choice) for choice in schema["anyOf"] if choice.get("pattern") is None or "%" in choice["pattern"]]
        return " or ".join(dict.fromkeys(found))
    if "enum" in schema:
        return "one of " + ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "%" in str(schema.get("pattern", "")):
        return "a share such as `20%`"
    if schema.get("x-name"):
        return "a name"
    kind = schema.get("type", "value")
    if isinstance(kind, list):
        return "an expression" if kind == ["string", "number", "boolean"] else "a text"
    return {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
            "array": "a list", "object": "a mapping `key: value`", "null": "nothing"}.get(kind, kind)  # fmt: skip


def _name(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
