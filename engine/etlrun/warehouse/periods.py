"""Whether two periods have no row in common, as far as their conditions show it.

A simple period consists of comparisons of columns with constants, joined by AND. Two of them are disjoint if both compare one
column, and no value passes both comparisons: `month = '2022-04'` and `month = '2022-05'`, or `day < '2022-05-01'` and
`day >= '2022-05-01'`. Texts are put in order only where they are dates or numbers of one shape, which every collation orders alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

Constant = int | str
MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.LTE: exp.GTE,
    exp.GT: exp.LT,
    exp.GTE: exp.LTE,
    exp.EQ: exp.EQ,
}


@dataclass(frozen=True)
class _Span:
    """The values from `low` to `high`; None is no limit, and a limit is included unless it is `open`."""

    low: Constant | None = None
    high: Constant | None = None
    is_low_open: bool = False
    is_high_open: bool = False


def are_disjoint(condition: exp.Expr, period: str) -> bool:
    """Whether no row fulfils both a condition and that of a period; False if it is not certain."""
    try:
        other = parse_one(period, dialect="spark") if period else None
    except SqlglotError:  # a period whose text was cut
        other = None
    if other is None:
        return False
    return any(
        mine == its and all(_are_disjoint(one, another) for one, another in product(spans, others))
        for (mine, spans), (its, others) in product(_comparisons(condition), _comparisons(other))
    )


def _comparisons(node: exp.Expr) -> Iterator[tuple[str, list[_Span]]]:
    """The columns of the condition, in lower case, each with the spans in which its values must be."""
    node = node.unnest()
    if isinstance(node, exp.And):
        yield from _comparisons(node.this)
        yield from _comparisons(node.expression)
        return
    if isinstance(node, exp.Between):
        low, high = _constant(node.args["low"]), _constant(node.args["high"])
        spans = [_Span(low, high)] if low is not None and high is not None else []
    elif isinstance(node, exp.In):
        choices = [_constant(choice) for choice in node.expressions]
        spans = [_Span(choice, choice) for choice in choices if choice is not None]
        spans = spans if len(spans) == len(choices) else []
    elif type(node) in MIRRORED:
        kind = type(node)
        if not isinstance(node.this, exp.Column):
            node, kind = kind(this=node.expression, expression=node.this), MIRRORED[kind]
        spans = list(_compared(kind, _constant(node.expression)))
    else:
        return
    if isinstance(node.this, exp.Column) and spans:
        yield node.this.name.lower(), spans


def _compared(kind: type[exp.Expr], constant: Constant | None) -> Iterator[_Span]:
    if constant is None:
        return
    if kind is exp.EQ:
        yield _Span(constant, constant)
    elif kind in (exp.LT, exp.LTE):
        yield _Span(high=constant, is_high_open=kind is exp.LT)
    else:
        yield _Span(low=constant, is_low_open=kind is exp.GT)


def _constant(node: exp.Expr) -> Constant | None:
    """The value of a constant; a text without spaces at its end, which servers ignore. None for anything else."""
    node = node.unnest()
    if isinstance(node, exp.Cast):
        node = node.this
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and node.this.is_int:
        return -int(node.this.this)
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return str(node.this).rstrip(" ")
    return int(node.this) if node.is_int else None


def _are_disjoint(one: _Span, other: _Span) -> bool:
    return _is_before(one, other) or _is_before(other, one) or _are_other_texts(one, other)


def _is_before(one: _Span, other: _Span) -> bool:
    """Whether `one` is known to end before `other` begins."""
    if one.high is None or other.low is None or not _have_an_order(one.high, other.low):
        return False
    is_touching = one.high == other.low and (one.is_high_open or other.is_low_open)
    return is_touching or one.high < other.low  # type: ignore[operator]


def _are_other_texts(one: _Span, other: _Span) -> bool:
    """Whether both are single texts that differ, also as numbers or times: 4 and 04 are equal."""
    if not (isinstance(one.low, str) and isinstance(other.low, str)):
        return False
    are_words = not (_shape(one.low) and _shape(other.low))
    return one.low == one.high != other.low == other.high and (are_words or _have_an_order(one.low, other.low))


def _have_an_order(one: Constant, other: Constant) -> bool:
    if isinstance(one, int) and isinstance(other, int):
        return True
    return isinstance(one, str) and isinstance(other, str) and _shape(one) == _shape(other) != ""


def _shape(value: str) -> str:
    """The text with 0 for every digit; empty if it has other characters than digits and the separators of dates and times."""
    return re.sub("[0-9]", "0", value) if re.fullmatch(r"[0-9T:. -]+", value) else ""
