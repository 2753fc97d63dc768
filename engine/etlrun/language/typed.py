"""Checks an expression against the columns that it may read, and gives every node its type."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.calls import CALLS
from etlrun.language.casts import castable
from etlrun.language.checking import Checker, Inside, Names, Rule, own_nodes, own_parts, visit_column, visit_field
from etlrun.language.columns import Type
from etlrun.language.comparisons import visit_comparison
from etlrun.language.expansion import too_large
from etlrun.language.expressions import ExpressionError
from etlrun.language.functions import FUNCTIONS
from etlrun.language.moments import MOMENTS, visit_shift
from etlrun.language.operators import OPERATORS, visit_arithmetic
from etlrun.language.subqueries import SUBQUERIES, visit_in_query

__all__ = ["Names", "castable", "check_expression", "has_aggregate", "has_window", "window_parts"]

RULES: dict[type[exp.Expr], Rule] = {
    exp.Column: visit_column,
    exp.Dot: visit_field,
    **OPERATORS,
    **CALLS,
    **SUBQUERIES,
    **MOMENTS,
    **dict.fromkeys((exp.Add, exp.Sub), lambda checker, node: _sum(node)(checker, node)),
    exp.In: lambda checker, node: (visit_in_query if node.args.get("query") else visit_comparison)(checker, node),
}


def _sum(node: exp.Expr) -> Rule:
    return visit_shift if isinstance(node.expression, exp.Interval) else visit_arithmetic


def check_expression(
    tree: exp.Expr,
    names: Names,
    text: str = "",
    wanted: Type | None = None,
    inside: Inside | None = None,
    outer: Names = (),
) -> exp.Expr:
    """Resolve and type `tree` and return it; `expressions.type_of` tells its type.

    Column names are written as declared, and every node's type is stored in its `meta`.
    `inside` says how its subqueries are checked, and `outer` are the relations of the outer query.
    Raises ExpressionError with every mistake found; offsets refer to `text`. `wanted` is used only in messages.
    """
    checker = Checker(names, text, RULES, is_written=bool(text), wanted=wanted, inside=inside, outer=outer)
    holder = exp.Paren(this=tree)
    checker.visit(holder.this)
    if checker.problems:
        raise ExpressionError(tuple(checker.problems))
    problem = too_large(holder.this, text) if text else None
    if problem:
        raise ExpressionError((problem,))
    typed = holder.this.pop()
    assert isinstance(typed, exp.Expr)
    return typed


def has_aggregate(tree: exp.Expr) -> bool:
    """Whether `tree` calls an aggregate outside a window."""
    if isinstance(tree, exp.Window):
        return any(has_aggregate(child) for child in window_parts(tree))
    function = FUNCTIONS.get(tree.name.lower()) if isinstance(tree, exp.Anonymous) else None
    if function and function.kind == "aggregate":
        return True
    return any(has_aggregate(child) for child in own_parts(tree))


def has_window(tree: exp.Expr) -> bool:
    """Whether `tree` contains a window function."""
    return any(isinstance(node, exp.Window) for node in own_nodes(tree))


def window_parts(tree: exp.Window) -> list[exp.Expr]:
    """The parts of a window without its function."""
    function = tree.this.this if isinstance(tree.this, (exp.Filter, exp.IgnoreNulls)) else tree.this
    inside = list(function.expressions) if isinstance(function, exp.Anonymous) else [function]
    inside += [tree.this.expression] if isinstance(tree.this, exp.Filter) else []
    order = tree.args.get("order")
    return [*inside, *tree.args.get("partition_by", ()), *(order.expressions if order else ())]
