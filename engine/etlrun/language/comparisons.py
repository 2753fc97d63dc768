"""Type rules of comparisons and of choices such as CASE: all values need a common type."""

from __future__ import annotations

import re

from sqlglot import exp

from etlrun.language.checking import Checker, Rule
from etlrun.language.columns import BIGINT, BOOLEAN, DOUBLE, MOMENTS, NULL, STRING, TIMESTAMPTZ, Type
from etlrun.language.expressions import TYPE, cast
from etlrun.language.functions import as_decimal, common_type
from etlrun.language.functions.numbers import decimal_operand
from etlrun.language.grammar import SIGNS
from etlrun.language.moment_literals import as_moment
from etlrun.language.moments import bounded, moved
from etlrun.language.places import span
from etlrun.language.problems import IN_PARTS, TOO_DEEP
from etlrun.language.wide_decimals import are_large, by_parts


def visit_comparison(checker: Checker, node: exp.Expr) -> Type:
    if isinstance(node, exp.Between) and isinstance(node.args["low"], exp.Interval):
        return checker.visit(bounded(node))
    if any(isinstance(operand, exp.Interval) for operand in node.iter_expressions()) and not moved(checker, node):
        return BOOLEAN
    operands = list(node.iter_expressions())
    types = [checker.visit(operand) for operand in operands]
    if isinstance(node, SIGNS) and any(_is_null(operand) for operand in operands):
        other = next((operand for operand in operands if not _is_null(operand)), operands[0])
        return _never_true(
            checker, node, f"{_written(checker, other)} is {'not ' if isinstance(node, exp.NEQ) else ''}null"
        )
    if isinstance(node, exp.In) and isinstance(node.parent, exp.Not) and any(map(_is_null, operands[1:])):
        return _never_true(
            checker, node, f"{_written(checker, node.this)} is not null and ...", "with a null in its list"
        )
    if all(kind.is_numeric for kind in types) and common_type(_as_written(operands, types)) is None:
        if are_large(operands):
            return checker.complain(node, "syntax", TOO_DEEP, IN_PARTS)
        replacement = by_parts(node, dict(zip(map(id, operands), types, strict=True)))
        node.replace(replacement)
        return checker.visit(replacement)
    ordered(checker, _shared(checker, operands, types, node), node)
    return BOOLEAN


def refuse_null_branches(checker: Checker, node: exp.Case) -> None:
    """Report `case x when null`, which is never true."""
    for branch in node.args["ifs"]:
        if _is_null(branch.this):
            _never_true(
                checker, node, f"case when {_written(checker, node.this)} is null then ...", "in its `when null`"
            )


def _is_null(node: exp.Expr) -> bool:
    return isinstance(node.unnest(), exp.Null)


def _written(checker: Checker, node: exp.Expr) -> str:
    return checker.text[slice(*span(node, checker.text))]


def _never_true(checker: Checker, node: exp.Expr, instead: str, what: str = "") -> Type:
    message = f"this is never true{f' {what}' if what else ''}: a null is not equal to anything, and not unequal either"
    return checker.complain(node, "expression-not-allowed", message, f"write `{instead}`")


def ordered(checker: Checker, kind: Type, node: exp.Expr) -> None:
    """Report a comparison of arrays or structs: engines order the nulls inside them differently."""
    if not kind.is_orderable:
        checker.complain(
            node, "type-mismatch", f"{kind} cannot be sorted or compared here", "compare its elements or fields"
        )


def comparable(checker: Checker, operands: list[exp.Expr], node: exp.Expr) -> Type:
    """Find the common type of operands of a comparison or choice; a text literal next to a date is read as a date."""
    return _shared(checker, operands, [checker.visit(operand) for operand in operands], node)


def _shared(checker: Checker, operands: list[exp.Expr], types: list[Type], node: exp.Expr) -> Type:
    moments = [kind for kind in types if kind in MOMENTS]
    if moments:
        types = [as_moment(checker, operand, kind, moments[0]) for operand, kind in zip(operands, types, strict=True)]
    shared = common_type(types)
    if shared is None and (shared := common_type(_as_written(operands, types))) is not None:
        _cut_literals(operands, types)
    if shared is None:
        names = " and ".join(dict.fromkeys(str(kind) for kind in types if kind != NULL))
        problem = "cannot be compared" if isinstance(node, tuple(COMPARISONS)) else "have no type in common"
        return checker.complain(node, "type-mismatch", f"{names} {problem}", _to_compare(checker, operands, types))
    return shared


def _as_written(operands: list[exp.Expr], types: list[Type]) -> list[Type]:
    """The types next to a decimal: a literal integer counts only with the digits that it has."""
    if not any(kind.name == "decimal" for kind in types):
        return types
    pairs = zip(operands, types, strict=True)
    return [decimal_operand(operand, kind) if kind.is_integer else kind for operand, kind in pairs]


def _cut_literals(operands: list[exp.Expr], types: list[Type]) -> None:
    """Give literal integers a type with the digits that they have, in place: engines would assume ten digits."""
    for operand, kind, short in zip(operands, types, _as_written(operands, types), strict=True):
        if kind != short:
            replacement = cast(operand.copy(), short)
            replacement.this.meta[TYPE], replacement.meta[TYPE] = kind, short
            operand.replace(replacement)


def _to_compare(checker: Checker, operands: list[exp.Expr], types: list[Type]) -> str:
    """The type to which the operands of a comparison are cast."""
    known = [kind for kind in types if kind != NULL]
    if TIMESTAMPTZ in known and all(kind in MOMENTS for kind in known):
        return "name the time zone of the timestamp: to_utc_timestamp(..., 'UTC')"
    if STRING in known:
        return _without_text(checker, operands, types)
    if not all(kind.is_numeric for kind in known):
        return f"compare values of one type, for example as text: {_cast(checker, operands[0], STRING)}"
    scale = min(as_decimal(kind).scale for kind in known)
    return f"cast the one with more digits after the decimal point to decimal(38,{scale}), which rounds it, or both to double"


def _without_text(checker: Checker, operands: list[exp.Expr], types: list[Type]) -> str:
    """How a text and another value are compared: as values of the other's type."""
    pairs = list(zip(operands, types, strict=True))
    text = next(operand for operand, kind in pairs if kind == STRING)
    others = [kind for kind in types if kind not in (STRING, NULL)]
    kind = common_type(others) or others[0]
    if not kind.is_orderable:
        return "compare its elements or fields"
    if not isinstance(text, exp.Literal):
        literals = [operand for operand, kind in pairs if isinstance(operand, exp.Literal) and kind != STRING]
        quoted = f", or write numbers as texts: `'{literals[0].this}'`" if literals else ""
        wide = (BIGINT if kind.is_integer else DOUBLE) if kind.is_numeric and literals else kind
        return f"cast the text: {_cast(checker, text, wide)}{quoted}"
    if kind.is_numeric and re.fullmatch(r"[+-]?\d+(\.\d+)?", text.this):
        return f"write the number without quotes: {text.this}"
    other = next(operand for operand, kind in pairs if kind not in (STRING, NULL))
    return f"compare texts: {_cast(checker, other, STRING)}"


def _cast(checker: Checker, node: exp.Expr, kind: Type) -> str:
    return f"`cast({_written(checker, node) if isinstance(node, exp.Column) else '...'} as {kind})`"


COMPARISONS: dict[type[exp.Expr], Rule] = dict.fromkeys(
    (*SIGNS, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.In),
    visit_comparison,
)
