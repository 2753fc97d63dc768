"""Decimals that no type of 38 digits holds side by side compare exactly, as Python's do, on both engines."""

from __future__ import annotations

import itertools
import operator
from decimal import Decimal
from typing import Any

import pytest
from both_engines import Engines

from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import ExpressionError, parse
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import check_expression

COLUMNS = {"k": "int", "w": "decimal(38,0)", "f": "decimal(38,38)", "m": "decimal(38,30)", "n": "bigint"}
PLACES = {"w": 0, "f": 38, "m": 30, "n": 0}
VALUES = ("0", "1", "-1", "0.5", "-0.5", "0.25", "-0.25", "7", "-7", "7.5", "-7.5")
LARGEST = {"w": "9" * 38, "f": "0." + "9" * 38, "m": "9" * 8 + "." + "9" * 30, "n": str(2**63 - 1)}
COMPARISONS = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _values(name: str) -> list[Decimal | None]:
    """Values of both signs that the column holds, the ends of its type, and null."""
    largest = Decimal(LARGEST[name])
    fitting = [Decimal(text) for text in VALUES if -Decimal(text).as_tuple().exponent <= PLACES[name]]  # type: ignore[operator]
    return [*(value for value in fitting if value.copy_abs() <= largest), largest, largest.copy_negate(), None]


def _pairs(one: str, other: str) -> list[dict[str, Any]]:
    """Rows in which every value of one column stands beside every value of another."""
    rows = []
    for at, (left, right) in enumerate(itertools.product(_values(one), _values(other))):
        rows.append({**dict.fromkeys(COLUMNS), "k": at, one: left, other: right})
    return rows


def _expected(sign: str, left: Decimal | None, right: Decimal | None) -> str:
    return repr(None if left is None or right is None else COMPARISONS[sign](left, right))


@pytest.mark.parametrize(("one", "other"), [("w", "f"), ("f", "m"), ("n", "m")])
def test_comparisons_are_exact(one: str, other: str, spark: Any, duck: Any) -> None:
    rows = _pairs(one, other)
    engines = Engines(spark, duck, COLUMNS, [[_plain(value, name) for name, value in row.items()] for row in rows])
    wanted = {f"{one} {sign} {other}": [_expected(sign, row[one], row[other]) for row in rows] for sign in COMPARISONS}
    wanted[f"{one} <=> {other}"] = [repr(row[one] == row[other]) for row in rows]
    wanted[f"{other} in ({one}, {other})"] = [_expected("=", row[other], row[other]) for row in rows]
    wanted[f"{one} between {other} and {other}"] = wanted[f"{one} = {other}"]
    expressions = list(wanted)
    for answers in (engines.duck_answers(expressions), engines.spark_answers(expressions)):
        found = {text: list(answer.values) for text, answer in zip(expressions, answers, strict=True)}
        assert found == wanted


def _plain(value: Any, name: str) -> Any:
    return int(value) if name == "n" and value is not None else value


def test_a_literal_takes_no_more_digits_than_it_has(spark: Any, duck: Any) -> None:
    values = [[at, None, None, value, None] for at, value in enumerate(_values("m"))]
    engines = Engines(spark, duck, COLUMNS, values)
    expressions = [
        "m > 0",
        "m in (-1, 7)",
        "m between -7 and (7)",
        "case when m < 0 then m else 0 end",
        "m % 1",
        "m % 3",
    ]
    assert engines.differences(expressions) == []
    negative = repr([value is not None and value < 0 for value in _values("m")])
    (found,) = engines.duck_answers(["coalesce(m < 0, false)"])
    assert f"[{', '.join(found.values)}]" == negative


@pytest.mark.parametrize("form", ["if({} > f, w, 1)", "if({} <=> f, w, 1)", "if({} between f and f, w, 1)"])
def test_comparisons_deep_inside_each_other_are_refused_before_they_are_written_out(form: str) -> None:
    deep = "w"
    for _ in range(12):
        deep = form.format(deep)
    columns = Columns(tuple(Column(name, parse_type(kind)) for name, kind in COLUMNS.items()))
    with pytest.raises(ExpressionError, match="are nested so deeply"):
        check_expression(parse(deep), (("", columns),), deep)
