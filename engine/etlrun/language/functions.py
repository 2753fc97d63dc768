"""The functions an expression may call: argument types, result type, and how each engine says it.

Meaning is Spark 4's under ANSI. `duckdb` and `spark` are templates in the engine's own SQL with `_1`, `_2`, ... for the
arguments (`_all` for every argument, in order); an absent template means the same name with the same arguments. A
template may instead be a function of (arguments, types) to a tree. Every row is proved equal on both engines by the
conformance test.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from etlrun.language.columns import BIGINT, DOUBLE, INT, INTEGERS, STRING, TIMESTAMP, Type, decimal

Gives = Type | Callable[[tuple[Type, ...]], Type]
Template = str | Callable[[Sequence[exp.Expr], tuple[Type, ...]], exp.Expr]


@dataclass(frozen=True)
class Function:
    """One row of the table.

    `takes` names the kind of each argument: string, integer, numeric, boolean, date, timestamp, moment (date or
    timestamp), array, orderable, any, or `same` (the common type of all `same` arguments). A trailing `?` makes an
    argument optional, a trailing `*` lets it repeat, a leading `=` wants a literal.
    """

    name: str
    takes: tuple[str, ...]
    gives: Gives
    doc: str
    kind: Literal["scalar", "aggregate", "window"] = "scalar"
    distinct: bool = False
    ordered: bool = False
    duckdb: Template | None = None
    spark: Template | None = None


def common_type(types: Sequence[Type]) -> Type | None:
    """The type both engines widen `types` to, or None where they have none without a cast."""
    known = [kind for kind in types if kind.name != "null"]
    if not known:
        return types[0] if types else None
    result = known[0]
    for kind in known[1:]:
        widened = _wider(result, kind)
        if widened is None:
            return None
        result = widened
    return result


def _wider(one: Type, other: Type) -> Type | None:
    if one == other:
        return one
    if one.is_integer and other.is_integer:
        return max(one, other, key=lambda kind: INTEGERS.index(kind.name))
    if not (one.is_numeric and other.is_numeric):
        return TIMESTAMP if {one.name, other.name} == {"date", "timestamp"} else None
    if {one.name, other.name} & {"float", "double"}:
        return DOUBLE
    one, other = as_decimal(one), as_decimal(other)
    scale = max(one.scale, other.scale)
    whole = max(one.precision - one.scale, other.precision - other.scale)
    return decimal(min(38, whole + scale), min(scale, 38))


def as_decimal(kind: Type) -> Type:
    """The decimal that holds every value of an integer type; a decimal is itself."""
    digits = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
    return decimal(digits[kind.name], 0) if kind.is_integer else kind


def _same(types: tuple[Type, ...]) -> Type:
    return common_type(types) or types[0]


def _first(types: tuple[Type, ...]) -> Type:
    return types[0]


def _sum_type(types: tuple[Type, ...]) -> Type:
    if types[0].is_integer:
        return BIGINT
    if types[0].name == "decimal":
        return decimal(min(38, types[0].precision + 10), types[0].scale)
    return DOUBLE


FUNCTIONS: dict[str, Function] = {
    function.name: function
    for function in (
        Function("count", ("any?",), BIGINT, "rows, or rows where the argument is not null", "aggregate", distinct=True),
        Function("sum", ("numeric",), _sum_type, "the sum; an overflow is an error", "aggregate"),
        Function("min", ("orderable",), _first, "the least value", "aggregate"),
        Function("max", ("orderable",), _first, "the greatest value", "aggregate"),
        Function("avg", ("numeric",), DOUBLE, "the mean, as double", "aggregate",
                 spark="avg(cast(_1 as double))", duckdb="sum(cast(_1 as double)) / count(_1)"),
        Function("coalesce", ("same", "same*"), _same, "the first argument that is not null"),
        Function("if", ("boolean", "same", "same"), lambda types: _same(types[1:]), "the second argument where the first is true",
                 duckdb="case when _1 then _2 else _3 end"),
        Function("greatest", ("same", "same*"), _same, "the greatest argument, nulls left out"),
        Function("least", ("same", "same*"), _same, "the least argument, nulls left out"),
        Function("nullif", ("same", "same"), _first, "null where both are equal"),
        Function("trim", ("string",), STRING, "without spaces at both ends", spark="trim(_1)", duckdb="trim(_1, ' ')"),
        Function("lower", ("string",), STRING, "in lower case"),
        Function("upper", ("string",), STRING, "in upper case"),
        Function("length", ("string",), INT, "the number of characters", duckdb="cast(length(_1) as integer)"),
        Function("concat", ("string*",), STRING, "the arguments one after the other; null if any is null"),
        Function("bit_or", ("integer",), _first, "the bitwise or of all values", "aggregate"),
        Function("bit_count", ("integer",), INT, "the number of bits that are 1", duckdb="cast(bit_count(_1) as integer)"),
        Function("year", ("moment",), INT, "the year", duckdb="cast(year(_1) as integer)"),
        Function("row_number", (), INT, "1, 2, 3, ... in the window's order", "window", ordered=True, duckdb="cast(row_number() as integer)"),
    )
}  # fmt: skip

