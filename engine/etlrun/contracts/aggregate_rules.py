"""Rules of aggregate expressions: which columns are outside of aggregates, and aggregates over some of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from etlrun.language.typed import has_aggregate
from etlrun.spec.scope import Scope


def require_aggregate(tree: exp.Expr | None, by: Sequence[str], at: tuple[str, ...], scope: Scope) -> None:
    """Report an expression without an aggregate, or with a column that is neither aggregated nor in `by`."""
    loose = next(_outside_aggregates(tree), None) if tree is not None else None
    if loose is not None and loose.name.lower() not in {name.lower() for name in by}:
        message = f"`{loose.name}` is neither grouped nor aggregated"
        scope.error(at, "not-grouped", message, "aggregate it, e.g. with `max`, or add it to `by`")
    elif tree is not None and loose is None and not has_aggregate(tree):
        fix = "use `sum`, `count`, `max`, ... or a `derive` step"
        scope.error(at, "not-grouped", "an aggregate is expected here", fix)


def only_where(value: exp.Expr, condition: exp.Expr) -> exp.Expr:
    """Limit every aggregate in `value` to the rows that fulfil a condition."""
    holder = exp.Paren(this=value)
    for node in list(holder.walk()):
        if not _is_innermost(node):
            continue
        call, wanted = node, condition.copy()
        if isinstance(node.parent, exp.Filter):  # has a condition of its own
            call = node.parent
            wanted = exp.and_(call.expression.this, wanted, wrap=True)
        call.replace(exp.Filter(this=node.copy(), expression=exp.Where(this=wanted)))
    inside = holder.this
    assert isinstance(inside, exp.Expr)
    return inside.pop()


def _outside_aggregates(tree: exp.Expr) -> Iterator[exp.Column]:
    """The columns outside of aggregates."""
    if isinstance(tree, exp.Column):
        yield tree
    elif isinstance(tree, exp.Filter) and has_aggregate(tree.this):  # its condition may read any column
        yield from _outside_aggregates(tree.this)
    elif not _is_innermost(tree):
        for child in tree.iter_expressions():
            yield from _outside_aggregates(child)


def _is_innermost(node: exp.Expr) -> bool:
    """Whether the node is a call of an aggregate without another one inside it."""
    return (
        isinstance(node, exp.Anonymous)
        and has_aggregate(node)
        and not any(has_aggregate(child) for child in node.expressions)
    )
