"""Positions and lengths: how far they reach, and how long a text may become.

A place beyond a number of 32 bits is beyond any text or calendar, so it is read as the farthest of them. A text that is made
longer than LONGEST_TEXT characters is an error: one number in a row would otherwise ask for gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from etlrun.language.columns import BIGINT, Type
from etlrun.language.functions.function import Arguments, Types
from etlrun.language.templates import Engine, fill, whole_of

LONGEST_TEXT = 1_000_000  # characters that `lpad`, `rpad` and `repeat` make
TOO_LONG = f"a text of more than {LONGEST_TEXT} characters"  # what is cast in vain; engines find the error by it
_FARTHEST = 2**31 - 1


def as_int(argument: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """An argument as int, without an error where it is a bigint of more than 32 bits."""
    if kind != BIGINT:
        return argument.copy()
    near = f"case when _1 > {_FARTHEST} then {_FARTHEST} when _1 < -{_FARTHEST} then -{_FARTHEST} else _1 end"
    return fill(f"cast({near} as int)", engine, [argument])


def in_ints(name: str) -> Callable[[Arguments, Types], exp.Expr]:
    """A call of Spark's function whose numbers are of type int, as Spark wants them."""

    def build(arguments: Arguments, types: Types) -> exp.Expr:
        pairs = zip(arguments, types, strict=True)
        return exp.Anonymous(this=name, expressions=[as_int(argument, kind, "spark") for argument, kind in pairs])

    return build


def short_length(argument: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """The length of a text to be made; an error where it is more than LONGEST_TEXT."""
    if whole_of(argument) is not None and kind != BIGINT:
        return argument.copy()
    return _at_most("_1", [as_int(argument, kind, engine)], engine)


def short_count(text: exp.Expr, argument: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """How often a text is repeated; an error where that is more than LONGEST_TEXT characters."""
    return _at_most("_1 * cast(length(_2) as bigint)", [as_int(argument, kind, engine), text], engine)


def _at_most(length: str, parts: list[exp.Expr], engine: Engine) -> exp.Expr:
    return fill(f"case when {length} > {LONGEST_TEXT} then cast('{TOO_LONG}' as int) else _1 end", engine, parts)
