"""Checks whether a literal can be cast to a type, so that an impossible cast is a mistake in the spec, not a failure of the run."""

from __future__ import annotations

import datetime
import re
from decimal import ROUND_HALF_UP, Context, Decimal

from sqlglot import exp

from etlrun.language.casts import BOOLEAN_TEXT, DATE_TEXT, NUMERIC_TEXT, TIMESTAMP_TEXT
from etlrun.language.columns import DATE, TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.language.grammar import detail
from etlrun.language.instant_text import EXAMPLE, read_instant
from etlrun.language.templates import text_of

_EXAMPLES = {
    "date": "'2022-04-30'",
    "timestamp": "'2022-04-30 20:15:00'",
    "timestamptz": EXAMPLE,
    "boolean": "'true' or 'false'",
}
_NUMBER = "'12'"
_WIDE = Context(prec=500)
_BITS = {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}


def misfit_of_cast(value: exp.Expr, target: Type) -> tuple[str, str] | None:
    """What is wrong with the cast of a literal that fails in every row, and how to write it; None if no problem is known."""
    while isinstance(value, exp.Paren):
        value = value.this
    text = text_of(value)
    if text is not None and target == TIMESTAMP and is_readable(text, TIMESTAMPTZ):
        fix = f"write it without the offset, or name the time zone: from_utc_timestamp(cast({detail(value)} as timestamptz), 'UTC')"
        return f"{detail(value)} has an offset, which a timestamp does not keep", fix
    if text is not None and not is_readable(text, target):
        return f"{detail(value)} cannot be read as {target}", f"write it as {_EXAMPLES.get(target.name, _NUMBER)}"
    number = _decimal(text) if text is not None and target.is_numeric else _number(value)
    if number is None or _fits(number, target):
        return None
    return f"{detail(value)} does not fit into {target}", "cast it to a larger type"


def is_readable(text: str, target: Type) -> bool:
    """Whether a text has the form of a value of the type, as the casts of both engines read it."""
    if target in (DATE, TIMESTAMP):
        found = re.fullmatch(DATE_TEXT if target == DATE else TIMESTAMP_TEXT, text)
        return found is not None and _is_moment(*found.groups())
    if target == TIMESTAMPTZ:
        return _is_instant(text)
    if target.name == "boolean":
        return any(re.fullmatch(pattern, text) for pattern in BOOLEAN_TEXT)
    if target.is_numeric:
        kind = "integer" if target.is_integer else "decimal" if target.name == "decimal" else "fraction"
        return re.fullmatch(NUMERIC_TEXT[kind], text) is not None
    return True


def _is_instant(text: str) -> bool:
    try:
        read_instant(text)
    except ValueError:
        return False
    return True


def _is_moment(year: str, month: str | None, day: str | None, *clock: str | None) -> bool:
    """Whether such a date and time exists; the calendar repeats after 400 years."""
    try:
        datetime.date(2000 + int(year) % 400, int(month or 1), int(day or 1))
        hour, minute, second = (int(part or 0) for part in (*clock[:3], *("0",) * 3)[:3])
        datetime.time(hour, minute, second)
    except ValueError:
        return False
    return True


def _number(value: exp.Expr) -> Decimal | None:
    """The value of a literal number, signed or not."""
    while isinstance(value, exp.Paren):
        value = value.this
    if isinstance(value, exp.Neg):
        inner = _number(value.this)
        return None if inner is None else -inner
    return Decimal(str(value.this)) if isinstance(value, exp.Literal) and not value.is_string else None


def _decimal(text: str) -> Decimal | None:
    found = re.fullmatch(NUMERIC_TEXT["decimal"], text)
    return Decimal(found.group(1)) if found else None


def _fits(number: Decimal, target: Type) -> bool:
    if target.is_integer:
        limit = 2 ** _BITS[target.name]
        return bool(-limit <= int(number) < limit)
    if target.name != "decimal" or number.adjusted() < -100:
        return True
    if number.adjusted() >= 100:
        return not number
    rounded = number.quantize(Decimal(1).scaleb(-target.scale), ROUND_HALF_UP, context=_WIDE)
    return bool(not rounded or rounded.adjusted() < target.precision - target.scale)
