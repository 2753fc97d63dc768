"""Functions of numbers."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BIGINT, DOUBLE, INT, NULL, STRING, Type, decimal
from etlrun.language.expressions import cast
from etlrun.language.functions.function import (
    ArgumentProblem,
    Arguments,
    Function,
    Template,
    Types,
    as_decimal,
    first,
    numbers,
    same,
)
from etlrun.language.templates import duckdb, is_never_zero, is_zero, spark, whole_of


def decimal_operand(node: exp.Expr, kind: Type) -> Type:
    """The decimal type of an operand next to a decimal: a literal integer counts only with the digits that it has."""
    while isinstance(node, exp.Paren):
        node = node.this
    value = whole_of(node)
    if value is not None:
        return decimal(len(str(abs(value))), 0)
    return decimal(1, 0) if kind == NULL else as_decimal(kind)


def decimal_remainder(left: Type, right: Type) -> Type:
    """Spark's type of `left % right`."""
    scale = max(left.scale, right.scale)
    return decimal(min(38, min(left.precision - left.scale, right.precision - right.scale) + scale), scale)


def duckdb_remainder(arguments: Arguments, types: Types) -> exp.Expr:
    """`_1 % _2`, in which a zero divisor is an error for every type."""
    shared = same(types)
    if shared.is_integer or is_never_zero(arguments[1]):
        return duckdb("_1 % _2", *arguments)
    return duckdb(f"_1 % case when _2 = 0 and _1 is not null then {division_by_zero(shared)} else _2 end", *arguments)


def zero_divisor(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """Report a second argument that is 0: Spark computes `1 div 0` even if there are no rows, DuckDB does not."""
    fix = "write another number; one that is 0 in some rows is written nullif(x, 0), which gives null there"
    return ArgumentProblem(1, "the divisor is 0 in every row", fix) if is_zero(arguments[1]) else None


def division_by_zero(kind: Type) -> str:
    """An expression of a given type that fails if it is evaluated. DuckDB's own `error` is volatile, and refused in PARTITION BY."""
    return f"cast('division by zero' as {kind})"


def _digits(arguments: Arguments) -> int:
    return (whole_of(arguments[1]) or 0) if len(arguments) > 1 else 0


def _digits_in_reach(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if 0 <= _digits(arguments) <= 20:
        return None
    return ArgumentProblem(1, "only 0 to 20 digits are possible", "divide, round and multiply to round to tens")


def _rounded_type(arguments: Arguments, types: Types) -> Type:
    kind = types[0]
    if kind.name != "decimal":
        return kind
    scale = min(_digits(arguments), kind.scale)
    return decimal(min(38, kind.precision - kind.scale + 1 + scale), scale)


def _duckdb_round(arguments: Arguments, types: Types) -> exp.Expr:
    """Round half away from zero by the decimal digits of the number, as Spark does, not by its binary form."""
    if types[0].name not in ("float", "double"):
        return arguments[0].copy()
    through_digits = f"cast(cast(cast(cast(_1 as double) as varchar) as decimal(38, {_digits(arguments)})) as double)"
    return duckdb(f"case when abs(_1) < 1e16 then {through_digits} else cast(_1 as double) end", arguments[0])


def _whole_type(types: Types) -> Type:
    kind = types[0]
    return decimal(min(38, kind.precision - kind.scale + 1), 0) if kind.name == "decimal" else BIGINT


def _remainder_type(arguments: Arguments, types: Types) -> Type:
    shared = same(types)
    if shared.name != "decimal":
        return shared
    left, right = (decimal_operand(argument, kind) for argument, kind in zip(arguments, types, strict=True))
    return decimal_remainder(left, right)


def _spark_mod(arguments: Arguments, types: Types) -> exp.Expr:
    """A bare NULL beside a decimal is read as the table of types reads it."""
    known = [
        cast(argument.copy(), decimal(1, 0)) if kind == NULL and same(types).name == "decimal" else argument
        for argument, kind in zip(arguments, types, strict=True)
    ]
    return spark("mod(_1, _2)", *known)


def _spark_pmod(arguments: Arguments, types: Types) -> exp.Expr:
    """Spark adds the divisor to a remainder below zero, which overflows where both are far below it."""
    if (whole_of(arguments[1]) or 0) > 0:
        return spark("pmod(_1, _2)", *arguments)
    return spark("case when _2 < 0 then _1 % _2 else pmod(_1, _2) end", *arguments)


def _duckdb_sign(arguments: Arguments, types: Types) -> exp.Expr:
    if types[0].name not in ("float", "double"):
        return duckdb("sign(_1)", *arguments)
    return duckdb("case when isnan(_1) or _1 = 0 then _1 else sign(_1) end", *arguments)


def _duckdb_whole(name: str) -> Template:
    def build(arguments: Arguments, types: Types) -> exp.Expr:
        return arguments[0].copy() if types[0].is_integer else duckdb(f"{name}(_1)", *arguments)

    return build


def _spark_whole(name: str) -> Template:
    """Spark's own function turns NaN into 0. The cast fails, as it does for every number that is too large for a bigint."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        if types[0].name not in ("float", "double"):
            return spark(f"{name}(_1)", *arguments)
        return spark(f"case when isnan(_1) then cast(_1 as bigint) else {name}(_1) end", *arguments)

    return build


def _at_least_int(types: Types) -> Type:
    return BIGINT if types[0] == BIGINT else INT


def _duckdb_shift_left(arguments: Arguments, types: Types) -> exp.Expr:
    """Spark's shift drops bits beyond the width; DuckDB's fails, so it is computed with twice the width."""
    width = 64 if types[0] == BIGINT else 32
    half, whole = 2 ** (width - 1), 2**width
    moved = f"cast(_1 as hugeint) * cast(cast(1 as ubigint) << (cast(_2 as bigint) & {width - 1}) as hugeint)"
    general = duckdb(
        f"cast(((({moved}) % {whole}) + {whole + half}) % {whole} - {half} as {'bigint' if width == 64 else 'integer'})",
        *arguments,
    )
    value = arguments[0].this if isinstance(arguments[0], exp.Cast) else arguments[0]
    if whole_of(value) != 1 or width == 32:
        return general
    return duckdb("case when _1 between 0 and 62 then cast(1 as bigint) << _1 else _2 end", arguments[1], general)


def _duckdb_shift_right(arguments: Arguments, types: Types) -> exp.Expr:
    kind, mask = ("bigint", 63) if types[0] == BIGINT else ("integer", 31)
    return duckdb(f"cast(_1 as {kind}) >> cast(cast(_2 as bigint) & {mask} as {kind})", *arguments)


def _spark_abs(arguments: Arguments, types: Types) -> exp.Expr:
    if not is_long(types[0]):
        return spark("abs(_1)", *arguments)
    return spark(f"case when _1 < 0 then cast(substring(cast(_1 as string), 2) as {types[0]}) else _1 end", *arguments)


def is_long(kind: Type) -> bool:
    """Whether Spark would round a negated value of the type to 34 digits."""
    return kind.name == "decimal" and kind.precision > 34


def spark_negation(value: exp.Expr, kind: Type) -> exp.Expr:
    """`-value` of a decimal of more than 34 digits, by its digits."""
    digits = "case when _1 < 0 then substring(cast(_1 as string), 2) else concat('-', cast(_1 as string)) end"
    return spark(f"cast({digits} as {kind})", value)


NUMBERS = (
    Function("abs", ("numeric",), first, "the absolute value", spark=_spark_abs, recast=True),
    Function(
        "sign", ("numeric",), DOUBLE, "-1, 0 or 1, as double", duckdb=_duckdb_sign, recast=True, aliases=("signum",)
    ),
    Function(
        "round",
        ("numeric", "=integer?"),
        first,
        "the number rounded to n digits after the decimal point (default: 0), half away from zero",
        duckdb=_duckdb_round,
        gives_for=_rounded_type,
        verify=_digits_in_reach,
        recast=True,
    ),
    Function(
        "floor",
        ("numeric",),
        _whole_type,
        "the largest integer <= the number",
        spark=_spark_whole("floor"),
        duckdb=_duckdb_whole("floor"),
        recast=True,
    ),
    Function(
        "ceil",
        ("numeric",),
        _whole_type,
        "the smallest integer >= the number",
        spark=_spark_whole("ceil"),
        duckdb=_duckdb_whole("ceil"),
        recast=True,
        aliases=("ceiling",),
    ),
    Function(
        "sqrt",
        ("numeric",),
        DOUBLE,
        "the square root; NaN for a number below zero",
        spark="sqrt(cast(_1 as double))",
        duckdb="sqrt(cast(_1 as double))",
    ),
    Function(
        "mod",
        ("same", "same"),
        same,
        "the remainder, with the sign of the first number",
        spark=_spark_mod,
        duckdb=duckdb_remainder,
        gives_for=_remainder_type,
        verify=lambda arguments, types: numbers(arguments, types) or zero_divisor(arguments, types),
        recast=True,
    ),
    Function(
        "pmod",
        ("integer", "integer"),
        same,
        "the remainder; never negative if the second number is positive",
        spark=_spark_pmod,
        duckdb="case when _1 % _2 < 0 then (cast(_1 % _2 as hugeint) + _2) % _2 else _1 % _2 end",
        verify=zero_divisor,
        recast=True,
    ),
    Function(
        "shiftleft",
        ("integer", "integer"),
        _at_least_int,
        "the bits shifted to the left; bits beyond the width of the type are lost",
        spark="shiftleft(_1, cast(_2 & 63 as int))",
        duckdb=_duckdb_shift_left,
    ),
    Function(
        "shiftright",
        ("integer", "integer"),
        _at_least_int,
        "the bits shifted to the right, the sign is kept",
        spark="shiftright(_1, cast(_2 & 63 as int))",
        duckdb=_duckdb_shift_right,
    ),
    Function(
        "bit_count",
        ("integer",),
        INT,
        "the number of bits that are 1, of 64",
        duckdb="bit_count(cast(_1 as bigint))",
        recast=True,
    ),
    Function(
        "hex",
        ("integer",),
        STRING,
        "the number in base 16; negative numbers in two's complement",
        duckdb="hex(cast(_1 as bigint))",
    ),
)
