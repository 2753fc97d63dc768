"""Defines what a function of the expression language has: argument types, result type, and its SQL for each engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from etlrun.language.columns import DOUBLE, INTEGERS, TIMESTAMP, Type, decimal

Arguments = Sequence[exp.Expr]
Types = tuple[Type, ...]
Gives = Type | Callable[[Types], Type]
Template = str | Callable[[Arguments, Types], exp.Expr]


@dataclass(frozen=True)
class ArgumentProblem:
    """What is wrong with the argument at `position`."""

    position: int
    message: str
    fix: str = ""
    code: str = "wrong-arguments"


Verify = Callable[[Arguments, Types], ArgumentProblem | None]


@dataclass(frozen=True)
class Function:
    """One row of the table.

    `takes` names the kind of each argument: string, integer, numeric, boolean, date, timestamp, moment (date or
    timestamp), array, map, orderable, any, element (of the array before it), key (of the map before it), or `same` (the common type of all `same`
    arguments). A trailing `?` makes an argument optional, a trailing `*` lets it repeat, a leading `=` needs a literal.
    `spark` and `duckdb` are templates in the engine's SQL, or functions from (arguments, types) to a tree. The default is
    the same name with the same arguments. With `recast`, DuckDB's result is cast to the type of the row.
    """

    name: str
    takes: tuple[str, ...]
    gives: Gives
    doc: str
    kind: Literal["scalar", "aggregate", "window"] = "scalar"
    distinct: bool = False  # may be called with `distinct`
    ordered: bool = False  # a window function that requires `order by`
    duckdb: Template | None = None
    spark: Template | None = None
    recast: bool = False
    tolerance: float = 0.0  # the largest relative difference between engines; 0 if they agree to the last bit
    skips_nulls: bool = False  # may be called with `ignore nulls`
    decides: tuple[int, ...] = ()  # the positions of arguments that only decide about the value (for lineage)
    picks: bool = False  # returns one of several equal values: -0.0 is read as 0.0, so that it does not matter which
    aliases: tuple[str, ...] = ()
    verify: Verify | None = None
    gives_for: Callable[[Arguments, Types], Type] | None = None  # if the type depends on a literal argument

    def wants(self, count: int) -> tuple[str, ...] | None:
        """The expected type of each of `count` arguments, or None if the function does not take so many."""
        wanted: list[str] = []
        for position, kind in enumerate(self.takes):
            if kind.endswith("*"):
                rest = len(self.takes) - position - 1
                wanted.extend([kind[:-1]] * max(0, count - len(wanted) - rest))
            elif not kind.endswith("?") or len(wanted) < count:
                wanted.append(kind.rstrip("?"))
        return tuple(wanted) if len(wanted) == count else None

    def signature(self) -> str:
        """The argument types for messages: `(string, integer?)`."""
        return "(" + ", ".join(kind.lstrip("=") for kind in self.takes) + ")"

    def result(self, arguments: Arguments, types: Types) -> Type:
        """The type of a call with these arguments."""
        if self.gives_for is not None:
            return self.gives_for(arguments, types)
        return self.gives if isinstance(self.gives, Type) else self.gives(types)


def common_type(types: Sequence[Type]) -> Type | None:
    """The type to which both engines widen `types`, or None if there is none without a cast."""
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
    return decimal(whole + scale, scale) if whole + scale <= 38 else None


def as_decimal(kind: Type) -> Type:
    """The decimal type that can hold every value of an integer type; a decimal stays as it is."""
    digits = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
    return decimal(digits[kind.name], 0) if kind.is_integer else kind


def same(types: Types) -> Type:
    return common_type(types) or types[0]


def first(types: Types) -> Type:
    return types[0]


def ordered(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """Report arguments that are compared, if their type has no order and no equality."""
    shared = same(types)
    return (
        None
        if shared.is_orderable
        else ArgumentProblem(0, f"{shared} cannot be sorted or compared here", code="type-mismatch")
    )


def numbers(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    """Report `same` arguments that are not numbers."""
    shared = same(types)
    if shared.is_numeric or shared.name == "null":
        return None
    return ArgumentProblem(0, f"a number is needed here, but this is {shared}", code="type-mismatch")
