"""The condition of `replace_where` in the server's SQL, with the meaning that it has in the plan; anything else is refused.

The grammar is closed: comparisons of columns with columns or constants of one kind (text, whole and decimal numbers, `double`,
booleans, dates and timestamps), `in`, `between`, `is`, `year`, `month` and `day`, joined by `and`, `or` and `not`. Nothing is
converted between kinds. Texts are compared byte by byte, as engines do: to a collation `abc` and `abc ` may be equal. Beside that
stands what an index answers, which is true of at least the same rows.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal

from sqlglot import exp

from etlrun.connections._mysql.words import name, text
from etlrun.failures import RunFailure
from etlrun.language.columns import BOOLEAN, DATE, DOUBLE, NULL, STRING, TIMESTAMP
from etlrun.language.expressions import TYPE, type_of

_SIGNS: dict[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
    exp.NullSafeEQ: "<=>",
}
_MIRRORED = {"=": "=", "<>": "<>", "<=>": "<=>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_JOINED: dict[type[exp.Expr], str] = {exp.And: "AND", exp.Or: "OR"}
_PARTS_OF_DATES = ("year", "month", "day")
_EXACT_DIGITS = 15  # of a decimal that every engine makes the same double of
_MOST_DIGITS = 38


def mysql_condition(node: exp.Expr) -> str:
    """A checked condition in the server's SQL. Raises RunFailure for one that the server might evaluate in another way."""
    lower = _CONDITIONS.get(type(node))
    if lower is None or type_of(node) != BOOLEAN:
        raise _refused(node)
    return lower(node)


def _joined(node: exp.Expr) -> str:
    _only(node, "this", "expression")
    word = f" {_JOINED[type(node)]} "
    return f"({word.join(mysql_condition(part) for part in node.flatten(unnest=False))})"


def _negated(node: exp.Expr) -> str:
    _only(node, "this")
    return f"(NOT {mysql_condition(node.this)})"


def _in_parentheses(node: exp.Expr) -> str:
    _only(node, "this")
    return mysql_condition(node.this)


def _boolean_column(node: exp.Expr) -> str:
    return f"({_column(node)} <> 0)"


def _boolean(node: exp.Expr) -> str:
    _only(node, "this")
    return "TRUE" if node.this else "FALSE"


def _is(node: exp.Expr) -> str:
    _only(node, "this", "expression")
    if isinstance(node.expression, exp.Boolean):
        return f"({mysql_condition(node.this)} IS {_boolean(node.expression)})"
    if not isinstance(node.expression, exp.Null):
        raise _refused(node)
    tested = node.this.unnest()
    # `IS NULL` also finds the date 0000-00-00 of a column that has no nulls
    return f"({name(tested.name) if isinstance(tested, exp.Column) else mysql_condition(tested)} <=> NULL)"


def _between(node: exp.Expr) -> str:
    _only(node, "this", "low", "high")
    low = _compared(">=", node.this, node.args["low"], node)
    return f"({low} AND {_compared('<=', node.this, node.args['high'], node)})"


def _in(node: exp.Expr) -> str:
    _only(node, "this", "expressions")
    if not node.expressions:
        raise _refused(node)
    if not (_is_text(node.this) and all(_literal(choice) is not None for choice in node.expressions)):
        return f"({' OR '.join(_compared('=', node.this, choice, node) for choice in node.expressions)})"
    column, choices = _column(node.this), [text(_literal(choice) or "") for choice in node.expressions]
    exact = ", ".join(_bytes(choice) for choice in choices)
    return f"({column} IN ({', '.join(choices)}) AND {_bytes(column)} IN ({exact}))"


def _comparison(node: exp.Expr) -> str:
    _only(node, "this", "expression")
    return _compared(_SIGNS[type(node)], node.this, node.expression, node)


def _differs(node: exp.Expr) -> str:
    _only(node, "this", "expression")
    return f"(NOT {_compared('<=>', node.this, node.expression, node)})"


_CONDITIONS: dict[type[exp.Expr], Callable[[exp.Expr], str]] = {
    **dict.fromkeys(_JOINED, _joined),
    **dict.fromkeys(_SIGNS, _comparison),
    exp.NullSafeNEQ: _differs,
    exp.Not: _negated,
    exp.Paren: _in_parentheses,
    exp.Column: _boolean_column,
    exp.Boolean: _boolean,
    exp.Is: _is,
    exp.Between: _between,
    exp.In: _in,
}


def _compared(sign: str, left: exp.Expr, right: exp.Expr, node: exp.Expr) -> str:
    """A comparison of two values of one kind."""
    left, right = left.unnest(), right.unnest()
    types = (type_of(left), type_of(right))
    if types == (STRING, STRING):
        return _compared_texts(sign, left, right)
    if types == (BOOLEAN, BOOLEAN):
        return f"({mysql_condition(left)} {sign} {mysql_condition(right)})"
    if all(kind in (DATE, TIMESTAMP) for kind in types):
        write = _date if types == (DATE, DATE) else _timestamp
    elif all(kind.is_integer or kind.name == "decimal" for kind in types):
        write = _exact
    elif DOUBLE in types and all(_may_be_double(side) for side in (left, right)):
        write = _double
    else:
        raise _refused(node)
    return f"({write(left)} {sign} {write(right)})"


def _compared_texts(sign: str, left: exp.Expr, right: exp.Expr) -> str:
    if _literal(left) is not None:
        left, right, sign = right, left, _MIRRORED[sign]
    column, value = _column(left), _literal(right)
    exact = f"{_bytes(column)} {sign} {_bytes(_column(right) if value is None else text(value))}"
    indexed = _indexed(column, sign, value) if value is not None else ""
    return f"({indexed} AND {exact})" if indexed else f"({exact})"


def _indexed(column: str, sign: str, value: str) -> str:
    """What an index on `column` answers, of which the rows that fulfil `sign value` byte by byte are a part; nothing where there is nothing.

    To a collation a text ends in spaces without end, so a character below the space may come before the end of a text.
    """
    if sign in ("=", "<=>"):
        return f"{column} {sign} {text(value)}"
    if sign in ("<", "<=") and all(character >= " " for character in value):
        return f"{column} <= {text(value)}"
    if sign in (">", ">=") and value and "!" <= value[-1] < "\ud800":
        return f"{column} >= {text(value[:-1] + chr(ord(value[-1]) - 1))}"
    return ""


def _bytes(value: str) -> str:
    return f"CAST({value} AS BINARY)"


def _date(node: exp.Expr) -> str:
    if isinstance(node, exp.Column):
        return _column(node)
    return f"DATE{text(_moment(node).date().isoformat())}"


def _timestamp(node: exp.Expr) -> str:
    if isinstance(node, exp.Column):
        return f"CAST({_column(node)} AS DATETIME(6))" if type_of(node) == DATE else _column(node)
    return f"TIMESTAMP{text(_moment(node).isoformat(' ', 'microseconds'))}"


def _moment(node: exp.Expr) -> datetime.datetime:
    """A constant date or timestamp as it is written in full."""
    written = _cast_text(node)
    kind = type_of(node)
    shape = r"\d{4}-\d\d-\d\d" + ("" if kind == DATE else r"([ T]\d\d:\d\d:\d\d(\.\d{1,6})?)?")
    if not re.fullmatch(shape, written, re.ASCII):
        raise _refused(node)
    try:
        return datetime.datetime.fromisoformat(written)
    except ValueError:
        raise _refused(node) from None


def _exact(node: exp.Expr) -> str:
    """A whole or decimal number, which the server compares digit by digit."""
    if isinstance(node, exp.Column):
        return _column(node)
    if isinstance(node, exp.Anonymous):
        return _part_of_date(node)
    return f"{_number(node):f}"


def _may_be_double(node: exp.Expr) -> bool:
    return type_of(node) == DOUBLE or not isinstance(node, (exp.Column, exp.Anonymous))


def _double(node: exp.Expr) -> str:
    if isinstance(node, exp.Column):
        return _column(node)
    number = _number(node)
    digits = len(str(abs(int(number.scaleb(-min(0, int(number.as_tuple().exponent)))))))
    if type_of(node) != DOUBLE and digits > _EXACT_DIGITS:
        raise _refused(node)
    value = float(number)
    if value in (float("inf"), float("-inf")):
        raise _refused(node)
    written = repr(value)
    return written if "e" in written else f"{written}e0"


def _number(node: exp.Expr) -> Decimal:
    """A constant number, with its sign, or in a text that is cast."""
    if isinstance(node, exp.Neg):
        _only(node, "this")
        return -_number(node.this)
    if isinstance(node, exp.Literal) and not node.is_string:
        return Decimal(node.this)
    written, kind = _cast_text(node), type_of(node)
    if kind.name == "decimal":
        match = re.fullmatch(r"-?(\d+)(?:\.(\d+))?", written, re.ASCII)
        whole, fraction = (len(match[1].lstrip("0")), len(match[2] or "")) if match else (_MOST_DIGITS + 1, 0)
        if whole <= kind.precision - kind.scale and fraction <= kind.scale:
            return Decimal(written)
    raise _refused(node)


def _part_of_date(node: exp.Expr) -> str:
    _only(node, "this", "expressions")
    word = str(node.this).lower()
    if word not in _PARTS_OF_DATES or len(node.expressions) != 1:
        raise _refused(node)
    if type_of(node.expressions[0]) not in (DATE, TIMESTAMP):
        raise _refused(node)
    return f"{word.upper()}({_column(node.expressions[0])})"


def _cast_text(node: exp.Expr) -> str:
    """The literal text of a cast."""
    if type(node) is not exp.Cast or _literal(node.this) is None:
        raise _refused(node)
    _only(node, "this", "to")
    return _literal(node.this) or ""


def _literal(node: exp.Expr) -> str | None:
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and type_of(node) == STRING


def _column(node: exp.Expr) -> str:
    if not isinstance(node, exp.Column):
        raise _refused(node)
    return name(node.name)


def _only(node: exp.Expr, *arguments: str) -> None:
    """Raises RunFailure where a node says more than is understood here."""
    if any(value for key, value in node.args.items() if key not in arguments):
        raise _refused(node)


def _refused(node: exp.Expr) -> RunFailure:
    kinds = " or ".join(dict.fromkeys(_kind(child) for child in node.iter_expressions())) or _kind(node)
    return RunFailure(
        "sink",
        "condition",
        f"the server might not evaluate `{node.sql(dialect='spark')}` ({kinds}) as the pipeline does",
        "in `replace_where` compare columns with constants of the same type; compute anything else into a column first",
    )


def _kind(node: exp.Expr) -> str:
    return str(node.meta.get(TYPE, NULL))
