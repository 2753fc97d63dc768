"""Functions of the rows around a row: each needs `over (... order by ...)`, and the order should leave no ties."""

from __future__ import annotations

from etlrun.language.columns import DOUBLE, INT, Type
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Types, common_type, first
from etlrun.language.templates import whole_of


def _neighbour(types: Types) -> Type:
    return types[0]


def _neighbour_arguments(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if len(arguments) == 3 and common_type((types[0], types[2])) != types[0]:
        return ArgumentProblem(2, f"the default must be {types[0]}, but this is {types[2]}", "cast it")
    if len(arguments) > 1 and (whole_of(arguments[1]) or 0) < 0:
        return ArgumentProblem(1, "the distance cannot be negative")
    return None


def _positive(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    return (
        ArgumentProblem(len(arguments) - 1, "a number of at least 1 is expected here")
        if (whole_of(arguments[-1]) or 0) < 1
        else None
    )


WINDOWS = (
    Function("row_number", (), INT, "1, 2, 3, ... in the order of the window", "window", ordered=True, recast=True),
    Function(
        "rank",
        (),
        INT,
        "the rank in the order; tied rows have the same rank, with a gap after them",
        "window",
        ordered=True,
        recast=True,
    ),
    Function(
        "dense_rank",
        (),
        INT,
        "the rank in the order; tied rows have the same rank, without gaps after them",
        "window",
        ordered=True,
        recast=True,
    ),
    Function("percent_rank", (), DOUBLE, "(rank - 1) / (rows - 1)", "window", ordered=True),
    Function("cume_dist", (), DOUBLE, "the share of rows at or before this row in the order", "window", ordered=True),
    Function(
        "ntile",
        ("=integer",),
        INT,
        "the number of the bucket of the row, if the rows are divided into n equal buckets",
        "window",
        ordered=True,
        recast=True,
        verify=_positive,
    ),
    Function(
        "lag",
        ("any", "=integer?", "any?"),
        _neighbour,
        "the value n rows before this row (default: 1), or the third argument if there is no such row",
        "window",
        ordered=True,
        recast=True,
        skips_nulls=True,
        verify=_neighbour_arguments,
    ),
    Function(
        "lead",
        ("any", "=integer?", "any?"),
        _neighbour,
        "the value n rows after this row (default: 1), or the third argument if there is no such row",
        "window",
        ordered=True,
        recast=True,
        skips_nulls=True,
        verify=_neighbour_arguments,
    ),
    Function(
        "first_value",
        ("any",),
        first,
        "the value of the first row of the frame",
        "window",
        ordered=True,
        skips_nulls=True,
    ),
    Function(
        "last_value",
        ("any",),
        first,
        "the value of the last row of the frame",
        "window",
        ordered=True,
        skips_nulls=True,
    ),
    Function(
        "nth_value",
        ("any", "=integer"),
        first,
        "the value of the n-th row of the frame",
        "window",
        ordered=True,
        skips_nulls=True,
        verify=_positive,
    ),
)
