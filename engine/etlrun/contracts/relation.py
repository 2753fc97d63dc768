"""The input of a kind: a relation with its name and columns, and the SQL trees that read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlglot import exp

from etlrun.language.columns import Columns
from etlrun.language.expressions import column
from etlrun.spec.fields import Expr
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Input:
    """The relation a step or check reads: the name to select from, its columns, and the scope of the kind.

    `rows` is a condition: rows for which it is not true are not read.
    """

    name: str
    columns: Columns
    scope: Scope
    rows: exp.Expr | None = None

    def select(self, *expressions: exp.Expr) -> exp.Select:
        """`SELECT expressions FROM input`."""
        from_ = exp.From(this=relation_table(self.name))
        selected = exp.Select(expressions=[unused(tree) for tree in expressions], from_=from_)
        return selected.where(self.rows) if self.rows is not None else selected

    def all(self, *without: str) -> list[exp.Expr]:
        """References to all columns in order, except the given ones."""
        left_out = {name.lower() for name in without}
        return [column(item.name) for item in self.columns if item.name.lower() not in left_out]

    def tree(self, expression: Expr, at: At, *, may: Literal["scalar", "aggregate", "window"] = "scalar") -> exp.Expr:
        """The typed tree of an expression that has been checked."""
        tree = self.scope.tree(self.columns, expression, at, may=may)
        assert tree is not None, f"`{expression}` was lowered without being checked"
        return tree

    def ordering(self, expression: Expr, at: At) -> exp.Ordered:
        """The typed tree of an ordering that has been checked."""
        tree = self.scope.ordering(self.columns, expression, at)
        assert tree is not None, f"`{expression}` was lowered without being checked"
        return tree


def relation_table(name: str, alias: str = "") -> exp.Table:
    """A relation as a table expression for FROM and JOIN."""
    table = exp.Table(this=exp.to_identifier(name, quoted=True))
    if alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    return table


def named(tree: exp.Expr, name: str) -> exp.Expr:
    """`tree AS name`, quoted."""
    return exp.alias_(unused(tree), exp.to_identifier(name, quoted=True), copy=False)


def unused(tree: exp.Expr) -> exp.Expr:
    """The tree itself, or a copy if it is already part of another tree."""
    return tree if tree.parent is None else tree.copy()
