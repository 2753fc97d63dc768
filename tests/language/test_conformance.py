"""Every function, operator and cast of the expression language gives the declared type and the same values on both engines, or fails on both."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import duckdb
import pytest
from both_engines import Engines
from edge_rows import COLUMNS, ROWS
from folding_cases import AGGREGATES, WINDOWS
from operator_cases import AGGREGATE_ERRORS, CASTS, ERRORS, OPERATORS, TEXT_CASTS
from scalar_cases import SCALARS

from etlrun.language.functions import ROWS as FUNCTIONS

FEWEST = 2  # expressions for a function


@pytest.fixture(scope="module")
def engines(spark: Any) -> Iterator[Engines]:
    with duckdb.connect() as connection:
        yield Engines(spark, connection, COLUMNS, ROWS)


@pytest.mark.parametrize(
    ("kind", "cases"),
    [
        ("scalar", SCALARS),
        ("aggregate", AGGREGATES),
        ("window", {name: WINDOWS[name] for name in WINDOWS if name != "over"}),
    ],
)
def test_every_row_of_the_table_has_cases(kind: str, cases: dict[str, tuple[str, ...]]) -> None:
    few = [row.name for row in FUNCTIONS if row.kind == kind and len(cases.get(row.name, ())) < FEWEST]
    assert few == []
    assert set(cases) <= {row.name for row in FUNCTIONS if row.kind == kind}


def test_every_alias_is_tried() -> None:
    tried = " ".join(chain(*SCALARS.values(), *AGGREGATES.values(), *WINDOWS.values()))
    assert [
        alias for row in FUNCTIONS for alias in row.aliases if f"{alias}(" not in tried and f" {alias} " not in tried
    ] == []


def test_scalar_functions(engines: Engines) -> None:
    assert engines.differences(list(chain(*SCALARS.values()))) == []


def test_operators_and_literals(engines: Engines) -> None:
    assert engines.differences(OPERATORS) == []


def test_casts(engines: Engines) -> None:
    assert engines.differences(CASTS) == []


def test_casts_of_text_in_every_form(engines: Engines) -> None:
    assert engines.differences(TEXT_CASTS, "from rows where k = 1") == []


@pytest.mark.parametrize(
    "tail",
    ["from rows", "from rows group by g order by g_", "from rows where k = 3", "from rows where k < 0"],
    ids=["all", "groups", "only nulls", "no rows"],
)
def test_aggregates(engines: Engines, tail: str) -> None:
    assert engines.differences(list(chain(*AGGREGATES.values())), tail) == []


def test_windows(engines: Engines) -> None:
    assert engines.differences(list(chain(*WINDOWS.values()))) == []


@pytest.mark.parametrize("expressions", [ERRORS, AGGREGATE_ERRORS], ids=["rows", "groups"])
def test_what_must_fail_fails_on_both(engines: Engines, expressions: tuple[str, ...]) -> None:
    answers = {
        text: (engines.spark_answers([text], "from rows")[0], engines.duck_answers([text], "from rows")[0])
        for text in expressions
    }
    assert {text: pair for text, pair in answers.items() if not (pair[0].is_error and pair[1].is_error)} == {}
