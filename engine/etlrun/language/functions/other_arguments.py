"""Calls that have the name of a function here, but the arguments of another database: what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year")


def with_other_arguments(name: str, arguments: Sequence[str]) -> str:
    """The fix for a call of `name` with these arguments, as SQL; empty if none is known."""
    meant = _MEANT.get((name, len(arguments)))
    return meant(*arguments) if meant else ""


def _difference(one: str, two: str, three: str) -> str:
    """`datediff(hour, earlier, later)` or `date_diff(later, earlier, hour)`."""
    unit, earlier, later = (one, two, three) if _unit(one) or not _unit(three) else (three, two, one)
    return _DIFFERENCES[_unit(unit)].format(unit=_unit(unit) or "hour", earlier=earlier, later=later)


def _sum(unit: str, number: str, moment: str) -> str:
    """`dateadd(hour, 3, moment)`."""
    factor = number if number.isdigit() else f"({number})"
    return _SUMS[_unit(unit)].format(unit=_unit(unit) or "hour", number=number, factor=factor, moment=moment)


def _unit(text: str) -> str:
    """The unit that an argument names; empty if it names none."""
    word = text.strip("'").lower().removesuffix("s")
    return word if word in UNITS else ""


_DIFFERENCES = {
    "day": "write datediff({later}, {earlier})",
    "month": "write (year({later}) - year({earlier})) * 12 + month({later}) - month({earlier})",
    "quarter": "write (year({later}) - year({earlier})) * 4 + quarter({later}) - quarter({earlier})",
    "year": "write year({later}) - year({earlier})",
    **dict.fromkeys(("second", "minute", "hour", "week", ""), "write timestampdiff('{unit}', {earlier}, {later})"),
}
_SUMS = {
    "day": "write date_add({moment}, {number})",
    "week": "write date_add({moment}, 7 * {factor})",
    "month": "write add_months({moment}, {number})",
    "quarter": "write add_months({moment}, 3 * {factor})",
    "year": "write add_months({moment}, 12 * {factor})",
    **dict.fromkeys(("second", "minute", "hour", ""), "write timestampadd('{unit}', {number}, {moment})"),
}
_MEANT: dict[tuple[str, int], Callable[..., str]] = {
    **{(name, 3): _difference for name in ("datediff", "date_diff")},
    **{(name, 3): _sum for name in ("dateadd", "date_add")},
    ("isnull", 2): "write coalesce({}, {})".format,
}
