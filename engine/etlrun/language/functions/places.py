"""Positions and lengths as arguments: their largest values, and how long a text or an array may become.

A position that does not fit in 32 bits is beyond any text or calendar, so it is read as the largest 32-bit number. Making a text
of more than LONGEST_TEXT characters, or an array of more than MOST_NUMBERS, is an error: otherwise one number in a row could request
gigabytes. The error is a cast of a text that always fails; the engines' errors are recognized by this text.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from etlrun.language.columns import BIGINT, Type
from etlrun.language.functions.function import Arguments, Types
from etlrun.language.templates import Engine, fill, whole_of

LONGEST_TEXT = 1_000_000  # characters that `lpad`, `rpad` and `repeat` make
MOST_NUMBERS = 100_000  # that `sequence` makes
TOO_LONG = f"a text of more than {LONGEST_TEXT} characters"
TOO_MANY = f"an array of more than {MOST_NUMBERS} numbers"
CONDITIONS = {TOO_LONG: "text-too-long", TOO_MANY: "array-too-long"}
_FARTHEST = 2**31 - 1


def as_int(argument: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """An argument as int, without an error for a bigint of more than 32 bits."""
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
    """The length of a new text; an error if it is more than LONGEST_TEXT."""
    if whole_of(argument) is not None and kind != BIGINT:
        return argument.copy()
    return _at_most("_1", [as_int(argument, kind, engine)], engine)


def short_count(text: exp.Expr, argument: exp.Expr, kind: Type, engine: Engine) -> exp.Expr:
    """How often a text is repeated; an error if the result has more than LONGEST_TEXT characters."""
    return _at_most("_1 * cast(length(_2) as bigint)", [as_int(argument, kind, engine), text], engine)


def _at_most(length: str, parts: list[exp.Expr], engine: Engine) -> exp.Expr:
    return fill(f"case when {length} > {LONGEST_TEXT} then cast('{TOO_LONG}' as int) else _1 end", engine, parts)
