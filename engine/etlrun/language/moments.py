"""Turns `date + interval` and `extract(... from ...)` into calls of functions."""

from __future__ import annotations

import re

from sqlglot import exp

from etlrun.language.checking import Checker, Rule
from etlrun.language.columns import DATE, NULL, STRING, TIMESTAMP, TIMESTAMPTZ, Type
from etlrun.language.expressions import TYPE
from etlrun.language.grammar import detail
from etlrun.language.templates import text_of

_PARTS = {
    **{name: name for name in ("year", "quarter", "month", "week", "day", "hour", "minute")},
    "week": "weekofyear",
    "doy": "dayofyear",
}
_INSTEAD = {
    "second": "use `second(x)`, which is an integer",
    "epoch": "use `unix_seconds(x)`, which is an integer",
    "dow": "use `dayofweek(x)`, which is 1 for Sunday, or `weekday(x)`, which is 0 for Monday",
    "isodow": "use `weekday(x) + 1`, which is 1 for Monday",
}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_CLOCK = ("hour", "minute", "second")
_MOST, _MOST_MONTHS = 10**6, 10**4  # what an interval may count; the greater units less


def visit_extract(checker: Checker, node: exp.Expr) -> Type:
    """`extract(year from d)` is the call year(d)."""
    part, operand = node.this.name.lower(), node.expression.unnest()
    if isinstance(operand, exp.Sub) and not isinstance(operand.expression, exp.Interval):
        unit = single if (single := part.removesuffix("s")) in (*_DAYS, *_CLOCK) else "second"
        later, earlier = detail(operand.this), detail(operand.expression)
        fix = f"count complete {unit}s: timestampdiff('{unit}', {earlier}, {later}); of dates: datediff({later}, {earlier})"
        return checker.complain(node, "type-mismatch", "the difference of two times has no parts to extract", fix)
    function = _PARTS.get(part)
    if function is None:
        fix = _INSTEAD.get(part.removesuffix("s"), "the parts are " + ", ".join(_PARTS))
        return checker.complain(node, "wrong-value", f"`{part}` is not a part to extract", fix)
    return _become(checker, node, function, node.expression)


def visit_shift(checker: Checker, node: exp.Expr) -> Type:
    """`d + interval 3 months` is a call of `add_months`, `date_add` or `timestampadd`."""
    interval = node.expression
    unit = interval.args["unit"].name.lower() if interval.args.get("unit") else ""
    unit = unit if unit in (*_DAYS, *_MONTHS, *_CLOCK) else unit.removesuffix("s")
    written = str(interval.this.this)
    most = _MOST_MONTHS if unit in _MONTHS else _MOST
    if not re.fullmatch(r"[+-]?\d{1,7}", written, re.ASCII) or abs(int(written)) > most:
        message = f"an interval needs an integer up to {most} here, but this is {written}"
        return checker.complain(node, "wrong-value", message, "write one number and one unit: `interval 3 months`")
    if not unit:
        fix = f"write `interval {written} days`"
        return checker.complain(node, "wrong-value", "an interval needs a unit", fix)
    if unit not in (*_DAYS, *_MONTHS, *_CLOCK):
        fix = "the units are year, quarter, month, week, day, hour, minute, second"
        return checker.complain(node, "wrong-value", f"`{unit}` is not a unit of an interval", fix)
    count = int(written) * (-1 if isinstance(node, exp.Sub) else 1)
    kind = checker.visit(node.this)
    if kind in (TIMESTAMP, TIMESTAMPTZ):
        return _become(checker, node, "timestampadd", exp.Literal.string(unit), _number(count), node.this)
    if kind != DATE:
        if kind != NULL:
            fix = (
                "write `date '2022-04-30'`" if kind == STRING and text_of(node.this) else "cast it to date or timestamp"
            )
            checker.complain(
                node.this, "type-mismatch", f"an interval is added to a date or timestamp, not {kind}", fix
            )
        return NULL
    if unit in _CLOCK:
        fix = "cast the date to timestamp first"
        return checker.complain(node, "type-mismatch", f"a date has no {unit}s to add", fix)
    if unit in _DAYS:
        return _become(checker, node, "date_add", node.this, _number(count * _DAYS[unit]))
    return _become(checker, node, "add_months", node.this, _number(count * _MONTHS[unit]))


def bounded(node: exp.Expr) -> exp.Expr:
    """Turn `a - b between low and high`, with intervals, into two comparisons, in place."""
    low, high = (
        kind(this=node.this.copy(), expression=node.args[bound].copy())
        for kind, bound in ((exp.GTE, "low"), (exp.LTE, "high"))
    )
    both = exp.Paren(this=exp.And(this=low, expression=high))
    node.replace(both)
    return both


def moved(checker: Checker, node: exp.Expr) -> bool:
    """Turn `a - b > interval 3 days` into `a > b + interval 3 days`, in place; False, with a complaint, where it is no such comparison."""
    sides = (node.this, node.expression)
    interval = next(side for side in sides if isinstance(side, exp.Interval))
    difference = next((side.unnest() for side in sides if side is not interval), interval)
    if not isinstance(difference, exp.Sub) or isinstance(difference.expression, exp.Interval):
        fix = "write `a - b > interval 3 days`, or add it to one side: `a > b + interval 3 days`"
        checker.complain(node, "type-mismatch", "an interval is compared only with a difference of two times", fix)
        return False
    unit = interval.args["unit"].name.lower().removesuffix("s") if interval.args.get("unit") else ""
    if unit in _MONTHS:
        fix = f"write days, or add it to one side: `a > b + interval {interval.this.name} {unit}s`"
        checker.complain(node, "wrong-value", f"a {unit} has no fixed number of days", fix)
        return False
    later = exp.Add(this=difference.expression.copy(), expression=interval.copy())
    for side in sides:
        side.replace(later if side is interval else difference.this.copy())
    return True


def _number(value: int) -> exp.Expr:
    number: exp.Expr = exp.Literal.number(abs(value))
    return number if value >= 0 else exp.Neg(this=number)


def _become(checker: Checker, node: exp.Expr, function: str, *arguments: exp.Expr) -> Type:
    """Replace `node` by a function call."""
    call = exp.Anonymous(this=function, expressions=[argument.copy() for argument in arguments])
    call.meta.update({name: value for name, value in node.meta.items() if name != TYPE})
    node.replace(call)
    return checker.visit(call)


MOMENTS: dict[type[exp.Expr], Rule] = {exp.Extract: visit_extract}
