"""Values of YAML as literals of a column's type: `2022-04-30` beside a date column is a date."""

from __future__ import annotations

import datetime
from decimal import Decimal, InvalidOperation

from sqlglot import exp

from etlrun.language.columns import Type
from etlrun.language.expressions import cast, literal
from etlrun.language.instant_text import read_instant


class LiteralError(ValueError):
    """A text that is not a value of a type; `str()` says what is expected."""


def literal_of(text: str, kind: Type) -> exp.Expr:
    """The text as a literal of a type. Raises LiteralError."""
    try:
        return _READERS[kind.name](text, kind)
    except KeyError:
        raise LiteralError(f"no value is written for {kind}") from None
    except (ValueError, InvalidOperation):
        raise LiteralError(f"`{text}` is not a {kind}") from None


def is_writable(kind: Type) -> bool:
    """Whether values of a type can be written in YAML."""
    return kind.name in _READERS


def _boolean(text: str, kind: Type) -> exp.Expr:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return literal(text.lower() == "true")


def _integer(text: str, kind: Type) -> exp.Expr:
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError(text)
    return literal(value)


def _number(text: str, kind: Type) -> exp.Expr:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(text)
    number = exp.Literal.number(f"{abs(value):f}")
    return exp.Neg(this=number) if value < 0 else number


def _moment(text: str, kind: Type) -> exp.Expr:
    reader = datetime.date if kind.name == "date" else datetime.datetime
    return cast(literal(str(reader.fromisoformat(text))), kind)


def _instant(text: str, kind: Type) -> exp.Expr:
    return cast(literal(read_instant(text).isoformat(" ")), kind)


_READERS = {
    "string": lambda text, kind: literal(str(text)),
    "boolean": _boolean,
    "date": _moment,
    "timestamp": _moment,
    "timestamptz": _instant,
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), _integer),
    **dict.fromkeys(("float", "double", "decimal"), _number),
}
