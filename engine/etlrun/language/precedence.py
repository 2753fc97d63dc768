"""The operators of the expression language in order of precedence: their types, and how they treat null and overflow.

Engines and the parser disagree about the precedence of two comparisons, and of two different bit operators: these need parentheses.
The rules of types are in `operators` and `moments`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True)
class Operators:
    """Operators of equal precedence, from left to right: how they are written, their operand types, and their result types."""

    written: tuple[str, ...]
    takes: str
    gives: str


TIGHTEST_FIRST: tuple[Operators, ...] = (
    Operators(
        ("a.b", "a[0]", "a['k']"),
        "a struct; an array and an integer, counted from 0; a map and a key",
        "the field; the element (an error if there is none); the value of the key (null if there is none)",
    ),
    Operators(("-a", "~a"), "a number; an integer", "the same type; `-` of the smallest integer is an overflow"),
    Operators(
        ("a * b", "a / b", "a % b", "a div b"),
        "numbers; integers for `div`",
        "a double for `/`, a bigint for `div`, otherwise the wider type; decimals get as many digits as they need, up to 38. Division by "
        "zero and overflow are errors",
    ),
    Operators(
        ("a + b", "a - b", "a || b"),
        "numbers; a date or timestamp and an `interval`; texts for `||`",
        "the wider type; overflow is an error. If the new month is too short, the result is its last day",
    ),
    Operators(
        ("a & b", "a ^ b", "a | b"),
        "integers; write brackets if you mix these operators",
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
        "two values of one type: numbers are converted to the wider type, and decimals are compared exactly; a text literal next to a date is read "
        "as a date; NaN equals itself and is larger than all other numbers. "
        "The difference of two dates or of two timestamps can be compared with intervals: `a - b > interval 3 days`, "
        "`a - b between interval 1 day and interval 2 days`. "
        "`like` and `rlike` take texts and a literal pattern. Write brackets if you compare the result of a comparison",
        "a boolean; null if an operand is null, unless the others decide (`between`); "
        "`<=>` is true for two nulls and false for one; `in` is null if no value is equal and "
        "one is null",
    ),
    Operators(
        ("a is null", "a is not null", "a is true", "a is not false"),
        "any value; a boolean for `is true` and `is not false`. Write brackets around `in`, `between`, `like` or another `is`",
        "a boolean, never null",
    ),
    Operators(("not a",), "a boolean", "a boolean; null for null"),
    Operators(("a and b",), "booleans", "false if one is false, otherwise null if one is null"),
    Operators(("a or b",), "booleans", "true if one is true, otherwise null if one is null"),
)

COMPARISONS: tuple[type[exp.Expr], ...] = (
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ, exp.NullSafeNEQ),
    *(exp.Between, exp.In, exp.Like, exp.RegexpLike),
)
OF_BITS: tuple[type[exp.Expr], ...] = (exp.BitwiseAnd, exp.BitwiseXor, exp.BitwiseOr)
_LOOSER = (*COMPARISONS, exp.Is, exp.Not, exp.And, exp.Or)


def loose_operands(node: exp.Expr) -> Iterator[exp.Expr]:
    """The operands without parentheses that an engine may assign to a different operator."""
    for operand in node.iter_expressions():
        if isinstance(node, (*COMPARISONS, exp.Is)):
            is_loose = isinstance(operand, _LOOSER) and not _is_listed(node, operand)
        else:
            is_loose = isinstance(node, OF_BITS) and isinstance(operand, OF_BITS) and type(operand) is not type(node)
        if is_loose:
            yield operand


def _is_listed(node: exp.Expr, operand: exp.Expr) -> bool:
    """Whether an operand is separated by commas: in the list of `in`."""
    return isinstance(node, exp.In) and operand.arg_key == "expressions"
