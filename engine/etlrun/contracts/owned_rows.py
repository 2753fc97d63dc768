"""`replace_where`: the condition for the rows of a table that a run replaces, for all sinks that have it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from etlrun.language.expressions import ExpressionError, parse
from etlrun.spec.fields import Described, Expr, key


@dataclass(frozen=True)
class ReplaceWhere(Described):
    """The part of a table that a run replaces."""

    replace_where: Expr = key(
        "a condition on the columns: rows of the table that fulfil it are replaced, and all new rows must fulfil it",
        example="month = $month",
    )

    @property
    def spelled(self) -> str:
        """The condition in normal form, so that equal conditions are equal texts."""
        return _one_spelling(self.replace_where)


def _one_spelling(condition: str) -> str:
    """A condition in normal form: without differences in spaces and letter case. Unchanged if it is not valid; `verify` reports that."""
    try:
        tree = parse(condition)
    except ExpressionError:
        return condition
    for found in tree.find_all(exp.Identifier):
        found.set("this", found.name.lower())
    return tree.sql(dialect="spark")
