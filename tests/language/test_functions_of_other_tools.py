"""Names of functions in other tools lead to what is written here, and what is written there passes the checker."""

from __future__ import annotations

import re

import pytest

from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import parse_select
from etlrun.language.functions import FUNCTIONS
from etlrun.language.functions.left_out import ELSEWHERE
from etlrun.language.problems import ExpressionError
from etlrun.language.queries import check_query
from etlrun.language.type_texts import parse_type

TYPES = {
    "w": "string",
    "day": "date",
    "earlier": "timestamp",
    "later": "timestamp",
    "value": "int",
    "order": "int",
    "condition": "boolean",
}
STEPS = ("parse", "window", "explode", "python", "json")
WHAT_X_MAY_BE = ("decimal(10,2)", "string", "bigint")


def columns(kind: str) -> Columns:
    types = {**TYPES, **dict.fromkeys(("x", "a", "b", "n"), kind)}
    return Columns(tuple(Column(name, parse_type(text)) for name, text in types.items()))


def passes(expression: str, kind: str) -> bool:
    try:
        check_query(parse_select(f"select {expression} as v from rows"), {"rows": columns(kind)})
    except ExpressionError:
        return False
    return True


def expressions(fix: str) -> list[str]:
    """The expressions of a fix such as `use f(x), or g(x)`."""
    found = re.match(r"(?:use|write) (.*)", fix)
    parts = re.split(r", (?:or|with|whose) ", found[1]) if found else []
    return [
        part.replace("`order`", "value").replace("order)", "value)").replace("TYPE", "int")
        for part in parts
        if re.search(r"[(/%]| is ", part) and "`" not in part
    ]


@pytest.mark.parametrize("fix", sorted(set(ELSEWHERE.values())))
def test_a_fix_is_an_expression_that_can_be_written(fix: str) -> None:
    for expression in expressions(fix):
        assert any(passes(expression, kind) for kind in WHAT_X_MAY_BE), expression
    for name in re.findall(r"`(\w+)(?:\(\w\))?`", fix):
        assert name in FUNCTIONS or name in STEPS or name in ("try_cast", "grouping")


@pytest.mark.parametrize("name", sorted(ELSEWHERE))
def test_a_name_of_another_tool_is_no_function_here(name: str) -> None:
    assert name not in FUNCTIONS
    assert name not in {alias for function in FUNCTIONS.values() for alias in function.aliases}
