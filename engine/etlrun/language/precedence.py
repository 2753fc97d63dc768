"""The operators of the expression language, those that bind tightest first: their types, and what they do with null and overflow.

Engines and the parser do not agree which of two comparisons, or of two unlike operators of bits, binds tighter: those stand in brackets.
The rules of types are in `operators` and `moments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Operators:
    """Operators that bind equally, from left to right: how they are written, what they take, and what they give."""

    written: tuple[str, ...]
    takes: str
    gives: str


TIGHTEST_FIRST: tuple[Operators, ...] = (
    Operators(
        ("a.b", "a[0]", "a['k']"),
        "a struct; an array and a whole number, counted from 0; a map and a key",
        "the field; the element, an error where there is none; the value of the key, null where there is none",
    ),
    Operators(("-a", "~a"), "a number; an integer", "the same type; `-` of the least integer is an overflow"),
    Operators(
        ("a * b", "a / b", "a % b", "a div b"),
        "numbers; `div` integers",
        "`/` a double, `div` a bigint, else the wider type: decimals get as many digits as they need, up to 38. By zero is an error; an "
        "overflow is, too",
    ),
    Operators(
        ("a + b", "a - b", "a || b"),
        "numbers; a date or timestamp and an `interval`; `||` texts",
        "the wider type; an overflow is an error. A month that is shorter ends with its last day",
    ),
    Operators(
        ("a & b", "a ^ b", "a | b"),
        "integers; one beside another kind stands in brackets",
        "the wider type, bit by bit",
    ),
    Operators(
        (
            "a = b",
            "a <> b",
            "a < b",
            "a <= b",
            "a > b",
            "a >= b",
            "a <=> b",
            "a between b and c",
            "a in (b, c)",
            "a like 'x%'",
            "a rlike 'x'",
        ),
        "two values of one type: numbers are widened, and decimals of any digits compare exactly; a literal text beside a date is read "
        "as a date; NaN equals itself and is the greatest. "
        "`like` and `rlike` take texts, and a literal pattern. A comparison of a comparison stands in brackets",
        "a boolean, null where an operand is that decides; `<=>` is true for two nulls and false for one; `in` is null where nothing equals and "
        "one is null",
    ),
    Operators(
        ("a is null", "a is not null", "a is true", "a is not false"),
        "any value; a boolean. What `in`, `between`, `like` or another `is` gives stands in brackets",
        "a boolean, never null",
    ),
    Operators(("not a",), "a boolean", "a boolean; null of null"),
    Operators(("a and b",), "booleans", "false where one is false, else null where one is null"),
    Operators(("a or b",), "booleans", "true where one is true, else null where one is null"),
)

COMPARISONS: tuple[type[exp.Expr], ...] = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Between, exp.In, exp.Like, exp.RegexpLike),
)
OF_BITS: tuple[type[exp.Expr], ...] = (exp.BitwiseAnd, exp.BitwiseXor, exp.BitwiseOr)
_LOOSER = (*COMPARISONS, exp.Is, exp.Not, exp.And, exp.Or)


def loose_operands(node: exp.Expr) -> Iterator[exp.Expr]:
    """The operands of a node that engines may take for operands of another, since no brackets are around them."""
    for operand in node.iter_expressions():
        if isinstance(node, (*COMPARISONS, exp.Is)):
            is_loose = isinstance(operand, _LOOSER) and not _is_listed(node, operand)
        else:
            is_loose = isinstance(node, OF_BITS) and isinstance(operand, OF_BITS) and type(operand) is not type(node)
        if is_loose:
            yield operand


def _is_listed(node: exp.Expr, operand: exp.Expr) -> bool:
    """Whether commas keep an operand apart: in the list of `in`."""
    return isinstance(node, exp.In) and operand.arg_key == "expressions"
