"""Positions and lengths: what is beyond a number of 32 bits is beyond any text or calendar, so it is read as the farthest of them."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BIGINT, Type
from etlrun.language.functions.function import Arguments, Template, Types
from etlrun.language.templates import Engine, fill

_FARTHEST = 2**31 - 1


def as_int(argument: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """An argument as int, without an error where it is a bigint of more than 32 bits."""
    if kind != BIGINT:
        return argument.copy()
    near = f"case when _1 > {_FARTHEST} then {_FARTHEST} when _1 < -{_FARTHEST} then -{_FARTHEST} else _1 end"
    return fill(f"cast({near} as int)", engine, [argument])


def in_ints(name: str) -> Template:
    """A call of Spark's function whose numbers are of type int, as Spark wants them."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        pairs = zip(arguments, types, strict=True)
        return exp.Anonymous(this=name, expressions=[as_int(argument, kind, "spark") for argument, kind in pairs])

    return build
