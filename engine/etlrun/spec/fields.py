"""Dataclass fields as YAML keys, and the JSON Schema that they describe."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

Schema = dict[str, Any]
Built = TypeVar("Built")
SCALAR = ["string", "number", "boolean", "null"]
REFERENCE = r"^\$[A-Za-z_][A-Za-z0-9_]*$"


class Expr(str):
    """A Spark SQL expression."""


class TypeText(str):
    """The type of a column, such as `bigint`, and `not null` after it if the column declares it."""


class Label(str):
    """A text that is taken as it is written: `NO`, `012` and `2022-04` stay texts."""


class Percent(float):
    """A share between 0 and 1, written `20%` or `0.2`."""


class Size(int):
    """A number of bytes, written `100 MB` or as an integer."""


class Scalar(str):
    """A text, number or boolean of YAML, kept as text."""


class Rows(tuple[Mapping[str, Any], ...]):
    """Rows of a test, each `column: value`; the types of the columns decide which values are valid."""


class AnswerRow(dict[str, Any]):
    """The answer of a model in a test, by output; null if no model knows the answer."""


def key(
    doc: str,
    *,
    yaml: str = "",
    default: Any = dataclasses.MISSING,
    factory: Any = dataclasses.MISSING,
    example: Any = None,
) -> Any:
    """A dataclass field that is a YAML key; `yaml` is the name of the key if Python reserves the word.

    `example` is for editors, where neither the documentation of the kind nor the default shows one.
    """
    metadata = {"doc": doc, "yaml": yaml, "example": example}
    if factory is not dataclasses.MISSING:
        return field(default_factory=factory, metadata=metadata)
    if default is not dataclasses.MISSING:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)


@dataclass(frozen=True)
class Described:
    """A value that YAML describes. `short` is the field that a value without keys fills, if the kind has a short form.

    `also` are keys that people try: each with the key of ours that they mean, or with a sentence on what to do.
    """

    short: ClassVar[str] = ""
    also: ClassVar[Mapping[str, str]] = {}


def yaml_name(item: dataclasses.Field[Any]) -> str:
    return item.metadata.get("yaml") or item.name


@cache
def field_types(cls: type) -> dict[str, Any]:
    """The evaluated annotation of every field of a dataclass, by YAML name."""
    hints = typing.get_type_hints(cls)
    return {yaml_name(item): hints[item.name] for item in dataclasses.fields(cls) if "doc" in item.metadata}


def described_fields(cls: type) -> list[dataclasses.Field[Any]]:
    return [item for item in dataclasses.fields(cls) if "doc" in item.metadata]


def is_required(item: dataclasses.Field[Any]) -> bool:
    return item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING


def schema_of(annotation: Any) -> Schema:
    """The draft-07 schema of an annotation; a `$name` may stand for any number or word that is not plain text."""
    if annotation in _SCHEMAS:
        return dict(_SCHEMAS[annotation])
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return {"anyOf": [{"enum": list(arguments)}, {"type": "string", "pattern": REFERENCE}]}
    if origin is tuple:
        return _schema_of_list(arguments[0])
    if origin in (dict, Mapping) or origin is typing.get_origin(Mapping[str, str]):
        return {"type": "object", "additionalProperties": schema_of(arguments[1]), "minProperties": 1}
    if origin in (Union, types.UnionType):
        choices = [schema_of(choice) for choice in arguments if choice is not types.NoneType]
        return {"anyOf": choices} if len(choices) > 1 else choices[0]
    if dataclasses.is_dataclass(annotation) and isinstance(annotation, type):
        return schema_of_class(annotation)
    raise TypeError(f"no schema for {annotation!r}")


def schema_of_class(cls: type) -> Schema:
    """The schema of a described class: its long form, or the bare value of its `short` field."""
    hints = field_types(cls)
    items = described_fields(cls)
    long: Schema = {
        "type": "object",
        "properties": {yaml_name(item): _documented(hints[yaml_name(item)], item) for item in items},
        "additionalProperties": False,
        "x-class": cls,
    }
    also: Mapping[str, str] = getattr(cls, "also", {})
    if also:
        long["x-also"] = also
    required = [yaml_name(item) for item in items if is_required(item)]
    if required:
        long["required"] = required
    short: str = getattr(cls, "short", "")
    if not short:
        return long
    return {"anyOf": [schema_of(hints[short]), long], "x-short": short, "x-class": cls}


def _schema_of_list(item: Any) -> Schema:
    inner = schema_of(item)
    many: Schema = {"type": "array", "items": inner, "minItems": 1}
    choices = get_args(item) if get_origin(item) in (Union, types.UnionType) else (item,)
    scalars = [choice for choice in choices if is_scalar(choice)]
    if scalars:
        return {"anyOf": [many, schema_of(scalars[0])], "x-many": True}
    return many


def _documented(annotation: Any, item: dataclasses.Field[Any]) -> Schema:
    schema = schema_of(annotation)
    schema["description"] = item.metadata["doc"]
    if item.metadata["example"] is not None:
        schema["x-example"] = item.metadata["example"]
    default = item.default
    if isinstance(default, (str, int, float, bool)) and default != "":
        schema["default"] = default
    return schema


def is_scalar(annotation: Any) -> bool:
    """Whether an annotation takes one YAML scalar, not a list or mapping."""
    return annotation in _SCHEMAS or get_origin(annotation) is Literal


_SCHEMAS: dict[Any, Schema] = {
    str: {"type": "string"},
    TypeText: {"type": "string", "x-editor": "type"},
    Expr: {"type": ["string", "number", "boolean"], "x-form": "an expression"},
    Label: {"type": SCALAR, "x-form": "a text"},
    Scalar: {"type": ["string", "number", "boolean"], "x-form": "a text or number"},
    bool: {"anyOf": [{"type": "boolean"}, {"type": "string", "pattern": REFERENCE}]},
    int: {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": REFERENCE}]},
    float: {"anyOf": [{"type": "number"}, {"type": "string", "pattern": REFERENCE}]},
    Percent: {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": r"^((100(\.0+)?|\d{1,2}(\.\d+)?)%|\$[A-Za-z_]\w*)$"},
        ],
        "x-form": "a share such as `20%`",
    },
    Size: {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^(\d+ ?[kMG]?B|\$[A-Za-z_]\w*)$"},
        ],
        "x-form": "a size such as `100 MB`",
    },
    Rows: {
        "type": "array",
        "items": {"type": "object", "x-form": "a row `{column: value}`"},
        "x-form": "a list of rows `- {column: value}`, or `[]` for none,",
    },
    AnswerRow: {"type": ["object", "null"], "x-form": "an answer `{output: value}`, or null"},
}
