"""A condition of `replace_where` is fulfilled by the same rows on every server and in the plan, or it is refused."""

from __future__ import annotations

import random
from pathlib import Path

import duckdb
import pytest
from warehouses import Target

from etlrun.failures import RunFailure
from etlrun.language.dialects import DUCKDB_SETTINGS, duckdb_sql
from etlrun.language.expressions import ExpressionError
from etlrun.warehouse.database import Warehouse
from mysql.loads import condition_of, make_load
from mysql.test_conditions import COLUMNS, DECLARED, a_condition, rows_of

CONDITIONS = 300


@pytest.mark.parametrize("seed", range(3))
def test_random_conditions_find_the_rows_that_the_plan_finds(served: Target, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    rows = [row for row in rows_of(chance, 400) if not any(isinstance(value, str) and "\0" in value for value in row)]
    load = make_load(tmp_path, rows, DECLARED, key=("id",), parts=1)
    warehouse = served.open()
    assert isinstance(warehouse, Warehouse)
    warehouse.publish(load)
    differing, known = [], 0
    with duckdb.connect(config=DUCKDB_SETTINGS) as plan, served.cursor() as cursor:
        plan.execute(f"CREATE TABLE profile AS SELECT * FROM read_parquet('{load.files[0]}')")
        for text in (a_condition(chance) for _ in range(CONDITIONS)):
            try:
                tree = condition_of(text, COLUMNS)
                assert tree is not None
                condition = warehouse.server.condition(tree)
            except (ExpressionError, RunFailure):
                continue
            known += 1
            cursor.execute(f"SELECT id FROM profile WHERE {condition} ORDER BY id")
            if [*cursor.fetchall()] != plan.execute(
                f"SELECT id FROM profile WHERE {duckdb_sql(tree)} ORDER BY id"
            ).fetchall():
                differing.append((text, condition))
    assert differing == []
    assert known > 100
