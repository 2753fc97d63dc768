"""Frames of windows: the rows around a row that a function uses, counted in rows or measured in time."""

from __future__ import annotations

import math

from sqlglot import exp

from etlrun.language.checking import Checker
from etlrun.language.columns import DATE, MOMENTS, NULL
from etlrun.language.expressions import TYPE
from etlrun.language.functions import Function
from etlrun.language.templates import whole_of

FRAMED = ("first_value", "last_value", "nth_value")  # the window functions that use a frame, besides all aggregates
MICROSECONDS = {
    "microsecond": 1,
    "second": 10**6,
    "minute": 60 * 10**6,
    "hour": 3600 * 10**6,
    "day": 86400 * 10**6,
    "week": 7 * 86400 * 10**6,
}
_LONGEST = 10**6 * MICROSECONDS["week"]


def frame_of_rows(count: int) -> exp.WindowSpec:
    """A row and the rows before it, `count` in total."""
    return _until_now("ROWS", exp.Literal.number(count - 1))


def frame_of_time(microseconds: int, is_of_dates: bool) -> exp.WindowSpec:
    """The rows of the period that ends with a row, without its start: for `7 days`, the day itself and the six days before."""
    if is_of_dates:
        days = microseconds // MICROSECONDS["day"] - 1
        return _until_now("RANGE", exp.Interval(this=exp.Literal.number(days), unit=exp.Var(this="day")))
    return _until_now(
        "RANGE", exp.Interval(this=exp.Literal.number(microseconds - 1), unit=exp.Var(this="microsecond"))
    )


def frame_of_group() -> exp.WindowSpec:
    """All rows of the group, before and after a row."""
    sides = {"start_side": "PRECEDING", "end_side": "FOLLOWING"}
    return exp.WindowSpec(kind="ROWS", start="UNBOUNDED", end="UNBOUNDED", **sides)


def with_one_unit(frame: exp.WindowSpec) -> exp.WindowSpec:
    """The same frame with both intervals in the smaller of their units, as Spark requires."""
    intervals = [bound for name in ("start", "end") if isinstance(bound := frame.args.get(name), exp.Interval)]
    unit = min(map(_unit, intervals), key=MICROSECONDS.__getitem__, default="")
    found = frame.copy()
    for interval in list(found.find_all(exp.Interval)):
        count = (_length(interval) or 0) // MICROSECONDS[unit]
        interval.replace(exp.Interval(this=exp.Literal.string(count), unit=exp.Var(this=unit)))
    return found


def _until_now(kind: str, start: exp.Expr) -> exp.WindowSpec:
    return exp.WindowSpec(kind=kind, start=start, start_side="PRECEDING", end="CURRENT ROW")


def check_frame(checker: Checker, node: exp.Window, function: Function) -> None:
    """Report a frame that the function does not accept, or whose rows are ambiguous."""
    frame = node.args.get("spec")
    if frame is None:
        return
    if function.kind == "window" and function.name not in FRAMED:
        fix = "remove the frame, or put the function into a separate window"
        checker.complain(node, "not-allowed-here", f"`{function.name}` takes no frame", fix)
    is_range = str(frame.args.get("kind")).upper() == "RANGE"
    start, end = _distance(frame, "start"), _distance(frame, "end")
    if start is None or end is None or start > end or start == math.inf or end == -math.inf:
        fix = "write it as `rows between 2 preceding and current row`"
        message = "the start and the end of a frame must be literal numbers of rows, `unbounded` or `current row`, with the start first"
        checker.complain(node, "expression-not-allowed", message, fix)
    elif is_range and frame.find(exp.Literal):
        _check_range(checker, node, frame)
    elif frame.find(exp.Interval):
        checker.complain(node, "expression-not-allowed", "`rows` counts rows, not time", "use `range`")
    if not node.args.get("order"):
        checker.complain(node, "no-total-order", "a frame needs `order by`: without it the answer depends on row order")


def _check_range(checker: Checker, node: exp.Window, frame: exp.Expr) -> None:
    """Report a RANGE that is not measured in time: its rows must be ordered by one date or timestamp."""
    bounds = [frame.args.get(bound) for bound in ("start", "end")]
    if any(isinstance(bound, exp.Literal) for bound in bounds):
        count = next((bound.this for bound in bounds if isinstance(bound, exp.Literal)), "6")
        fix = (
            f"order by one date or timestamp, and write `range between interval {count} days preceding and current row`"
        )
        checker.complain(node, "expression-not-allowed", "`range` takes no numbers", fix)
        return
    order = node.args.get("order")
    items = order.expressions if order else []
    kinds = [item.this.meta.get(TYPE, NULL) for item in items]
    if len(items) != 1 or kinds[0] not in MOMENTS:
        if NULL not in kinds and items:
            fix = "order by that alone, or count with `rows`"
            message = "a frame that is measured in time needs an order of one date or timestamp"
            checker.complain(node, "type-mismatch", message, fix)
        return
    units = {_unit(bound) for bound in bounds if isinstance(bound, exp.Interval)}
    if kinds[0] == DATE and units - {"day", "week"}:
        unit = sorted(units - {"day", "week"})[0]
        checker.complain(node, "type-mismatch", f"a frame over dates has no {unit}s", "write it in days")


def _unit(interval: exp.Interval) -> str:
    unit = interval.args.get("unit")
    return str(unit.name).lower().removesuffix("s") if unit is not None else ""


def _distance(frame: exp.Expr, bound: str) -> float | None:
    """How many rows or microseconds a frame's bound is after the current row; None if it is not such a number."""
    value, side = frame.args.get(bound), str(frame.args.get(f"{bound}_side") or "").upper()
    if value is None:
        return 0.0 if bound == "end" else None
    if isinstance(value, str) and value.upper() == "CURRENT ROW":
        return None if side else 0.0
    if not side:
        return None
    far = math.inf if isinstance(value, str) else _length(value) if isinstance(value, exp.Interval) else _rows(value)
    return None if far is None else -far if side == "PRECEDING" else far


def _rows(bound: exp.Expr) -> int | None:
    """A number of rows; None for any other bound."""
    count = whole_of(bound)
    return count if count is not None and 0 <= count < 2**31 else None


def _length(interval: exp.Interval) -> int | None:
    """The microseconds of an interval of weeks to seconds; None for any other."""
    text, unit = str(interval.this.this), _unit(interval)
    if unit not in MICROSECONDS or not text.isdigit() or len(text) > 20:
        return None
    length = int(text) * MICROSECONDS[unit]
    return length if length <= _LONGEST else None
