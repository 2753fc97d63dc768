"""The condition of `replace_where` in the SQL of a server, with the same meaning as in the plan; other conditions are rejected.

The grammar is closed: comparisons of columns with columns or constants of one kind (text, whole and decimal numbers, `double`,
booleans, dates and timestamps), `in`, `between`, `is`, `year`, `month` and `day`, joined by `and`, `or` and `not`. Nothing is
converted between kinds. Texts are compared byte by byte, as engines do.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from sqlglot import exp

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


@dataclass(frozen=True)
class ConditionWords:
    """How a server writes the parts of a condition; `{}` is replaced by the operand."""

    name: Callable[[str], str]
    text: Callable[[str], str]
    boolean: str  # whether a column holds true
    same: str  # the sign that takes two nulls for equal
    is_null: str
    by_bytes: str  # a text as it is compared byte by byte
    as_timestamp: str  # a date as a timestamp
    part_of_date: str  # YEAR, MONTH or DAY; of what
    unstorable: str = ""  # characters that no text of the server holds
    indexed: Callable[[str, str, str], str] | None = (
        None  # what an index answers about a column, a sign and a text, where it cannot do that by bytes
    )


@dataclass(frozen=True)
class ConditionWriter:
    """Writes checked conditions."""

    words: ConditionWords

    def write(self, node: exp.Expr) -> str:
        """A checked condition in the server's SQL. Raises RunFailure for one that the server might evaluate in another way."""
        lower = _CONDITIONS.get(type(node))
        if lower is None or type_of(node) != BOOLEAN:
            raise refused(node)
        return lower(self, node)

    def _joined(self, node: exp.Expr) -> str:
        only(node, "this", "expression")
        word = f" {_JOINED[type(node)]} "
        return f"({word.join(self.write(part) for part in node.flatten(unnest=False))})"

    def _negated(self, node: exp.Expr) -> str:
        only(node, "this")
        return f"(NOT {self.write(node.this)})"

    def _in_parentheses(self, node: exp.Expr) -> str:
        only(node, "this")
        return self.write(node.this)

    def _boolean_column(self, node: exp.Expr) -> str:
        return self.words.boolean.format(self.column(node))

    def _is(self, node: exp.Expr) -> str:
        only(node, "this", "expression")
        if isinstance(node.expression, exp.Boolean):
            return f"({self.write(node.this)} IS {_boolean(node.expression)})"
        if not isinstance(node.expression, exp.Null):
            raise refused(node)
        tested = node.this.unnest()
        value = self.column(tested) if isinstance(tested, exp.Column) else self.write(tested)
        return f"({value} {self.words.is_null})"

    def _between(self, node: exp.Expr) -> str:
        only(node, "this", "low", "high")
        low = self._compared(">=", node.this, node.args["low"], node)
        return f"({low} AND {self._compared('<=', node.this, node.args['high'], node)})"

    def _in(self, node: exp.Expr) -> str:
        only(node, "this", "expressions")
        if not node.expressions:
            raise refused(node)
        if not (_is_text(node.this) and all(_literal(choice) is not None for choice in node.expressions)):
            return f"({' OR '.join(self._compared('=', node.this, choice, node) for choice in node.expressions)})"
        column, choices = self.column(node.this), [self.text(_literal(choice) or "") for choice in node.expressions]
        exact = f"{self._bytes(column)} IN ({', '.join(map(self._bytes, choices))})"
        return f"({column} IN ({', '.join(choices)}) AND {exact})" if self.words.indexed else f"({exact})"

    def _comparison(self, node: exp.Expr) -> str:
        only(node, "this", "expression")
        return self._compared(_SIGNS[type(node)], node.this, node.expression, node)

    def _differs(self, node: exp.Expr) -> str:
        only(node, "this", "expression")
        return f"(NOT {self._compared('<=>', node.this, node.expression, node)})"

    def _compared(self, sign: str, left: exp.Expr, right: exp.Expr, node: exp.Expr) -> str:
        """A comparison of two values of one kind."""
        left, right = left.unnest(), right.unnest()
        types = (type_of(left), type_of(right))
        if types == (STRING, STRING):
            return self._compared_texts(sign, left, right)
        if types == (BOOLEAN, BOOLEAN):
            return f"({self.write(left)} {self._sign(sign)} {self.write(right)})"
        if all(kind in (DATE, TIMESTAMP) for kind in types):
            write = self.date if types == (DATE, DATE) else self.timestamp
        elif all(kind.is_integer or kind.name == "decimal" for kind in types):
            write = self.exact
        elif DOUBLE in types and all(_may_be_double(side) for side in (left, right)):
            write = self._double
        else:
            raise refused(node)
        return f"({write(left)} {self._sign(sign)} {write(right)})"

    def _compared_texts(self, sign: str, left: exp.Expr, right: exp.Expr) -> str:
        if _literal(left) is not None:
            left, right, sign = right, left, _MIRRORED[sign]
        column, value = self.column(left), _literal(right)
        other = self.column(right) if value is None else self.text(value)
        exact = f"{self._bytes(column)} {self._sign(sign)} {self._bytes(other)}"
        indexed = self.words.indexed(column, sign, value) if value is not None and self.words.indexed else ""
        return f"({indexed} AND {exact})" if indexed else f"({exact})"

    def _bytes(self, value: str) -> str:
        return self.words.by_bytes.format(value)

    def _sign(self, sign: str) -> str:
        return self.words.same if sign == "<=>" else sign

    def text(self, value: str) -> str:
        """A constant text. Raises RunFailure if the server cannot store it."""
        if any(character in value for character in self.words.unstorable):
            raise _not_alike("a text with the character NUL")
        return self.words.text(value)

    def date(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Column):
            return self.column(node)
        return f"DATE{self.text(_moment(node).date().isoformat())}"

    def timestamp(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Column):
            return self.words.as_timestamp.format(self.column(node)) if type_of(node) == DATE else self.column(node)
        return f"TIMESTAMP{self.text(_moment(node).isoformat(' ', 'microseconds'))}"

    def exact(self, node: exp.Expr) -> str:
        """A whole or decimal number, which the server compares digit by digit."""
        if isinstance(node, exp.Column):
            return self.column(node)
        if isinstance(node, exp.Anonymous):
            return self._part_of_date(node)
        return f"{_number(node):f}"

    def _double(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Column):
            return self.column(node)
        number = _number(node)
        digits = len(str(abs(int(number.scaleb(-min(0, int(number.as_tuple().exponent)))))))
        if type_of(node) != DOUBLE and digits > _EXACT_DIGITS:
            raise refused(node)
        value = float(number)
        if value in (float("inf"), float("-inf")):
            raise refused(node)
        written = repr(value)
        return written if "e" in written else f"{written}e0"

    def _part_of_date(self, node: exp.Expr) -> str:
        only(node, "this", "expressions")
        word = str(node.this).lower()
        if word not in _PARTS_OF_DATES or len(node.expressions) != 1:
            raise refused(node)
        if type_of(node.expressions[0]) not in (DATE, TIMESTAMP):
            raise refused(node)
        return self.words.part_of_date.format(word.upper(), self.column(node.expressions[0]))

    def column(self, node: exp.Expr) -> str:
        if not isinstance(node, exp.Column):
            raise refused(node)
        return ".".join(map(self.words.name, filter(None, (node.table, node.name))))


_CONDITIONS: dict[type[exp.Expr], Callable[[ConditionWriter, exp.Expr], str]] = {
    **dict.fromkeys(_JOINED, ConditionWriter._joined),
    **dict.fromkeys(_SIGNS, ConditionWriter._comparison),
    exp.NullSafeNEQ: ConditionWriter._differs,
    exp.Not: ConditionWriter._negated,
    exp.Paren: ConditionWriter._in_parentheses,
    exp.Column: ConditionWriter._boolean_column,
    exp.Boolean: lambda _, node: _boolean(node),
    exp.Is: ConditionWriter._is,
    exp.Between: ConditionWriter._between,
    exp.In: ConditionWriter._in,
}


def _boolean(node: exp.Expr) -> str:
    only(node, "this")
    return "TRUE" if node.this else "FALSE"


def _moment(node: exp.Expr) -> datetime.datetime:
    """A constant date or timestamp."""
    written = _cast_text(node)
    kind = type_of(node)
    shape = r"\d{4}-\d\d-\d\d" + ("" if kind == DATE else r"([ T]\d\d:\d\d:\d\d(\.\d{1,6})?)?")
    if not re.fullmatch(shape, written, re.ASCII):
        raise refused(node)
    try:
        return datetime.datetime.fromisoformat(written)
    except ValueError:
        raise refused(node) from None


def _may_be_double(node: exp.Expr) -> bool:
    return type_of(node) == DOUBLE or not isinstance(node, (exp.Column, exp.Anonymous))


def _number(node: exp.Expr) -> Decimal:
    """A constant number, with its sign, or in a text that is cast."""
    if isinstance(node, exp.Neg):
        only(node, "this")
        return -_number(node.this)
    if isinstance(node, exp.Literal) and not node.is_string:
        return Decimal(node.this)
    kind = type_of(node)
    if kind.is_integer and isinstance(node, exp.Cast) and re.fullmatch(r"\d\d?", node.this.name, re.ASCII):
        only(node, "this", "to")
        return Decimal(node.this.name)
    written = _cast_text(node)
    if kind.name == "decimal":
        match = re.fullmatch(r"-?(\d+)(?:\.(\d+))?", written, re.ASCII)
        whole, fraction = (len(match[1].lstrip("0")), len(match[2] or "")) if match else (_MOST_DIGITS + 1, 0)
        if whole <= kind.precision - kind.scale and fraction <= kind.scale:
            return Decimal(written)
    raise refused(node)


def _cast_text(node: exp.Expr) -> str:
    """The operand of a cast if it is a literal: a text, or a number as it is written."""
    if type(node) is not exp.Cast or not isinstance(node.this, exp.Literal):
        raise refused(node)
    only(node, "this", "to")
    return str(node.this.this)


def _literal(node: exp.Expr) -> str | None:
    return str(node.this) if isinstance(node, exp.Literal) and node.is_string else None


def _is_text(node: exp.Expr) -> bool:
    return isinstance(node, exp.Column) and type_of(node) == STRING


def only(node: exp.Expr, *arguments: str) -> None:
    """Raises RunFailure if a node has arguments that are not supported here."""
    if any(value for key, value in node.args.items() if key not in arguments):
        raise refused(node)


def refused(node: exp.Expr) -> RunFailure:
    parts = () if isinstance(node, exp.Column) else node.iter_expressions()
    kinds = " or ".join(dict.fromkeys(map(_kind, parts))) or _kind(node)
    shown = node.transform(lambda part: exp.column(part.name) if isinstance(part, exp.Column) else part)
    return _not_alike(f"`{shown.sql(dialect='spark')}` ({kinds})")


def _not_alike(what: str) -> RunFailure:
    return RunFailure(
        "sink",
        "condition",
        f"the server might not evaluate {what} as the pipeline does",
        "in `replace_where` compare columns with constants of the same type; compute anything else into a column first",
    )


def _kind(node: exp.Expr) -> str:
    return str(node.meta.get(TYPE, NULL))
