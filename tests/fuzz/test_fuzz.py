"""A short run of every subject of the fuzzing, from fixed seeds: `make fuzz` runs for an hour from any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from etlrun.spec.registry import kinds

from .__main__ import SUBJECTS
from .engines import Engines
from .functions import untried
from .steps import MAKERS


@pytest.fixture(scope="module")
def engines(spark: Any) -> Iterator[Engines]:
    with duckdb.connect() as connection:
        yield Engines(lambda: spark, connection)


def test_every_function_can_be_tried() -> None:
    assert untried(1) == []


def test_every_step_that_runs_in_sql_can_be_tried() -> None:
    assert {name.rstrip("_") for name in MAKERS} == set(kinds("steps")) - {"from", "python", "enrich"}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_nothing_differs(subject: str, engines: Engines) -> None:
    trial = SUBJECTS[subject](1, engines)
    assert trial.tried > 0
    assert trial.findings == ()
