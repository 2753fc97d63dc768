"""Reads literal texts next to dates, timestamps and instants as such values."""

from __future__ import annotations

import datetime
import re

from sqlglot import exp

from etlrun.language.checking import Checker
from etlrun.language.columns import DATE, STRING, TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.language.expressions import TYPE, cast, data_type
from etlrun.language.instant_text import EXAMPLE, read_instant
from etlrun.language.templates import text_of

IS_CLOCK = "etlrun.is_clock"  # the key that marks a cast whose literal is the clock time in UTC of an instant
_EXAMPLES = {DATE: "'2022-04-30'", TIMESTAMP: "'2022-04-30 20:15:00'", TIMESTAMPTZ: EXAMPLE}


def as_moment(checker: Checker, operand: exp.Expr, kind: Type, moment: Type) -> Type:
    """The type of `operand` next to a date, timestamp or instant; a literal text is converted, in place."""
    text = text_of(operand)
    if kind != STRING or text is None:
        return kind
    if not is_moment(text, moment):
        return checker.complain(
            operand, "type-mismatch", f"'{text}' is not a {moment}", f"write it as {_EXAMPLES[moment]}"
        )
    replacement = cast(operand.copy(), moment)
    if moment == TIMESTAMPTZ:
        hold_clock(replacement, text)
    replacement.this.meta[TYPE] = STRING
    replacement.meta[TYPE] = moment
    operand.replace(replacement)
    return moment


def has_offset(node: exp.Expr) -> bool:
    """Whether `node` is a literal text that writes an instant."""
    text = text_of(node)
    return text is not None and is_moment(text, TIMESTAMPTZ)


def hold_clock(node: exp.Cast, text: str) -> None:
    """Write the literal of an instant as its clock time in UTC, as engines store it. A tree that is checked again keeps the type."""
    clock = exp.Literal.string(read_instant(text).isoformat(" "))
    clock.meta.update(node.this.meta)
    node.set("this", clock)
    node.set("to", data_type(TIMESTAMPTZ))
    node.meta[IS_CLOCK] = True


def is_moment(text: str, moment: Type) -> bool:
    if moment == TIMESTAMPTZ:
        try:
            read_instant(text)
        except ValueError:
            return False
        return True
    shape = r"\d{4}-\d\d-\d\d" + ("" if moment == DATE else r"( \d\d:\d\d:\d\d(\.\d{1,6})?)?")
    if not re.fullmatch(shape, text, re.ASCII):
        return False
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
