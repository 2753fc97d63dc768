"""Functions of maps. `m['key']` is the value of a key, or null; `element_at(m, 'key')` is the same."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BOOLEAN, Type, array, struct
from etlrun.language.expressions import cast
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Types


def _keys(types: Types) -> Type:
    return array(types[0].entry[0]) if types[0].entry else types[0]


def _values(types: Types) -> Type:
    return array(types[0].entry[1]) if types[0].entry else types[0]


def _entries(types: Types) -> Type:
    return array(struct(*zip(("key", "value"), types[0].entry, strict=True))) if types[0].entry else types[0]


def _spark_entries(arguments: Arguments, types: Types) -> exp.Expr:
    """The entries as nullable structs: Spark cannot read its own ones back from a list with a null."""
    return cast(exp.Anonymous(this="map_entries", expressions=[part.copy() for part in arguments]), _entries(types))


def _typed_map(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if types[0].entry:
        return None
    return ArgumentProblem(0, "this null has no keys", "write cast(null as map<string, bigint>)", code="type-mismatch")


MAPS = (
    Function("map_keys", ("map",), _keys, "the keys as an array, in the order of the map", verify=_typed_map),
    Function("map_values", ("map",), _values, "the values as an array, in the order of the map", verify=_typed_map),
    Function(
        "map_entries",
        ("map",),
        _entries,
        "the map as an array of structs with the fields `key` and `value`, for the step `explode`",
        spark=_spark_entries,
        verify=_typed_map,
    ),
    Function(
        "map_contains_key",
        ("map", "key"),
        BOOLEAN,
        "whether the map has the key; null for null",
        duckdb="case when _2 is not null then map_contains(_1, _2) end",
        verify=_typed_map,
    ),
)
