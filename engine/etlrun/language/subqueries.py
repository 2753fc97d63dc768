"""Checks subqueries in the expressions of a query: `in (select ...)`, `exists (select ...)` and `(select ...)` as a value.

A scalar subquery must return at most one row by its form: an aggregate without GROUP BY, or LIMIT 1. A correlated subquery reads columns of
the outer query only in its own WHERE; a correlated scalar subquery compares them with `=`.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from etlrun.language.checking import OUTER, Checker, Rule, own_nodes, own_parts
from etlrun.language.columns import BOOLEAN, NULL, Columns, Type
from etlrun.language.expressions import TYPE, cast
from etlrun.language.functions import FUNCTIONS, common_type
from etlrun.language.unions import widen_side

_GROUPS = ("group", "having", "distinct", "limit")


def visit_exists(checker: Checker, node: exp.Expr) -> Type:
    columns = _columns_of(checker, node, node.this, is_condition=True)
    if len(columns):
        _check_correlated(checker, node.this)
    return BOOLEAN


def visit_value(checker: Checker, node: exp.Expr) -> Type:
    """Check a scalar subquery."""
    columns = _columns_of(checker, node, node, is_condition=False)
    if not len(columns):
        return NULL
    if _is_alone(checker, node, columns) and columns.unique != ():
        fix = "aggregate without GROUP BY, e.g. `select max(x) from t`, or use `in (select ...)`"
        checker.complain(node, "not-grouped", "this subquery is used as a value, but may return several rows", fix)
    _check_correlated(checker, node, is_value=True)
    return columns.items[0].type


def visit_in_query(checker: Checker, node: exp.Expr) -> Type:
    """`x in (select y from t)`: both sides get one type, so that every engine compares alike."""
    query = node.args["query"]
    if not _asks_only_whether_true(node):
        message = (
            "`in (select ...)` can be combined with other conditions only by `and`, `or` and a `not` directly before it"
        )
        fix = "use it alone, or use `exists`, which is never null"
        checker.complain(node, "not-allowed-here", message, fix)
    left = checker.visit(node.this)
    columns = _columns_of(checker, node, query, is_condition=True)
    query.meta[TYPE] = NULL
    if not len(columns) or not _is_alone(checker, query, columns):
        return BOOLEAN
    right = columns.items[0]
    shared = common_type((left, right.type))
    if shared is None:
        checker.complain(
            node,
            "type-mismatch",
            f"{left} and {right.type} cannot be compared",
            f"cast the column of the subquery: `cast({columns.names[0]} as {left})`",
        )
    elif not shared.is_orderable:
        message = f"{shared} cannot be sorted or compared here"
        checker.complain(node, "type-mismatch", message, "compare its elements or fields")
    else:
        _widen(node, left, columns, shared)
    _check_correlated(checker, query)
    return BOOLEAN


def _asks_only_whether_true(node: exp.Expr) -> bool:
    """Whether false and null have the same effect in this place: elsewhere Spark returns false where null is correct."""
    at, is_negated = node.parent, False
    while isinstance(at, (exp.Paren, exp.Not, exp.And, exp.Or)):
        if isinstance(at, exp.Not) and (is_negated or not isinstance(at.this.unnest(), exp.In)):
            return False
        is_negated = is_negated or isinstance(at, exp.Not)
        at = at.parent
    return at is None or isinstance(at, (exp.Where, exp.Having))


def _widen(node: exp.Expr, left: Type, columns: Columns, shared: Type) -> None:
    if left not in (shared, NULL):
        wider = cast(node.this.copy(), shared)
        wider.meta[TYPE] = shared
        node.this.replace(wider)
    query, right = node.args["query"].this, columns.items[0]
    if right.type == shared:
        return
    if isinstance(query, exp.Select) and not query.args.get("distinct"):
        item = query.expressions[0]
        inner = item.this if isinstance(item, exp.Alias) else item
        wider = cast(inner.copy(), shared)
        wider.meta[TYPE] = shared
        item.replace(exp.alias_(wider, exp.to_identifier(right.name, quoted=True)))
    else:
        widen_side(query, columns, columns.with_column(type(right)(right.name, shared)))


def _columns_of(checker: Checker, node: exp.Expr, query: exp.Expr, *, is_condition: bool) -> Columns:
    """The columns of a subquery; empty, with a mistake, if a subquery is not allowed here."""
    inside = checker.inside
    if inside is None:
        fix = "join the rows of the subquery first"
        checker.complain(node, "expression-not-allowed", "a subquery is not allowed here", fix)
    elif checker.in_aggregate or checker.in_window or checker.in_over:
        fix = "join its rows first"
        checker.complain(node, "not-allowed-here", "a subquery is not allowed in an aggregate or window", fix)
    elif is_condition and not inside.is_condition:
        fix = "move it into WHERE, or join the rows and test for null"
        checker.complain(
            node, "not-allowed-here", "`in (select ...)` and `exists` are conditions of WHERE and HAVING", fix
        )
    else:
        return inside.columns_of(query)
    return Columns(())


def _is_alone(checker: Checker, query: exp.Expr, columns: Columns) -> bool:
    if len(columns) == 1:
        return True
    message = f"this subquery has {len(columns)} columns, but one is expected"
    checker.complain(query, "type-mismatch", message, "name one column in its SELECT")
    return False


def _check_correlated(checker: Checker, query: exp.Expr, *, is_value: bool = False) -> None:
    """Report a subquery that reads the outer query in a way that engines treat differently."""
    while isinstance(query, exp.Subquery):
        query = query.this
    where = query.args.get("where")
    if not isinstance(query, exp.Select) or where is None or not any(_outer(where.this)):
        return
    if checker.inside is not None and checker.inside.is_grouped:
        message = "beside groups, a subquery cannot read columns of the outer query"
        checker.complain(
            query,
            "expression-not-allowed",
            message,
            "group in a WITH part, and read that in a query with this subquery",
        )
        return
    is_folded = not is_value and any(_folds(item) for item in query.expressions)
    if is_folded or any(query.args.get(name) for name in _GROUPS):
        what = (
            "GROUP BY, HAVING, DISTINCT or LIMIT"
            if is_value
            else "aggregate, window, GROUP BY, HAVING, DISTINCT or LIMIT"
        )
        message = f"a subquery that reads columns of the outer query cannot have {what} here"
        fix = "put the groups into a WITH part and join it"
        checker.complain(query, "expression-not-allowed", message, fix)
    parts = where.this.flatten(unnest=True) if isinstance(where.this, exp.And) else (where.this,)
    for part in parts if is_value else ():
        if any(_outer(part)) and not _equates(part):
            message = "in a subquery that is used as a value, columns of the outer query can be compared only with `=`"
            fix = "write `inner column = outer column`, one such condition after another with `and`"
            checker.complain(part, "expression-not-allowed", message, fix)


def _equates(part: exp.Expr) -> bool:
    """Whether a condition compares a column of the outer query with an expression of the subquery by `=`."""
    if not isinstance(part, exp.EQ):
        return False
    one, other = part.this.unnest(), part.expression.unnest()
    return _is_outer_beside(one, other) or _is_outer_beside(other, one)


def _is_outer_beside(one: exp.Expr, other: exp.Expr) -> bool:
    is_outer = isinstance(one, exp.Column) and bool(one.meta.get(OUTER))
    return is_outer and other.find(exp.Column) is not None and not any(_outer(other))


def _folds(tree: exp.Expr) -> bool:
    functions = (FUNCTIONS.get(node.name.lower()) for node in own_nodes(tree) if isinstance(node, exp.Anonymous))
    return any(function is not None and function.kind != "scalar" for function in functions)


def _outer(tree: exp.Expr) -> Iterator[bool]:
    """True for every column of the outer query that a condition reads, without those in deeper subqueries."""
    if isinstance(tree, exp.Column) and tree.meta.get(OUTER):
        yield True
    for part in own_parts(tree):
        yield from _outer(part)


SUBQUERIES: dict[type[exp.Expr], Rule] = {exp.Subquery: visit_value, exp.Exists: visit_exists}
