"""Functions of all the rows of a group."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BIGINT, BOOLEAN, DOUBLE, Type, array, decimal
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Types, first
from etlrun.language.templates import duckdb, spark


def _sum_type(types: Types) -> Type:
    if types[0].is_integer:
        return BIGINT
    if types[0].name == "decimal":
        return decimal(min(38, types[0].precision + 10), types[0].scale)
    return DOUBLE


def _spark_mean(arguments: Arguments, types: Types) -> exp.Expr:
    """The mean from an exact sum. The two halves of each bigint are summed separately, because the whole sum may overflow a bigint."""
    kind = types[0]
    total = "sum(_1)" if kind.name == "decimal" else f"sum(cast(_1 as {'bigint' if kind.is_integer else 'double'}))"
    if kind == BIGINT:
        total = "cast(sum(shiftright(_1, 32)) as decimal(20, 0)) * 4294967296 + sum(_1 & 4294967295)"
    return spark(f"cast({total} as double) / count(_1)", *arguments)


def _duckdb_mean(arguments: Arguments, types: Types) -> exp.Expr:
    kind = types[0]
    if kind.name == "decimal":
        total = f"cast(cast(sum(_1) as {_sum_type(types)}) as varchar)"
    else:
        total = (
            "cast(sum(_1) as varchar)"
            if kind == BIGINT
            else f"cast(sum(_1) as {'bigint' if kind.is_integer else 'double'})"
        )
    return duckdb(f"cast({total} as double) / nullif(count(_1), 0)", *arguments)


def _array_of_first(types: Types) -> Type:
    return array(types[0])


def _no_distinct_rows(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    return ArgumentProblem(1, "`count` of several columns needs `distinct`") if len(arguments) > 1 else None


# `count_if`, `bool_and` and `bool_or` are written out: an optimizer rule of Spark 4.3 fails on them in BETWEEN.
AGGREGATES = (
    Function(
        "count",
        ("any*",),
        BIGINT,
        "`count(*)`: rows; `count(x)`: rows where x is not null; `count(distinct x, ...)`: distinct values",
        "aggregate",
        distinct=True,
    ),
    Function(
        "count_if",
        ("boolean",),
        BIGINT,
        "the rows where the condition is true",
        "aggregate",
        duckdb="count(case when _1 then 1 end)",
        spark="count(case when _1 then 1 end)",
        decides=(0,),
    ),
    Function(
        "sum",
        ("numeric",),
        _sum_type,
        "the sum; an overflow is an error, even if only an intermediate sum overflows and the engine notices it. "
        "The last digits of a sum of doubles depend on the order of rows",
        "aggregate",
        distinct=True,
        recast=True,
    ),
    Function(
        "avg",
        ("numeric",),
        DOUBLE,
        "the mean, as a double; for integers and decimals it is computed from the exact sum",
        "aggregate",
        spark=_spark_mean,
        duckdb=_duckdb_mean,
        aliases=("mean",),
    ),
    Function("min", ("orderable",), first, "the smallest value", "aggregate", picks=True),
    Function("max", ("orderable",), first, "the largest value", "aggregate", picks=True),
    Function(
        "min_by",
        ("orderable", "orderable"),
        first,
        "the first argument in the row with the smallest second argument; if rows tie, the smallest one that is not null",
        "aggregate",
        spark="min(case when _2 is not null then struct(_2 as y, _1 is null as n, _1 as x) end).x",
        duckdb="min(case when _2 is not null then struct_pack(y := _2, n := _1 is null, x := _1) end)['x']",
        decides=(1,),
        picks=True,
    ),
    Function(
        "max_by",
        ("orderable", "orderable"),
        first,
        "the first argument in the row with the largest second argument; if rows tie, the largest one that is not null",
        "aggregate",
        spark="max(case when _2 is not null then struct(_2 as y, _1 is not null as n, _1 as x) end).x",
        duckdb="max(case when _2 is not null then struct_pack(y := _2, n := _1 is not null, x := _1) end)['x']",
        decides=(1,),
        picks=True,
    ),
    Function(
        "bool_and",
        ("boolean",),
        BOOLEAN,
        "whether every value is true; nulls are ignored",
        "aggregate",
        spark="min(_1)",
        aliases=("every",),
    ),
    Function(
        "bool_or",
        ("boolean",),
        BOOLEAN,
        "whether any value is true; nulls are ignored",
        "aggregate",
        spark="max(_1)",
        aliases=("any", "some"),
    ),
    Function("bit_and", ("integer",), first, "the bitwise and of all values", "aggregate"),
    Function("bit_or", ("integer",), first, "the bitwise or of all values", "aggregate"),
    Function("bit_xor", ("integer",), first, "the bitwise exclusive or of all values", "aggregate"),
    Function(
        "collect_set",
        ("orderable",),
        _array_of_first,
        "the distinct values, without nulls; only inside `sort_array` or `size`",
        "aggregate",
        duckdb="coalesce(list_filter(list(distinct _1), lambda value_: value_ is not null), [])",
        recast=True,
        picks=True,
    ),
    Function(
        "collect_list",
        ("orderable",),
        _array_of_first,
        "all values, without nulls; only inside `sort_array` or `size`",
        "aggregate",
        duckdb="coalesce(list_filter(list(_1), lambda value_: value_ is not null), [])",
        recast=True,
    ),
)
