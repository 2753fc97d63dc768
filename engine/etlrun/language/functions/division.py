"""`div(a, b, scale)`: the quotient of two exact numbers, rounded once, half away from zero, to `scale` digits after the point.

Both engines compute it with integers: if a and b have at most k digits after the point, then a / b in units of the last digit kept is
n / d with n = a * 10^(scale + k) and d = b * 10^k. It is rounded as the integer quotient (2n + d) / 2d, which no engine rounds itself.
"""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import Type, decimal
from etlrun.language.expressions import cast
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Types, first
from etlrun.language.functions.numbers import decimal_operand, division_by_zero, zero_divisor
from etlrun.language.templates import duckdb, is_never_zero, spark, whole_of

LONG = 19  # digits of a decimal that DuckDB keeps in 128 bits
EXACT = 34  # digits that both engines keep through every operation


def _scale(arguments: Arguments) -> int:
    return whole_of(arguments[2]) or 0


def _operands(arguments: Arguments, types: Types) -> tuple[Type, Type]:
    left, right = (decimal_operand(node, kind) for node, kind in zip(arguments[:2], types[:2], strict=True))
    return left, right


def _type(arguments: Arguments, types: Types) -> Type:
    """Room for the largest dividend over the smallest divisor, and a digit that rounding may add."""
    if any(kind.name in ("float", "double") for kind in types[:2]):
        return types[0]  # `_verify` refuses it
    left, right = _operands(arguments, types)
    return decimal(min(38, left.precision - left.scale + right.scale + _scale(arguments) + 1), _scale(arguments))


def _verify(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    for position, kind in enumerate(types[:2]):
        if kind.name in ("float", "double"):
            fix = "cast it to decimal first, or divide with `/`"
            return ArgumentProblem(position, f"`div` needs exact numbers, but this is {kind}", fix, "type-mismatch")
    scale = _scale(arguments)
    if not 0 <= scale <= 18:
        return ArgumentProblem(
            2, "only 0 to 18 digits after the decimal point are possible", "write a number from 0 to 18"
        )
    left, right = _operands(arguments, types)
    k = max(left.scale, right.scale)
    digits = max(left.precision + scale + k + 2, right.precision + k + 2)
    if digits <= EXACT and _type(arguments, types).precision + scale + 2 <= 38:
        return zero_divisor(arguments, types)
    message = f"{left} divided by {right} to {scale} digits needs more digits than both engines keep"
    return ArgumentProblem(0, message, "cast an operand to a smaller decimal, or keep fewer digits", "type-mismatch")


def _parts(arguments: Arguments, types: Types, least: int = 0) -> tuple[exp.Expr, exp.Expr]:
    """n and d, as decimals without digits after the point; an operand has `least` digits, so that DuckDB keeps those of a product."""
    left, right = _operands(arguments, types)
    k = max(left.scale, right.scale)
    parts = []
    for node, kind, shift in ((arguments[0], left, _scale(arguments) + k), (arguments[1], right, k)):
        factor = cast(exp.Literal.number(10**shift), decimal(shift + 1, 0))
        product = exp.Mul(this=cast(node.copy(), decimal(max(least, kind.precision), kind.scale)), expression=factor)
        parts.append(cast(exp.Paren(this=product), decimal(min(36, kind.precision - kind.scale + shift), 0)))
    return parts[0], parts[1]


def _unit(arguments: Arguments) -> exp.Expr:
    scale = _scale(arguments)
    return cast(exp.Literal.string(f"{10**-scale:.{scale}f}"), decimal(scale + 1, scale))


def _spark(arguments: Arguments, types: Types) -> exp.Expr:
    n, d = _parts(arguments, types)
    whole = spark("(2 * abs(_1) + abs(_2) - (2 * abs(_1) + abs(_2)) % (2 * abs(_2))) / (2 * abs(_2))", n, d)
    kind = _type(arguments, types)
    signed = spark("cast(_1 as decimal(38, 0)) * case when (_2 < 0) <> (_3 < 0) then -1 else 1 end", whole, n, d)
    digits = cast(exp.Paren(this=signed), decimal(kind.precision, 0))
    return cast(exp.Paren(this=exp.Mul(this=digits, expression=_unit(arguments))), kind)


def _duckdb(arguments: Arguments, types: Types) -> exp.Expr:
    n, d = _parts(arguments, types, LONG)
    kind = _type(arguments, types)
    if not is_never_zero(arguments[1]):
        zero = division_by_zero(types[1] if types[1].is_integer else decimal(36, 0))
        d = duckdb(f"case when _1 = 0 and _2 is not null then {zero} else _1 end", d, n)
    whole = duckdb(
        "(2 * abs(cast(_1 as hugeint)) + abs(cast(_2 as hugeint))) // (2 * abs(cast(_2 as hugeint)))"
        " * case when (_1 < 0) <> (_2 < 0) then -1 else 1 end",
        n,
        d,
    )
    digits = cast(exp.Paren(this=whole), decimal(max(LONG, kind.precision), 0))
    return cast(exp.Paren(this=exp.Mul(this=digits, expression=_unit(arguments))), kind)


DIVISION = (
    Function(
        "div",
        ("numeric", "numeric", "=integer"),
        first,
        "the exact quotient as a decimal with n digits after the decimal point, rounded half away from zero; division by zero is an error",
        gives_for=_type,
        verify=_verify,
        spark=_spark,
        duckdb=_duckdb,
        recast=True,
    ),
)
