"""Functions of fractional numbers: powers, logarithms, standard deviation and variance, median and percentiles.

Powers, logarithms, deviation and variance are computed by each engine's own library, which may differ in the last digits: `tolerance` is the
largest difference. A median or percentile is equal on both, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from sqlglot import exp

from etlrun.language.columns import DOUBLE
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Types
from etlrun.language.templates import duckdb, spark

CLOSE, LOOSE = 1e-12, 1e-9
_CLOSE = "; the engines agree to 12 digits"
_LOOSE = "; the engines agree to 9 digits if the values differ from each other by at least a thousandth. NaN if a value is beyond 1e150"
_HUGE = "1e150"  # from here on a square, or a sum of squares, may be infinite on one engine only
_NAN = "cast('NaN' as double)"


def _double(place: int, types: Types) -> str:
    """An argument as double; a decimal by its digits, as both engines read a text."""
    is_decimal = types[place - 1].name == "decimal"
    return f"cast(cast(_{place} as string) as double)" if is_decimal else f"cast(_{place} as double)"


def _logarithm(name: str, doc: str) -> Function:
    def build(engine: Callable[..., exp.Expr]) -> Callable[[Arguments, Types], exp.Expr]:
        return lambda arguments, types: engine(
            f"case when {_double(1, types)} > 0 then {name}({_double(1, types)}) end", *arguments
        )

    text = f"{doc}; null for 0 and below{_CLOSE}"
    return Function(
        name, ("numeric",), DOUBLE, text, tolerance=CLOSE, spark=build(spark), duckdb=build(duckdb), recast=True
    )


def _exponential(engine: Callable[..., exp.Expr]) -> Callable[[Arguments, Types], exp.Expr]:
    return lambda arguments, types: engine(f"exp({_double(1, types)})", *arguments)


def _spark_power(arguments: Arguments, types: Types) -> exp.Expr:
    return spark(f"power({_double(1, types)}, {_double(2, types)})", *arguments)


def _duckdb_power(arguments: Arguments, types: Types) -> exp.Expr:
    """For powers of 1, and of -1 with an infinite exponent, DuckDB gives 1 where Java gives NaN."""
    base, exponent = _double(1, types), _double(2, types)
    unknown = f"_1 is not null and (isnan({exponent}) or abs({base}) = 1 and isinf({exponent}))"
    return duckdb(f"case when {unknown} then {_NAN} else pow({base}, {exponent}) end", *arguments)


def _spread(name: str, doc: str, *aliases: str) -> Function:
    """A function of the squared distances from the mean."""

    def build(engine: Callable[..., exp.Expr]) -> Callable[[Arguments, Types], exp.Expr]:
        def fill(arguments: Arguments, types: Types) -> exp.Expr:
            value = _double(1, types)
            few = f" and count({value}) > 1" if name.endswith("_samp") else ""
            huge = f"max(abs({value})) >= {_HUGE}{few}"
            return engine(f"case when {huge} then {_NAN} else {name}({value}) end", *arguments)

        return fill

    return Function(
        name,
        ("numeric",),
        DOUBLE,
        f"{doc}{_LOOSE}",
        "aggregate",
        tolerance=LOOSE,
        spark=build(spark),
        duckdb=build(duckdb),
        recast=True,
        aliases=aliases,
    )


def _correlation(engine: Callable[..., exp.Expr]) -> Callable[[Arguments, Types], exp.Expr]:
    def fill(arguments: Arguments, types: Types) -> exp.Expr:
        one, other = _double(1, types), _double(2, types)
        x, y = f"case when _2 is not null then {one} end", f"case when _1 is not null then {other} end"
        same = f"min({x}) = max({x}) or min({y}) = max({y})"
        huge = f"max(abs({x})) >= {_HUGE} or max(abs({y})) >= {_HUGE}"
        return engine(f"case when {same} then null when {huge} then {_NAN} else corr({one}, {other}) end", *arguments)

    return fill


def _share(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    share = arguments[1]
    if isinstance(share, exp.Literal) and not share.is_string and 0 <= Decimal(_digits(share)) <= 1:
        return None
    return ArgumentProblem(1, "a share from 0 to 1 is expected here", "write `percentile(x, 0.9)`")


def _digits(node: exp.Literal) -> str:
    """The digits of a literal number, without the letter of its type."""
    return str(node.this).rstrip("DdFfLlSsYyBb")


def _spark_percentile(arguments: Arguments, types: Types) -> exp.Expr:
    share = _digits(arguments[1]) if len(arguments) > 1 else "0.5"  # type: ignore[arg-type]
    return spark(f"percentile({_double(1, types)} + 0D, cast('{share}' as double))", *arguments)


def _duckdb_percentile(arguments: Arguments, types: Types) -> exp.Expr:
    """Interpolate between the two neighbouring values with the same two operations as Spark."""
    share = _digits(arguments[1]) if len(arguments) > 1 else "0.5"  # type: ignore[arg-type]
    value = f"{_double(1, types)} + cast(0 as double)"
    values = f"list_sort(list_filter(list({value}), lambda value_: value_ is not null))"
    place = f"((count({value}) - 1) * cast('{share}' as double))"
    low, high = (f"list_extract({values}, cast({side}({place}) as bigint) + 1)" for side in ("floor", "ceil"))
    return duckdb(
        f"case when {low} = {high} then {low} else {low} + ({high} - {low}) * ({place} - floor({place})) end",
        *arguments,
    )


STATISTICS = (
    Function(
        "exp",
        ("numeric",),
        DOUBLE,
        f"e to the power of the number{_CLOSE}",
        tolerance=CLOSE,
        spark=_exponential(spark),
        duckdb=_exponential(duckdb),
    ),
    _logarithm("ln", "the natural logarithm"),
    _logarithm("log10", "the logarithm to base 10"),
    _logarithm("log2", "the logarithm to base 2"),
    Function(
        "power",
        ("numeric", "numeric"),
        DOUBLE,
        f"the first number to the power of the second{_CLOSE}",
        tolerance=CLOSE,
        spark=_spark_power,
        duckdb=_duckdb_power,
        recast=True,
        aliases=("pow",),
    ),
    _spread("stddev_samp", "the standard deviation of a sample; null for fewer than two values", "stddev"),
    _spread("stddev_pop", "the standard deviation of the population"),
    _spread("var_samp", "the variance of a sample; null for fewer than two values", "variance"),
    _spread("var_pop", "the variance of the population"),
    Function(
        "corr",
        ("numeric", "numeric"),
        DOUBLE,
        f"the correlation of two columns, from -1 to 1; null if one of them is constant{_LOOSE}",
        "aggregate",
        tolerance=LOOSE,
        spark=_correlation(spark),
        duckdb=_correlation(duckdb),
        recast=True,
    ),
    Function(
        "median",
        ("numeric",),
        DOUBLE,
        "the exact median: the middle value, or the mean of the two middle values",
        "aggregate",
        spark=_spark_percentile,
        duckdb=_duckdb_percentile,
        recast=True,
    ),
    Function(
        "percentile",
        ("numeric", "=numeric"),
        DOUBLE,
        "the exact percentile for a share from 0 to 1, interpolated between two values",
        "aggregate",
        spark=_spark_percentile,
        duckdb=_duckdb_percentile,
        verify=_share,
        recast=True,
        aliases=("percentile_cont",),
    ),
)
