"""A function that ends a chain: the rows of the chain are those that the function gave, wherever the rows before it are."""

from __future__ import annotations

from pathlib import Path

import pytest

from etlrun.compiler.plan import make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.statement import relation_statement
from projects import Project

SPEC = """sources:
  sales: {csv: {path: sales.csv, columns: {shop: string, units: bigint}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: shop, columns: {units: sum(units)}}
    - python: {function: "mine:twice", mode: batches, where: executors, columns: {shop: string, units: bigint}}
sinks:
  out: {files: {from: totals, path: out.csv}}
"""


@pytest.mark.parametrize("ready", [{"sales", "totals"}, {"sales", "totals", "totals.1"}])
def test_its_rows_are_read_by_name_and_never_computed_from_the_rows_before_it(ready: set[str], tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("mine.py", "def twice(batches):\n    yield from batches\n")
    path = project.pipeline(SPEC)
    plan = make_plan(check_file(tmp_path / path))
    for dialect in ("spark", "duckdb"):
        assert "units" not in relation_statement(plan, "totals", dialect, ready).text
