"""Casts both sides of UNION, EXCEPT and INTERSECT to the same types, because engines would choose different ones."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import Columns
from etlrun.language.expressions import TYPE, cast, column

JUDGED = "etlrun.judged"  # the key in a query's `meta` that marks its columns as checked


def widen_side(side: exp.Expr, columns: Columns, wanted: Columns) -> None:
    """Cast one side of a set operation, so that both have the same types on every engine."""
    if all(item.type == other.type for item, other in zip(columns, wanted, strict=True)):
        return
    items = []
    for item, other in zip(columns, wanted, strict=True):
        tree: exp.Expr = column(item.name)
        tree.meta[TYPE] = item.type
        if item.type != other.type:
            tree = cast(tree, other.type)
            tree.meta[TYPE] = other.type
        items.append(exp.alias_(tree, exp.to_identifier(item.name, quoted=True)))
    marker = exp.Placeholder()
    side.replace(marker)
    inside = side.this.pop() if isinstance(side, exp.Subquery) else side
    alias = exp.TableAlias(this=exp.to_identifier("side", quoted=True))
    subquery = exp.Subquery(this=inside, alias=alias)
    subquery.meta[JUDGED] = True
    marker.replace(exp.select(*items).from_(subquery))
