"""The condition of `replace_where` in PostgreSQL's SQL, with the meaning that it has in the plan; anything else is refused.

The grammar is closed: comparisons of columns with columns or constants of one kind, `in`, `between`, `is`, `year`, `month` and `day`,
joined by `and`, `or` and `not`. Nothing is converted between kinds, and texts are put in order by their bytes.
"""

from __future__ import annotations

from itertools import product

from sqlglot import exp

from etlrun.failures import RunFailure
from etlrun.language.columns import BOOLEAN, DATE, DOUBLE, STRING, TIMESTAMP
from etlrun.language.expressions import type_of

_COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ)
_JOINED = (exp.And, exp.Or, exp.Not, exp.Paren)
_PARTS_OF_DATES = ("year", "month", "day")


def postgres_condition(node: exp.Expr) -> str:
    """A checked condition in the server's SQL. Raises RunFailure for one that the server might evaluate in another way."""
    _check(node)
    return node.copy().transform(_lower).sql(dialect="postgres", identify=True)


def _check(node: exp.Expr) -> None:
    sides: tuple[exp.Expr, ...] = ()
    if isinstance(node, _JOINED):
        for part in node.iter_expressions():
            _check(part)
    elif isinstance(node, _COMPARED):
        sides = (node.this, node.expression)
    elif isinstance(node, exp.Between):
        sides = (node.this, node.args["low"], node.args["high"])
    elif isinstance(node, exp.In) and node.expressions:
        sides = (node.this, *node.expressions)
    elif isinstance(node, exp.Is) and isinstance(node.expression, (exp.Null, exp.Boolean)):
        sides = (node.this,)
    elif not (isinstance(node, (exp.Column, exp.Boolean)) and type_of(node) == BOOLEAN):
        raise _refused(node)
    for side in sides:
        if not _is_value(side.unnest()):
            raise _refused(node)
    if not all(_are_alike(one.unnest(), other.unnest()) for one, other in product(sides[:1], sides[1:])):
        raise _refused(node)


def _is_value(node: exp.Expr) -> bool:
    """Whether a side of a comparison is a column, a part of a date or a constant."""
    if isinstance(node, exp.Anonymous):
        is_part = str(node.this).lower() in _PARTS_OF_DATES and len(node.expressions) == 1
        return is_part and isinstance(node.expressions[0], exp.Column)
    if isinstance(node, (exp.Neg, exp.Cast)):
        return isinstance(node.this, exp.Literal)
    if isinstance(node, exp.Literal):
        return "\0" not in node.this  # which no statement can hold
    return isinstance(node, (exp.Column, exp.Boolean))


def _are_alike(one: exp.Expr, other: exp.Expr) -> bool:
    types = (type_of(one), type_of(other))
    if types[0] == types[1]:
        return types[0].name in ("string", "boolean", "date", "timestamp", "double", "decimal") or types[0].is_integer
    if all(kind in (DATE, TIMESTAMP) for kind in types):
        return True
    if all(kind.is_integer or kind.name == "decimal" for kind in types):
        return True
    return DOUBLE in types and any(not isinstance(side, (exp.Column, exp.Anonymous)) for side in (one, other))


def _lower(node: exp.Expr) -> exp.Expr:
    if isinstance(node, exp.Column) and type_of(node) == STRING and not isinstance(node.parent, exp.Collate):
        return exp.Collate(this=node.copy(), expression=exp.to_identifier("C", quoted=True))
    if isinstance(node, exp.Anonymous):
        part = exp.Extract(this=exp.Var(this=str(node.this).upper()), expression=node.expressions[0])
        return exp.cast(part, "int")
    return node


def _refused(node: exp.Expr) -> RunFailure:
    return RunFailure(
        "sink",
        "condition",
        f"PostgreSQL might not evaluate `{node.sql(dialect='spark')}` as the pipeline does",
        "in `replace_where` compare columns with constants of the same type; compute anything else into a column first",
    )
