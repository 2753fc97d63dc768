"""Operators that engines order differently stand in brackets, and the others bind as the documentation says."""

from __future__ import annotations

import pytest
from sqlglot import exp

from etlrun.language.expressions import ExpressionError, parse
from etlrun.language.precedence import TIGHTEST_FIRST


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("a | b & c", "a | b"),
        ("a & b ^ c", "a & b"),
        ("a = b = c", "a = b"),
        ("a = b < c", "b < c"),
        ("a = b in (1, 2)", "b in (1, 2)"),
        ("a = b between c and d", "b between c and d"),
        ("a = not b", "not b"),
        ("a = b like 'x'", "b like 'x'"),
        ("a IS NULL is true", "a IS NULL"),
        ("a IN (b, NULL) is true", "a IN (b, NULL)"),
        ("a in (1, 2) is not true", "a in (1, 2)"),
        ("a between b and c is null", "a between b and c"),
        ("not a like 'x' is false", "a like 'x'"),
    ],
)
def test_operators_of_no_common_order_need_brackets(text: str, operand: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert problem.fix == f"put this in brackets: ({operand})"
    parse(text.replace(operand, f"({operand})"))


@pytest.mark.parametrize(
    ("text", "operand"),
    [
        ("cast(a as string) = b = c", "CAST(a AS STRING) = b"),
        ("a::string = b = c", "CAST(a AS STRING) = b"),
        ("extract(year from d) = 1 = b", "EXTRACT(YEAR FROM d) = 1"),
        ("case when a then 1 end = 2 = b", "CASE WHEN a THEN 1 END = 2"),
        ("date '2022-01-01' = b = c", "CAST('2022-01-01' AS DATE) = b"),
        ("-a = b = c", "-a = b"),
    ],
)
def test_the_whole_operand_is_shown_where_it_begins_with_a_word_of_sql(text: str, operand: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert problem.fix == f"put this in brackets: ({operand})"
    parse(f"({operand}) = c")


def test_operators_bind_in_the_order_of_the_documentation() -> None:
    binary = [one for row in TIGHTEST_FIRST for one in row.written if one.startswith("a ") and one.endswith(" b")]
    signs = [one.removeprefix("a ").removesuffix(" b") for one in binary]
    for at, tight in enumerate(signs):
        for loose in signs[at + 1 :]:
            if _is_refused(f"a {tight} b {loose} c"):
                continue
            assert _binds_first(tight, loose), (tight, loose)


def _is_refused(text: str) -> bool:
    try:
        parse(text)
    except ExpressionError:
        return True
    return False


def _binds_first(tight: str, loose: str) -> bool:
    return _shape(f"a {tight} b {loose} c") == _shape(f"(a {tight} b) {loose} c")


def _shape(text: str) -> exp.Expr:
    """The tree of an expression without its brackets."""
    return parse(text).transform(lambda node: node.this if isinstance(node, exp.Paren) else node)
