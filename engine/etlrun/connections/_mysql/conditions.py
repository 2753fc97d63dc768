"""The condition of `replace_where` in MySQL's words: comparisons of columns with constants, and what joins them."""

from __future__ import annotations

from sqlglot import exp

from etlrun.connections._mysql.words import name, text
from etlrun.failures import RunFailure

_BETWEEN: dict[type[exp.Expr], str] = {
    exp.And: "AND",
    exp.Or: "OR",
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "<=>",
}
_PARTS_OF_DATES = ("year", "month", "day")
_MOMENTS = (exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPTZ, exp.DType.TIMESTAMPNTZ)


def condition_columns(condition: exp.Expr | None) -> tuple[str, ...]:
    """The columns that a condition speaks of, in lower case."""
    return (
        tuple(dict.fromkeys(column.name.lower() for column in condition.find_all(exp.Column)))
        if condition is not None
        else ()
    )


def mysql_condition(node: exp.Expr) -> str:
    """A checked condition as MySQL says it. Raises RunFailure for what it might take another way."""
    if type(node) in _BETWEEN:
        return f"({mysql_condition(node.this)} {_BETWEEN[type(node)]} {mysql_condition(node.expression)})"
    if isinstance(node, exp.NullSafeNEQ):
        return f"(NOT {mysql_condition(node.this)} <=> {mysql_condition(node.expression)})"
    if isinstance(node, exp.Not):
        return f"(NOT {mysql_condition(node.this)})"
    if isinstance(node, exp.Paren):
        return mysql_condition(node.this)
    if isinstance(node, exp.Is):
        return f"({mysql_condition(node.this)} IS {mysql_condition(node.expression)})"
    if isinstance(node, exp.Between):
        return f"({mysql_condition(node.this)} BETWEEN {mysql_condition(node.args['low'])} AND {mysql_condition(node.args['high'])})"
    if isinstance(node, exp.In) and node.expressions:
        return (
            f"({mysql_condition(node.this)} IN ({', '.join(mysql_condition(choice) for choice in node.expressions)}))"
        )
    return _value(node)


def _value(node: exp.Expr) -> str:
    if isinstance(node, exp.Column):
        return name(node.name)
    if isinstance(node, exp.Literal):
        return text(node.this) if node.is_string else str(node.this)
    if isinstance(node, exp.Neg):
        return f"-{_value(node.this)}"
    if isinstance(node, exp.Null):
        return "NULL"
    if isinstance(node, exp.Boolean):
        return "TRUE" if node.this else "FALSE"
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.to.this in _MOMENTS:
        return text(node.this.this)
    if isinstance(node, exp.Anonymous) and node.name.lower() in _PARTS_OF_DATES and len(node.expressions) == 1:
        return f"{node.name.upper()}({_value(node.expressions[0])})"
    raise RunFailure(
        "sink",
        "condition",
        f"MySQL cannot be trusted to take `{node.sql(dialect='spark')}` as it is meant here",
        "compare columns with constants in `replace_where`; compute the rest into a column first",
    )
