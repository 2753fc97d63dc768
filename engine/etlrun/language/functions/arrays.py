"""Functions of arrays. Positions count from 1; in `array[i]` they count from 0."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import BIGINT, BOOLEAN, INT, STRING, Type, array
from etlrun.language.functions.function import ArgumentProblem, Arguments, Function, Types, first, same
from etlrun.language.functions.places import MOST_NUMBERS, TOO_MANY
from etlrun.language.templates import duckdb, whole_of


def _of_same(types: Types) -> Type:
    return array(same(types))


def _element(types: Types) -> Type:
    return types[0].element or types[0]


def _orderable_elements(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    element = types[0].element
    return (
        None
        if element is None or element.is_orderable
        else ArgumentProblem(0, f"{element} has no order", code="type-mismatch")
    )


def _of_text(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if types[0].element in (STRING, None):
        return None
    return ArgumentProblem(0, f"only text can be joined, but the elements are {types[0].element}", code="type-mismatch")


def _not_zero(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    return ArgumentProblem(1, "positions count from 1, or from -1 at the end") if whole_of(arguments[1]) == 0 else None


def _positive_slice(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    if (whole_of(arguments[1]) or 0) < 1:
        return ArgumentProblem(1, "positions count from 1 here")
    return (
        ArgumentProblem(2, "the number of elements cannot be negative") if (whole_of(arguments[2]) or 0) < 0 else None
    )


def _duckdb_slice(arguments: Arguments, types: Types) -> exp.Expr:
    start, length = whole_of(arguments[1]) or 1, whole_of(arguments[2]) or 0
    return duckdb("array_slice(_1, _2, _3)", arguments[0], start, start + length - 1)


def _duckdb_sort(arguments: Arguments, types: Types) -> exp.Expr:
    descending = len(arguments) > 1 and isinstance(arguments[1], exp.Boolean) and not arguments[1].this
    return duckdb(
        "list_sort(_1, _2, _3)",
        arguments[0],
        "DESC" if descending else "ASC",
        "NULLS LAST" if descending else "NULLS FIRST",
    )


def _duckdb_array(arguments: Arguments, types: Types) -> exp.Expr:
    return exp.Anonymous(this="list_value", expressions=[argument.copy() for argument in arguments])


def _not_too_many(arguments: Arguments, types: Types) -> ArgumentProblem | None:
    start, end = whole_of(arguments[0]), whole_of(arguments[1])
    if start is None or end is None or end - start < MOST_NUMBERS:
        return None
    return ArgumentProblem(1, f"an array of more than {MOST_NUMBERS:,} numbers is not made")


def _end(wide: str) -> str:
    """The last number of a sequence; an error if there are more than MOST_NUMBERS up to it."""
    count = f"cast(_2 as {wide}) - cast(_1 as {wide})"
    return f"case when {count} >= {MOST_NUMBERS} then cast('{TOO_MANY}' as bigint) else cast(_2 as bigint) end"


_CONTAINS = "case when _1 is null or _2 is null then null when list_contains(_1, _2) then true when len(_1) <> list_count(_1) then null else false end"
_POSITION = "case when _1 is null or _2 is null then null else coalesce(list_position(_1, _2), 0) end"
_ELEMENT = "list_extract(_1, case when _1 is null then null when _2 = 0 or abs(_2) > len(_1) then cast('there is no such element' as bigint) else _2 end)"

ARRAYS = (
    Function("array", ("same", "same*"), _of_same, "the arguments as an array", duckdb=_duckdb_array),
    Function(
        "size",
        ("array",),
        INT,
        "the number of elements; null for null",
        duckdb="len(_1)",
        recast=True,
        aliases=("array_size", "cardinality"),
    ),
    Function(
        "array_contains",
        ("array", "element"),
        BOOLEAN,
        "whether an element equals the value; null if no element does and one of them is null",
        duckdb=_CONTAINS,
        verify=_orderable_elements,
    ),
    Function(
        "array_position",
        ("array", "element"),
        BIGINT,
        "the position of the first element equal to the value, or 0",
        duckdb=_POSITION,
        recast=True,
        verify=_orderable_elements,
    ),
    Function(
        "element_at",
        ("array", "integer"),
        _element,
        "the element at a position, counted from 1, or from the end if negative; an error if there is no such element",
        duckdb=_ELEMENT,
        spark="case when _2 is not null then element_at(_1, cast(_2 as int)) end",
        verify=_not_zero,
    ),
    Function(
        "try_element_at",
        ("array", "=integer"),
        _element,
        "the element at a position, counted from 1, or from the end if negative; null if there is no such element",
        duckdb="list_extract(_1, _2)",
        verify=_not_zero,
    ),
    Function(
        "array_join",
        ("array", "=string"),
        STRING,
        "the elements joined with the text between them, without nulls",
        duckdb="case when _1 is not null then coalesce(array_to_string(_1, _2), '') end",
        verify=_of_text,
    ),
    Function(
        "sort_array",
        ("array", "=boolean?"),
        first,
        "the elements in order, nulls first; descending with `false`, nulls last",
        duckdb=_duckdb_sort,
        verify=_orderable_elements,
        picks=True,
    ),
    Function(
        "array_distinct",
        ("array",),
        first,
        "the distinct elements, in the order of their first occurrence",
        duckdb="list_filter(_1, lambda element_, at_: list_position(_1, element_) = at_)",
        verify=_orderable_elements,
        picks=True,
    ),
    Function(
        "array_min",
        ("array",),
        _element,
        "the smallest element; nulls are ignored",
        duckdb="list_min(_1)",
        verify=_orderable_elements,
        picks=True,
    ),
    Function(
        "array_max",
        ("array",),
        _element,
        "the largest element; nulls are ignored",
        duckdb="list_max(_1)",
        verify=_orderable_elements,
        picks=True,
    ),
    Function(
        "sequence",
        ("integer", "integer"),
        array(BIGINT),
        "the integers from the first to the second argument; empty if the second is smaller; an error for more than 100,000 of them",
        spark=f"case when _1 > _2 then cast(array() as array<bigint>) else sequence(cast(_1 as bigint), {_end('decimal(20,0)')}) end",
        duckdb=f"case when _1 > _2 then cast([] as bigint[]) else generate_series(cast(_1 as bigint), {_end('hugeint')}) end",
        verify=_not_too_many,
    ),
    Function(
        "slice",
        ("array", "=integer", "=integer"),
        first,
        "n elements, starting at a position",
        duckdb=_duckdb_slice,
        verify=_positive_slice,
    ),
)
