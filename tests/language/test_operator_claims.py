"""What the table of operators in the documentation says of null, types and overflow holds on both engines."""

from __future__ import annotations

from typing import Any

import pytest
from both_engines import Engines

from etlrun.language.precedence import TIGHTEST_FIRST

COLUMNS = {
    "k": "int",
    "n": "int",
    "no": "int",
    "s": "string",
    "t": "string",
    "c": "boolean",
    "u": "boolean",
    "o": "struct<b: int>",
    "x": "array<int>",
    "m": "map<string, int>",
    "least": "bigint",
}
ROWS = [[1, 7, None, "x", None, True, None, None, [5], [("k", 3)], -(2**63)]]
NULLS = {  # for each operator, expressions with a null and what they are
    "a.b": {"o.b": None},
    "a[0]": {"x[0]": 5, "x[no]": None},
    "a['k']": {"m['k']": 3, "m['z']": None, "m[t]": None},
    "-a": {"-no": None},
    "~a": {"~no": None},
    "a * b": {"n * no": None},
    "a / b": {"n / no": None},
    "a % b": {"n % no": None},
    "a div b": {"n div no": None},
    "a + b": {"n + no": None},
    "a - b": {"n - no": None},
    "a || b": {"s || t": None},
    "a & b": {"n & no": None},
    "a ^ b": {"n ^ no": None},
    "a | b": {"n | no": None},
    "a = b": {"no = no": None},
    "a <> b": {"n <> no": None},
    "a < b": {"n < no": None},
    "a <= b": {"n <= no": None},
    "a > b": {"n > no": None},
    "a >= b": {"n >= no": None},
    "a <=> b": {"no <=> no": True, "n <=> no": False},
    "a between b and c": {"n between 1 and no": None, "n between 8 and no": False},
    "a in (b, c)": {"n in (7, no)": True, "n in (8, no)": None, "no in (7)": None},
    "a like 'x%'": {"t like 'x%'": None},
    "a rlike 'x'": {"t rlike 'x'": None},
    "a is null": {"no is null": True},
    "a is not null": {"no is not null": False},
    "a is true": {"u is true": False, "c is true": True},
    "a is not false": {"u is not false": True},
    "not a": {"not u": None},
    "a and b": {"u and not c": False, "u and c": None},
    "a or b": {"u or c": True, "u or not c": None},
}
ERRORS = (
    "x[1]",
    "-least",
    "n * 2147483647",
    "n + 2147483647",
    "-2147483647 - n",
    "n / (k - 1)",
    "n % (k - 1)",
    "n div (k - 1)",
)
TYPES = {
    "n / 2": "double",
    "n div 2": "bigint",
    "n + least": "bigint",
    "n & least": "bigint",
    "n + 0.5": "decimal(12,1)",
    "cast(n as decimal(30,2)) * cast(k as decimal(10,2))": "decimal(38,4)",
    "date'2024-01-31' + interval 1 month": "date",
}
MORE = {
    "date'2024-01-31' + interval 1 month = date'2024-02-29'": True,
    "cast('NaN' as double) = cast('NaN' as double)": True,
    "cast('NaN' as double) > 1e300": True,
    "date'2024-01-31' = '2024-01-31'": True,
}


@pytest.fixture
def engines(spark: Any, duck: Any) -> Engines:
    return Engines(spark, duck, COLUMNS, ROWS)


def test_every_operator_of_the_documentation_is_tried() -> None:
    assert list(NULLS) == [written for row in TIGHTEST_FIRST for written in row.written]


def test_operators_do_with_null_what_is_documented(engines: Engines) -> None:
    wanted = {text: repr(value) for case in (*NULLS.values(), MORE) for text, value in case.items()}
    for answers in (engines.duck_answers(list(wanted)), engines.spark_answers(list(wanted))):
        assert {text: answer.values[0] for text, answer in zip(wanted, answers, strict=True)} == wanted


def test_overflow_and_division_by_zero_are_errors(engines: Engines) -> None:
    for answers in (engines.duck_answers(ERRORS), engines.spark_answers(ERRORS)):
        assert [text for text, answer in zip(ERRORS, answers, strict=True) if not answer.is_error] == []


def test_operators_give_the_types_that_are_documented(engines: Engines) -> None:
    assert engines.differences(list(TYPES)) == []
    assert {
        text: str(answer.type) for text, answer in zip(TYPES, engines.duck_answers(list(TYPES)), strict=True)
    } == TYPES
