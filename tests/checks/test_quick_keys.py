"""Whether a key repeats, seen from rows in the order of the file: never a wrong yes, and no look for equal rows where they rise."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.checks.unique import Unique
from etlrun.contracts.engine import EngineSession, ParquetFiles, Workspace
from etlrun.engines._duckdb import start_session
from etlrun.language.columns import BIGINT, Column, Columns

VALUES = (None, 1, 2)


def quick(session: EngineSession, rows: list[dict[str, Any]], *keys: str) -> Any:
    columns = pa.schema([(key, pa.int64()) for key in ("v0", "b0")])
    session.take_rows("rows", pa.Table.from_pylist(rows, columns))
    return Unique(columns=keys).quick_row(session, "rows")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    session = start_session(Workspace(tmp_path_factory.mktemp("session")), 1, "")
    yield session
    session.close()


def test_rows_that_rise_are_all_different(session: EngineSession) -> None:
    rows = [{"v0": number // 3, "b0": number % 3} for number in range(100)]
    assert quick(session, rows, "v0", "b0") == {"rows": 100, "repeated": 0}
    assert quick(session, rows, "v0") is None
    assert quick(session, [], "v0") == {"rows": 0, "repeated": 0}


def test_rows_of_which_two_are_equal_never_pass(session: EngineSession) -> None:
    pairs = list(itertools.product(VALUES, repeat=2))
    for chosen in itertools.product(pairs, repeat=3):
        if len(set(chosen)) < len(chosen):
            assert quick(session, [{"v0": one, "b0": two} for one, two in chosen], "v0", "b0") is None


def test_rows_in_another_order_are_looked_at_whole(session: EngineSession) -> None:
    assert quick(session, [{"v0": 2, "b0": 1}, {"v0": 1, "b0": 1}], "v0", "b0") is None
    assert quick(session, [{"v0": 2, "b0": 1}, {"v0": None, "b0": 1}], "v0", "b0") is None


def test_a_file_of_many_groups_of_rows_is_read_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"id": pa.array(range(500_000), pa.int64())}), path, row_group_size=50_000)
    session = start_session(Workspace(tmp_path), 2, "")
    session.read_files("rows", Columns((Column("id", BIGINT),)), [ParquetFiles((str(path),))])
    assert Unique(columns=("id",)).quick_row(session, "rows") == {"rows": 500_000, "repeated": 0}
    session.close()
