"""Checks GROUP BY and HAVING: which columns a grouped SELECT may use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sqlglot import exp

from etlrun.language.checking import Names, own_parts
from etlrun.language.columns import NULL
from etlrun.language.expressions import TYPE
from etlrun.language.functions import FUNCTIONS
from etlrun.language.templates import whole_of
from etlrun.language.typed import has_aggregate, has_window, window_parts

if TYPE_CHECKING:
    from etlrun.language.queries import QueryChecker


def grouping(checker: QueryChecker, query: exp.Select, names: Names) -> tuple[exp.Expr, ...] | None:
    """The keys of the groups; None if the SELECT is not grouped."""
    group, having = query.args.get("group"), query.args.get("having")
    if not is_grouped_query(query):
        return None
    before = len(checker.problems)
    keys = tuple(
        checker.expression(key, names, replace=True)
        for key in (_spelled_out(checker, query, group, names) if group is not None else ())
    )
    for key in keys:
        if has_aggregate(key) or has_window(key):
            message = "GROUP BY accepts only values of single rows"
            checker.complain(key, "not-allowed-here", message, "put it into a subquery first")
        elif key.find(exp.Column) is None:
            fix = f"name the column, write a position from 1 to {len(query.expressions)}, or leave it out"
            checker.complain(key, "expression-not-allowed", "this value of GROUP BY is equal in all rows", fix)
        elif not key.meta.get(TYPE, NULL).is_groupable:
            message = f"{key.meta[TYPE]} cannot be compared for equality on every engine"
            checker.complain(key, "type-mismatch", message, "group by its elements or fields")
    if len(checker.problems) > before:
        return keys
    for item in query.expressions:
        _grouped(checker, inner_of(item), keys, names)
    if having is not None:
        _grouped(checker, having.this, keys, names)
    return keys


def same_among(trees: Iterable[exp.Expr], tree: exp.Expr, names: Names) -> exp.Expr | None:
    """The one of `trees` that means the same as `tree`: with a single relation, a column may be written with or without its name."""
    plain = _without_relation(tree, names)
    return next((one for one in trees if one == tree or _without_relation(one, names) == plain), None)


def _without_relation(tree: exp.Expr, names: Names) -> exp.Expr:
    if len(names) != 1:
        return tree
    ((alias, _),) = names
    if not any(node.table == alias for node in tree.find_all(exp.Column)):
        return tree
    plain = tree.copy()
    for node in plain.find_all(exp.Column):
        if node.table == alias:
            node.set("table", None)
    return plain


def _spelled_out(checker: QueryChecker, query: exp.Select, group: exp.Expr, names: Names) -> list[exp.Expr]:
    """The items of GROUP BY, with aliases of SELECT, and positions in it, replaced by their expressions. ALL is those without aggregates."""
    if group.args.get("all"):
        inner = [inner_of(item) for item in query.expressions]
        keys = [item for item in inner if not has_aggregate(item) and not has_window(item) and item.find(exp.Column)]
        group.set("expressions", [item.copy() for item in keys])
        group.set("all", None)
        if not keys and not any(map(has_aggregate, inner)):
            message = "GROUP BY ALL groups by the columns of SELECT, and there are none"
            checker.complain(query, "expression-not-allowed", message, "leave it out, or add a column or an aggregate")
        elif not keys:
            query.set("group", None)
    for key in list(group.expressions):
        position = whole_of(key) or 0
        if 0 < position <= len(query.expressions):
            key.replace(inner_of(query.expressions[position - 1]).copy())
    replace_aliases(query, group.expressions, names)
    return list(group.expressions)


def replace_aliases(query: exp.Select, nodes: Iterable[exp.Expr], names: Names) -> None:
    """Replace each node that is an alias of SELECT by its expression, in place; a column of the input has priority."""
    given = {item.alias.lower(): item.this for item in query.expressions if isinstance(item, exp.Alias)}
    for node in list(nodes):
        if not isinstance(node, exp.Column) or node.table or any(node.name in columns for _, columns in names):
            continue
        meant = given.get(node.name.lower())
        if meant is not None:
            node.replace(meant.copy())


def _grouped(checker: QueryChecker, node: exp.Expr, keys: tuple[exp.Expr, ...], names: Names) -> None:
    """Report every column that is neither grouped nor inside an aggregate; write grouped expressions as GROUP BY does."""
    if isinstance(node, exp.Literal):
        return
    same = same_among(keys, node, names)
    if same is not None:
        if same != node:
            node.replace(same.copy())
        return
    if isinstance(node, exp.Window):
        for part in list(window_parts(node)):
            _grouped(checker, part, keys, names)
        return
    if isinstance(node, exp.Anonymous) and has_aggregate(node):
        if any(has_aggregate(child) for child in node.expressions):
            for child in list(node.expressions):
                _grouped(checker, child, keys, names)
        return
    if isinstance(node, exp.Anonymous) and node.name.lower() not in FUNCTIONS:
        return  # reported already: it may be the aggregate of another database
    if isinstance(node, exp.Filter) and has_aggregate(node.this):
        return
    if isinstance(node, exp.Column):
        shown = f"{node.table}.{node.name}" if len(names) > 1 and node.table else node.name
        checker.complain(node, "not-grouped", f"`{shown}` is neither grouped nor aggregated", "add it to GROUP BY")
        return
    for child in list(own_parts(node)):
        _grouped(checker, child, keys, names)


def is_grouped_query(query: exp.Select) -> bool:
    """Whether a SELECT returns one row per group, or one for all its rows."""
    clauses = query.args.get("group"), query.args.get("having")
    return any(clauses) or any(has_aggregate(item) for item in query.expressions)


def inner_of(item: exp.Expr) -> exp.Expr:
    """The expression of a column in a SELECT list, without its alias."""
    inner = item.this if isinstance(item, exp.Alias) else item
    assert isinstance(inner, exp.Expr)
    return inner
