"""Compares decimals that have no common type of 38 digits: first their integer parts, then their fractions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from itertools import chain, islice

from sqlglot import exp

from etlrun.language.columns import Type
from etlrun.language.expressions import parse

OPERANDS = 500  # nodes of the operands of one comparison, which are repeated in its SQL
# If two numbers lie between the same integers, `floor` and `ceil` tell integers from fractions, and the fractions have the same sign.
_EQUAL = "floor(a) = floor(b) and ceil(a) = ceil(b) and rest_a = rest_b"
_LESS = "floor(a) < floor(b) or floor(a) = floor(b) and (ceil(a) < ceil(b) or ceil(a) = ceil(b) and rest_a < rest_b)"
_ALIKE = "(a is null and b is null) or (a is not null and b is not null and {_EQUAL})".replace("{_EQUAL}", _EQUAL)
_WRITTEN: dict[
    type[exp.Expr], tuple[str, bool, bool]
] = {  # the condition, whether the operands are swapped, whether it is negated
    exp.EQ: (_EQUAL, False, False),
    exp.NEQ: (_EQUAL, False, True),
    exp.LT: (_LESS, False, False),
    exp.GT: (_LESS, True, False),
    exp.LTE: (_LESS, True, True),
    exp.GTE: (_LESS, False, True),
    exp.NullSafeEQ: (_ALIKE, False, False),
    exp.NullSafeNEQ: (_ALIKE, False, True),
}


def are_large(operands: Iterable[exp.Expr]) -> bool:
    """Whether operands have more nodes than OPERANDS; counting stops there."""
    nodes = chain.from_iterable(operand.walk() for operand in operands)
    return next(islice(nodes, OPERANDS, None), None) is not None


def by_parts(node: exp.Expr, types: Mapping[int, Type]) -> exp.Expr:
    """Write a comparison as comparisons of parts, in parentheses. `types` are the types of the operands, by their ids."""
    if isinstance(node, exp.In):
        listed = [_compared(exp.EQ, node.this, item, types) for item in node.expressions]
        return exp.paren(reduce(lambda one, other: exp.Or(this=one, expression=other), listed), copy=False)
    if isinstance(node, exp.Between):
        low, high = node.args["low"], node.args["high"]
        least, most = _compared(exp.GTE, node.this, low, types), _compared(exp.LTE, node.this, high, types)
        return exp.paren(exp.And(this=least, expression=most), copy=False)
    return _compared(type(node), node.this, node.expression, types)


def _compared(kind: type[exp.Expr], left: exp.Expr, right: exp.Expr, types: Mapping[int, Type]) -> exp.Expr:
    condition, is_turned, is_denied = _WRITTEN[kind]
    one, other = (right, left) if is_turned else (left, right)
    parts = {
        "a": one,
        "b": other,
        "rest_a": _behind_the_point(one, types[id(one)]),
        "rest_b": _behind_the_point(other, types[id(other)]),
    }
    found = exp.paren(parse(condition).transform(lambda part: _filled(part, parts)), copy=False)
    return exp.paren(exp.Not(this=found), copy=False) if is_denied else found


def _filled(part: exp.Expr, parts: Mapping[str, exp.Expr]) -> exp.Expr:
    return exp.paren(parts[part.name]) if isinstance(part, exp.Column) else part


def _behind_the_point(value: exp.Expr, kind: Type) -> exp.Expr:
    """The fraction of a number, with the sign of the number."""
    has_whole = kind.name != "decimal" or kind.precision > kind.scale
    rest = "a % 1" if has_whole else "a"
    return parse(f"cast({rest} as decimal(38,38))").transform(lambda part: _filled(part, {"a": value}))
