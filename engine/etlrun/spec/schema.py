"""Validates values by JSON Schema, and turns its errors into diagnostics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from etlrun.diagnostics import Diagnostic
from etlrun.spec.fields import Schema, schema_of_class
from etlrun.spec.located import Document, Keys
from etlrun.spec.registry import OnDemand
from etlrun.spec.validity import is_allowed
from etlrun.spec.wording import Mistake, explain

if TYPE_CHECKING:
    from jsonschema import Draft7Validator


def kind_schema(kinds: Mapping[str, type]) -> Schema:
    """One key that names a kind, and that kind's own schema below it."""
    return {
        "type": "object",
        "properties": OnDemand(kinds, lambda name: schema_of_class(kinds[name])),
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "x-kind": True,
    }


def find_mistakes(document: Document, schema: Schema) -> list[Diagnostic]:
    """Everything in `document` that its schema does not allow, each at its place."""
    return [mistake.diagnostic for mistake in located_mistakes(document, schema)]


def located_mistakes(document: Document, schema: Schema) -> list[Mistake]:
    """The mistakes of `find_mistakes`, each with the path of the wrong value."""
    if is_allowed(document.value, schema):
        return []
    errors = _validator(_Held(schema)).iter_errors(document.value)
    found = [mistake for error in errors for mistake in explain(document, error)]
    misplaced = {mistake.where for mistake in found if mistake.is_misplaced}
    return [
        mistake for mistake in dict.fromkeys(found) if mistake.is_misplaced or not _is_below(mistake.where, misplaced)
    ]


def _is_below(where: Keys, places: set[Keys]) -> bool:
    return any(where[:length] in places for length in range(1, len(where) + 1))


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
    return _validator_class()(held.schema)


@cache
def _validator_class() -> type[Draft7Validator]:
    """A validator class that does not validate the schemas of kinds that a file does not use."""
    from jsonschema import Draft7Validator  # the import takes a tenth of a second; only files with mistakes need it
    from jsonschema.validators import extend

    cls: type[Draft7Validator] = extend(Draft7Validator, {"properties": _judge_those_given})  # type: ignore[no-untyped-call]
    return cls


def _judge_those_given(validator: Any, properties: Mapping[str, Schema], value: Any, schema: Schema) -> Iterator[Any]:
    """The keyword `properties`."""
    for name in properties if validator.is_type(value, "object") else ():
        if name in value:
            yield from validator.descend(value[name], properties[name], path=name, schema_path=name)
