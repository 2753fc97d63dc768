"""The condition of a share: comparisons of columns with constants, which mean the same in SQL, on the page and in Power BI.

The three forms must agree, so a condition is read by the checker of pipelines and then limited to a closed list of nodes. Texts cannot be
ordered here, because each engine sorts them differently.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from etlrun.dashboards.names import Names
from etlrun.language.dialects import duckdb_sql
from etlrun.language.expressions import ExpressionError, bind, parse, type_of
from etlrun.language.typed import check_expression
from etlrun.spec.located import Keys

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_COMPUTE = "add a column for it to the pipeline, and compare that column"


@dataclass(frozen=True)
class Condition:
    """A condition with the types of its columns."""

    tree: exp.Expr

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it compares."""
        return tuple(dict.fromkeys(node.name for node in self.tree.find_all(exp.Column)))

    @property
    def sql(self) -> str:
        """The condition in DuckDB's SQL, with texts compared as labels are: without case, and without blanks at their end."""
        return duckdb_sql(_folded(self.tree))

    @property
    def ansi_sql(self) -> str:
        """The condition in ANSI SQL, compared in the same way."""
        return _folded(self.tree).sql(identify=True)


ALWAYS = Condition(exp.true())


def read_condition(names: Names, text: str, where: Keys) -> Condition:
    """Read a condition from text; its mistakes are collected."""
    try:
        tree = check_expression(bind(parse(text), names.checked.pipeline.values, text), (("", names.columns),), text)
    except ExpressionError as error:
        names.complain_inside(where, error)
        return ALWAYS
    if type_of(tree).name != "boolean":
        names.complain(where, "type-mismatch", f"a condition is expected here, but this is {type_of(tree)}")
    elif not _is_closed(tree):
        message = "in a dashboard, columns can be compared only with constants"
        names.complain(where, "expression-not-allowed", message, _COMPUTE)
    elif any(map(_orders_text, tree.walk())):
        message = "in a dashboard, texts cannot be compared by order, because it differs between SQL and Power BI"
        names.complain(where, "expression-not-allowed", message, _COMPUTE)
    return Condition(tree)


def _is_closed(node: exp.Expr) -> bool:
    """Whether every form of a condition can be written from it: comparisons of values, joined by `and`, `or` and `not`."""
    if isinstance(node, (exp.Paren, exp.Not)):
        return _is_closed(node.this)
    if isinstance(node, exp.Connector):
        return _is_closed(node.left) and _is_closed(node.right)
    if isinstance(node, exp.Is):
        return isinstance(node.this, exp.Column) if isinstance(node.expression, exp.Null) else _is_closed(node.this)
    if isinstance(node, exp.In):
        return all(map(_is_value, (node.this, *node.expressions)))
    if isinstance(node, _COMPARISONS):
        return _is_value(node.left) and _is_value(node.right)
    return isinstance(node, (exp.Column, exp.Boolean, exp.Null))


def _is_value(node: exp.Expr) -> bool:
    """Whether it is a column or a constant."""
    if isinstance(node, exp.Neg):
        return isinstance(node.this, exp.Literal)
    is_date = isinstance(node, exp.Cast) and type_of(node).name == "date"
    return (
        isinstance(node.this, exp.Literal)
        if is_date
        else isinstance(node, (exp.Column, exp.Literal, exp.Boolean, exp.Null))
    )


def _orders_text(node: exp.Expr) -> bool:
    return isinstance(node, (exp.LT, exp.LTE, exp.GT, exp.GTE)) and any(map(is_text, (node.left, node.right)))


def is_text(node: exp.Expr) -> bool:
    """Whether a column or a constant is text."""
    return (
        node.is_string
        if isinstance(node, exp.Literal)
        else isinstance(node, exp.Column) and type_of(node).name == "string"
    )


def _folded(tree: exp.Expr) -> exp.Expr:
    holder = exp.Paren(this=tree.copy())
    for node in list(holder.find_all(exp.Column, exp.Literal)):
        if is_text(node) and not isinstance(node.parent, exp.Cast):
            node.replace(exp.Lower(this=exp.Anonymous(this="rtrim", expressions=[node.copy()])))
    found = holder.this
    assert isinstance(found, exp.Expr)
    return found
