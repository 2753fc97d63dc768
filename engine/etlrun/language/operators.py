"""Type rules of literals, casts and operators."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from sqlglot import exp

from etlrun.language.casts import castable, is_moment_word
from etlrun.language.checking import Checker, Rule
from etlrun.language.columns import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    MOMENTS,
    NULL,
    SCALARS,
    STRING,
    TIMESTAMP,
    TIMESTAMPTZ,
    Type,
    decimal,
)
from etlrun.language.comparisons import COMPARISONS, comparable, ordered, refuse_null_branches
from etlrun.language.constants import misfit_of_cast
from etlrun.language.expressions import TYPE, cast, data_type, type_from_tree
from etlrun.language.functions import common_type
from etlrun.language.functions.numbers import decimal_operand, decimal_remainder, zero_divisor
from etlrun.language.grammar import detail
from etlrun.language.moment_literals import IS_CLOCK, as_moment, hold_clock, is_moment
from etlrun.language.templates import text_of
from etlrun.language.type_names import type_fix
from etlrun.language.type_texts import TypeTextError

_DIVISIONS = (exp.Div, exp.IntDiv, exp.Mod)
_WORDS: dict[type[exp.Expr], str] = {exp.And: "and", exp.Or: "or", exp.Not: "not"}


def visit_literal(checker: Checker, node: exp.Expr) -> Type:
    assert isinstance(node, exp.Literal)
    if node.is_string:
        return STRING
    return _number(checker, node, str(node.this))


def _number(checker: Checker, node: exp.Expr, text: str) -> Type:
    """The type of a number as it is written, including its sign."""
    if not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.IGNORECASE | re.ASCII):
        return checker.complain(node, "syntax", f"{text} is not a number", "write it as 12, 1.5 or 1.5e3")
    if "e" in text.lower():
        value = float(text)
        if math.isinf(value) or value == 0 and text.lower().strip("-0.").partition("e")[0].strip("0."):
            message = f"{text} does not fit into double"
            return checker.complain(node, "type-mismatch", message, "write a number between 1e-300 and 1e300")
        return DOUBLE
    if "." in text:
        whole, _, fraction = text.lstrip("-").partition(".")
        precision = max(len(whole.lstrip("0")) + len(fraction), 1)
        if precision > 38:
            return checker.complain(node, "type-mismatch", f"{text} has more than 38 digits")
        return decimal(precision, len(fraction))
    value = int(text)
    if not -(2**63) <= value < 2**63:
        return checker.complain(
            node, "type-mismatch", f"{text} does not fit into bigint", "cast a text: cast('...' as decimal(20,0))"
        )
    return INT if -(2**31) <= value < 2**31 else BIGINT


def visit_negation(checker: Checker, node: exp.Expr) -> Type:
    if isinstance(node.this, exp.Literal) and not node.this.is_string:
        node.this.meta[TYPE] = kind = _number(checker, node, f"-{node.this.this}")
        return kind
    kind = checker.visit(node.this)
    if not kind.is_numeric and kind != NULL:
        return checker.complain(node, "type-mismatch", f"`-` needs a number, but this is {kind}")
    return kind


def visit_cast(checker: Checker, node: exp.Expr) -> Type:
    assert isinstance(node, exp.Cast)
    source = checker.visit(node.this)
    if node.meta.get(IS_CLOCK):
        return TIMESTAMPTZ
    try:
        target = type_from_tree(node.to)
    except TypeTextError as error:
        fix = type_fix(error.name) or "the types are " + ", ".join(SCALARS)
        return checker.complain(node, "unknown-type", str(error), fix)
    if not castable(source, target):
        fix = "round it and cast it to decimal first" if target == STRING and source.is_numeric else ""
        if {source, target} == {DATE, TIMESTAMPTZ}:
            fix = "name the time zone: " + (
                f"cast(from_utc_timestamp({detail(node.this)}, 'UTC') as date)"
                if source == TIMESTAMPTZ
                else f"to_utc_timestamp(cast({detail(node.this)} as timestamp), 'UTC')"
            )
        return checker.complain(node, "type-mismatch", f"a {source} cannot be cast to {target}", fix)
    if target in (DATE, TIMESTAMP) and is_moment_word(node.this):
        return checker.complain(
            node,
            "type-mismatch",
            f"{detail(node.this)} means a different time in every run",
            "use a param of that type",
        )
    misfit = None if isinstance(node, exp.TryCast) else misfit_of_cast(node.this, target)
    if misfit:
        return checker.complain(node, "type-mismatch", *misfit)
    if TIMESTAMPTZ in (source, target) and STRING in (source, target):
        return _instant_cast(checker, node, target)
    node.set("to", data_type(target))
    return target


def visit_boolean(checker: Checker, node: exp.Expr) -> Type:
    # A long chain is nested to the left: use a loop here, not recursion.
    operands = list(node.flatten(unnest=False)) if isinstance(node, exp.Connector) else [node.this]
    for link in _links(node) if isinstance(node, exp.Connector) else ():
        link.meta[TYPE] = BOOLEAN
    for operand in operands:
        kind = checker.visit(operand)
        if kind not in (BOOLEAN, NULL):
            checker.complain(operand, "type-mismatch", f"`{_WORDS[type(node)]}` joins conditions, but this is {kind}")
    return BOOLEAN


def _links(chain: exp.Expr) -> Iterator[exp.Expr]:
    """The operators inside a chain of `and` or `or`."""
    return (node for node in chain.walk(prune=lambda node: type(node) is not type(chain)) if type(node) is type(chain))


def _instant_cast(checker: Checker, node: exp.Cast, target: Type) -> Type:
    """Turn a cast between text and instant into a function call; a literal becomes its clock time in UTC."""
    text = text_of(node.this)
    if target == STRING:
        clock = cast(
            exp.Anonymous(this="from_utc_timestamp", expressions=[node.this.copy(), exp.Literal.string("UTC")]), STRING
        )
        written = exp.DPipe(this=clock, expression=exp.Literal.string("Z"))
        replacement: exp.Expr = exp.Paren(this=written)
    elif text is not None and is_moment(text, TIMESTAMPTZ):
        hold_clock(node, text)
        return target
    else:
        name = "try_to_timestamptz" if isinstance(node, exp.TryCast) else "to_timestamptz"
        replacement = exp.Anonymous(this=name, expressions=[node.this.copy()])
    replacement.meta.update({name: value for name, value in node.meta.items() if name != TYPE})
    node.replace(replacement)
    return checker.visit(replacement)


def visit_arithmetic(checker: Checker, node: exp.Expr) -> Type:
    before = len(checker.problems)
    left, right = checker.visit(node.this), checker.visit(node.expression)
    if len(checker.problems) > before:
        return NULL  # what the operands are is not known
    for child, kind in ((node.this, left), (node.expression, right)):
        if not kind.is_numeric and kind != NULL:
            fix = _moment_fix(node, left, right) if kind in MOMENTS else "cast it to a number"
            if isinstance(node, exp.Add) and STRING in (left, right):
                fix += ", or join texts with `||`"
            return checker.complain(child, "type-mismatch", f"arithmetic needs numbers, but this is {kind}", fix)
    zero = zero_divisor([node.this, node.expression], (left, right)) if isinstance(node, _DIVISIONS) else None
    if zero:
        return checker.complain(node.expression, zero.code, zero.message, zero.fix)
    if isinstance(node, exp.Div):
        return DOUBLE
    shared = common_type((left, right))
    if isinstance(node, exp.IntDiv):
        if shared is not None and (shared.is_integer or shared == NULL):
            return BIGINT
        return checker.complain(node, "type-mismatch", "`div` divides integers", "use `/` and `floor`")
    if shared is None or shared.name == "decimal":
        return _decimal_arithmetic(
            checker, node, decimal_operand(node.this, left), decimal_operand(node.expression, right)
        )
    return shared


def _moment_fix(node: exp.Expr, left: Type, right: Type) -> str:
    """What to write for arithmetic with dates and timestamps."""
    if left == DATE and right.is_integer and isinstance(node, (exp.Add, exp.Sub)):
        name = "date_add" if isinstance(node, exp.Add) else "date_sub"
        return f"write {name}({detail(node.this)}, {detail(node.expression)})"
    if not isinstance(node, exp.Sub) or not {left, right} <= set(MOMENTS):
        return "add an interval: `day + interval 3 days`; `date_add(day, n)` takes a number of a column"
    if {left, right} == {DATE}:
        return f"write datediff({detail(node.this)}, {detail(node.expression)}), or compare it: `{detail(node)} > interval 3 days`"
    wanted = TIMESTAMPTZ if TIMESTAMPTZ in (left, right) else TIMESTAMP
    later, earlier = _on_clock(node.this, left, wanted), _on_clock(node.expression, right, wanted)
    return f"write timestampdiff('second', {earlier}, {later}), or compare it: `{later} - {earlier} > interval 3 hours`"


def _on_clock(node: exp.Expr, kind: Type, wanted: Type) -> str:
    """How to write a value as a timestamp, or as an instant."""
    text = f"cast({detail(node)} as timestamp)" if kind == DATE else detail(node)
    return f"to_utc_timestamp({text}, 'UTC')" if wanted == TIMESTAMPTZ != kind else text


def _decimal_arithmetic(checker: Checker, node: exp.Expr, left: Type, right: Type) -> Type:
    """Spark's rules for +, -, * and % of decimals; results that would lose digits after the point are refused."""
    if isinstance(node, exp.Mod):
        if common_type((left, right)) is None:
            message = f"the remainder of {left} by {right} would need more than 38 digits"
            return checker.complain(node, "type-mismatch", message, "cast one of them to a smaller decimal")
        return decimal_remainder(left, right)
    if isinstance(node, exp.Mul):
        precision, scale = left.precision + right.precision + 1, left.scale + right.scale
    else:
        scale = max(left.scale, right.scale)
        precision = max(left.precision - left.scale, right.precision - right.scale) + scale + 1
    if precision > 38 and scale > 6:
        message = (
            f"the result would need {precision} digits, {scale} of them after the decimal point; at most 38 are allowed"
        )
        return checker.complain(node, "type-mismatch", message, "cast an operand to a smaller decimal, or to double")
    return decimal(min(38, precision), scale)


def visit_bitwise(checker: Checker, node: exp.Expr) -> Type:
    types = tuple(checker.visit(child) for child in node.iter_expressions())
    if not all(kind.is_integer for kind in types):
        return checker.complain(node, "type-mismatch", "bitwise operators need integers")
    return common_type(types) or types[0]


def visit_text(checker: Checker, node: exp.Expr) -> Type:
    for child in node.iter_expressions():
        kind = checker.visit(child)
        if kind not in (STRING, NULL):
            checker.complain(child, "type-mismatch", f"text is expected here, but this is {kind}", "cast it to string")
    return STRING if isinstance(node, exp.DPipe) else BOOLEAN


def visit_like(checker: Checker, node: exp.Expr) -> Type:
    visit_text(checker, node)
    pattern = text_of(node.expression)
    if pattern is None:
        return checker.complain(node.expression, "expression-not-allowed", "a pattern must be a literal text")
    if not re.fullmatch(r"(?:[^\\]|\\[%_\\])*", pattern, re.DOTALL):
        fix = "write `\\\\` for the character"
        return checker.complain(
            node.expression, "wrong-arguments", "in a pattern `\\` is allowed only before `%`, `_` and `\\`", fix
        )
    return BOOLEAN


def visit_is(checker: Checker, node: exp.Expr) -> Type:
    kind = checker.visit(node.this)
    if isinstance(node.expression, exp.Boolean) and kind not in (BOOLEAN, NULL):
        return checker.complain(node, "type-mismatch", f"`is true` needs a condition, but this is {kind}")
    checker.visit(node.expression)
    return BOOLEAN


def visit_case(checker: Checker, node: exp.Expr) -> Type:
    assert isinstance(node, exp.Case)
    branches = list(node.args["ifs"])
    if node.this:
        refuse_null_branches(checker, node)
        ordered(checker, comparable(checker, [node.this, *(branch.this for branch in branches)], node), node)
    else:
        for branch in branches:
            kind = checker.visit(branch.this)
            if kind not in (BOOLEAN, NULL):
                checker.complain(branch.this, "type-mismatch", f"`when` needs a condition, but this is {kind}")
    results = [branch.args["true"] for branch in branches]
    default = node.args.get("default")
    return comparable(checker, [*results, *([default] if default else [])], node)


def visit_index(checker: Checker, node: exp.Expr) -> Type:
    kind = checker.visit(node.this)
    if len(node.expressions) != 1:
        return checker.complain(node, "expression-not-allowed", "`[...]` takes one position")
    index = checker.visit(node.expressions[0])
    if kind.entry is not None:
        key_of_map(checker, node.expressions[0], index, kind)
        return kind.entry[1]
    if kind.element is None:
        fix = f"write `.{kind.fields[0][0]}` for a field" if kind.fields else ""
        return checker.complain(node, "type-mismatch", f"`[...]` needs an array or a map, but this is {kind}", fix)
    if not index.is_integer:
        return checker.complain(node.expressions[0], "type-mismatch", f"a position is an integer, but this is {index}")
    return kind.element


def key_of_map(checker: Checker, node: exp.Expr, found: Type, of: Type) -> None:
    """Check the key of a map lookup: a literal text is read as a date, an integer is widened, in place."""
    if of.entry is None:
        return
    wanted = of.entry[0]
    if wanted == DATE:
        found = as_moment(checker, node, found, DATE)
    if found == wanted:
        return
    if found != NULL and not (found.is_integer and common_type((found, wanted)) == wanted):
        checker.complain(node, "type-mismatch", f"the keys are {wanted}, but this is {found}", f"cast it to {wanted}")
        return
    replacement = cast(node.copy(), wanted)
    replacement.meta[TYPE] = wanted
    node.replace(replacement)


def visit_paren(checker: Checker, node: exp.Expr) -> Type:
    return checker.visit(node.this)


OPERATORS: dict[type[exp.Expr], Rule] = {
    exp.Literal: visit_literal,
    exp.Boolean: lambda checker, node: BOOLEAN,
    exp.Null: lambda checker, node: NULL,
    exp.Paren: visit_paren,
    exp.Cast: visit_cast,
    exp.TryCast: visit_cast,
    exp.Case: visit_case,
    exp.Is: visit_is,
    exp.Neg: visit_negation,
    exp.DPipe: visit_text,
    exp.Like: visit_like,
    exp.Bracket: visit_index,
    **dict.fromkeys((exp.And, exp.Or, exp.Not), visit_boolean),
    **COMPARISONS,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod), visit_arithmetic),
    **dict.fromkeys((exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot), visit_bitwise),
}
