"""Finds the lineage of an expression: the columns that it reads, and how each influences the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sqlglot import exp

from etlrun.language.defined_by import file_of
from etlrun.language.functions import FUNCTIONS
from etlrun.language.influence import NOTHING, Lineage, decided, made, together


class Reads(Protocol):
    """What the names in an expression mean."""

    def column(self, node: exp.Column) -> Lineage: ...

    def subquery(self, node: exp.Query) -> Lineage: ...


def expression_lineage(tree: exp.Expr, reads: Reads) -> Lineage:
    """What influences the value of a checked expression."""
    found = _RULES.get(type(tree), _made_of_parts)(tree, reads)
    files = frozenset((file,)) if (file := file_of(tree)) else frozenset()
    labels_of = files if isinstance(tree, exp.Case) else frozenset()
    return together((found, Lineage(files=files, labels_of=labels_of))) if files else found


def _itself(tree: exp.Expr, reads: Reads) -> Lineage:
    return expression_lineage(tree.this, reads)


def _column(tree: exp.Expr, reads: Reads) -> Lineage:
    assert isinstance(tree, exp.Column)
    return reads.column(tree)


def _case(tree: exp.Expr, reads: Reads) -> Lineage:
    """`case x when y then z`: x and y decide, z is the value."""
    conditions = [branch.this for branch in tree.args["ifs"]]
    values = [branch.args["true"] for branch in tree.args["ifs"]]
    if tree.this is not None:
        conditions.append(tree.this)
    if tree.args.get("default") is not None:
        values.append(tree.args["default"])
    return together(
        (
            made(together(expression_lineage(value, reads) for value in values), "transformation"),
            decided(together(expression_lineage(condition, reads) for condition in conditions), "conditional"),
        )
    )


def _window(tree: exp.Expr, reads: Reads) -> Lineage:
    """`f(x) over (partition by y order by z)`: y and z decide which rows are used."""
    frame = [*(tree.args.get("partition_by") or ()), *([tree.args["order"]] if tree.args.get("order") else ())]
    value = made(expression_lineage(tree.this, reads), "transformation")
    return together((value, decided(together(expression_lineage(part, reads) for part in frame), "window")))


def _filter(tree: exp.Expr, reads: Reads) -> Lineage:
    """`sum(x) filter (where y)`: y decides which rows count."""
    condition = expression_lineage(tree.expression.this, reads)
    return together((expression_lineage(tree.this, reads), decided(condition, "conditional")))


def _call(tree: exp.Expr, reads: Reads) -> Lineage:
    """A function call. The table of functions says whether it aggregates, and which arguments only decide."""
    function = FUNCTIONS.get(tree.name.lower())
    decides = function.decides if function else ()
    arguments = [expression_lineage(argument, reads) for argument in tree.expressions]
    value = together(found for position, found in enumerate(arguments) if position not in decides)
    condition = together(found for position, found in enumerate(arguments) if position in decides)
    is_aggregate = function is not None and function.kind == "aggregate"
    kind = made(value, "aggregation" if is_aggregate else "transformation")
    return together((kind, decided(condition, "conditional")))


def _query(tree: exp.Expr, reads: Reads) -> Lineage:
    query = tree.this if isinstance(tree, exp.Exists) else tree
    assert isinstance(query, exp.Query)
    return made(reads.subquery(query), "transformation")


def _made_of_parts(tree: exp.Expr, reads: Reads) -> Lineage:
    parts = [expression_lineage(part, reads) for part in tree.iter_expressions()]
    return made(together(parts), "transformation") if parts else NOTHING


_RULES: dict[type[exp.Expr], Callable[[exp.Expr, Reads], Lineage]] = {
    exp.Column: _column,
    exp.Paren: _itself,
    exp.Alias: _itself,
    exp.Ordered: _itself,
    exp.Case: _case,
    exp.Window: _window,
    exp.Filter: _filter,
    exp.Anonymous: _call,
    exp.Exists: _query,
    **dict.fromkeys((exp.Subquery, exp.Select, exp.Union, exp.Except, exp.Intersect), _query),
}
"""How each type of node passes influence on; every other one makes its value from all of its parts."""
