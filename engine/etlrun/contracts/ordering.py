"""Total orders: a result that depends on the first row needs an order without ties."""

from __future__ import annotations

from collections.abc import Iterable

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.language.columns import Columns
from etlrun.language.expressions import call, column
from etlrun.spec.fields import Expr
from etlrun.spec.scope import HIDDEN, Scope

RANK = f"{HIDDEN}rank"


def check_order(order: tuple[Expr, ...], per: Iterable[str], columns: Columns, scope: Scope) -> None:
    """Report every mistake of `order`, and an order in which two different rows of a group could tie.

    The order is total when it and `per` cover the columns known to be unique, or every column (rows that tie are then equal).
    """
    covered = {name.lower() for name in per}
    sound = True
    for index, expression in enumerate(order):
        tree = scope.ordering(columns, expression, ("order", index))
        sound = sound and tree is not None
        if tree is not None and isinstance(tree.this, exp.Column):
            covered.add(tree.this.name.lower())
    missing = [name for name in columns.telling if name.lower() not in covered]
    if sound and missing:
        scope.error(
            "order",
            "no-total-order",
            "rows can tie here, so the result can differ in every run",
            _fix(missing, columns),
        )


def _fix(missing: list[str], columns: Columns) -> str:
    """The fix that makes the order total."""
    unordered = [name for name in missing if (found := columns.get(name)) and not found.type.is_orderable]
    names = ", ".join(f"`{name}`" for name in unordered or missing)
    if not unordered:
        return f"add {names} to `order`"
    has = "has" if len(unordered) == 1 else "have"
    return f"{names} {has} no order: `drop` it first, or create a key with `aggregate`"


def first_rows(relation: Input, per: tuple[str, ...], order: tuple[exp.Ordered, ...], n: int) -> exp.Query:
    """The first `n` rows of each group, without the column of the ranking."""
    rank = exp.Window(
        this=call("row_number"), partition_by=[column(name) for name in per], order=exp.Order(expressions=list(order))
    )
    ranked = relation.select(*relation.all(), named(rank, RANK))
    within = exp.LTE(this=column(RANK), expression=exp.Literal.number(n))
    return exp.select(*relation.all()).from_(ranked.subquery("ranked", copy=False)).where(within)


def first_of_all(relation: Input, order: tuple[exp.Ordered, ...], n: int) -> exp.Query:
    """The first `n` rows of the relation, by a top-n sort. Constants are left out of the order."""
    telling = [item for item in order if item.find(exp.Column) is not None]
    return relation.select(*relation.all()).order_by(*telling, copy=False).limit(n, copy=False)


def ascending(name: str) -> exp.Ordered:
    """A column from the least to the greatest, nulls first as in expressions."""
    return exp.Ordered(this=column(name), desc=False, nulls_first=True)


def over(function: exp.Expr, per: Iterable[str], *order: exp.Ordered) -> exp.Window:
    """A function over the rows of equal `per`, in an order or over all of them."""
    partition = [column(name) for name in per]
    return exp.Window(
        this=function, partition_by=partition, order=exp.Order(expressions=list(order)) if order else None
    )
