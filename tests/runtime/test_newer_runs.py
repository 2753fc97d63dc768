"""A DuckDB file as a warehouse: a run gives way to the rows of those that started after it, as a server's database lets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from etlrun.connections._duckdb.warehouse_file import DuckdbWarehouse, open_warehouse
from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure
from mysql.loads import make_load, many
from projects import Project

FIRST, SECOND, THIRD = "20220501T000000Z-000001", "20220502T000000Z-000002", "20220503T000000Z-000003"
APRIL, MAY = many("2022-04", 2), many("2022-05", 1)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[DuckdbWarehouse]:
    opened = open_warehouse("warehouse", tmp_path / "warehouse.duckdb", writing=True)
    yield opened
    opened.close()


def rows(warehouse: DuckdbWarehouse) -> list[tuple[object, ...]]:
    return warehouse.connection.execute("SELECT * FROM profile ORDER BY ALL").fetchall()


@pytest.mark.parametrize("write", ["replace", "merge", "append"])
def test_an_older_run_does_not_write_over_a_newer_one_of_the_whole_table(
    warehouse: DuckdbWarehouse, tmp_path: Path, write: str
) -> None:
    warehouse.publish(make_load(tmp_path, MAY, run_id=SECOND))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(make_load(tmp_path, APRIL, write=write, run_id=FIRST))
    assert failure.value.code == "newer-run"
    assert failure.value.message == f"the table `profile` holds the rows of {SECOND}, which started after this run"
    assert rows(warehouse) == MAY
    assert [entry.run_id for entry in warehouse.entries()] == [SECOND]


def test_an_older_month_is_published_after_a_newer_run_of_another_month(
    warehouse: DuckdbWarehouse, tmp_path: Path
) -> None:
    warehouse.publish(make_load(tmp_path, MAY, where="month = '2022-05'", run_id=SECOND))
    warehouse.publish(make_load(tmp_path, APRIL, where="month = '2022-04'", run_id=FIRST))
    assert rows(warehouse) == [*APRIL, *MAY]


@pytest.mark.parametrize("where", ["month = '2022-04'", ""])
def test_an_older_month_gives_way_to_a_newer_run_of_it_or_of_all(
    warehouse: DuckdbWarehouse, tmp_path: Path, where: str
) -> None:
    warehouse.publish(make_load(tmp_path, APRIL, where=where, run_id=SECOND))
    with pytest.raises(RunFailure, match=SECOND):
        warehouse.publish(make_load(tmp_path, many("2022-04", 5), where="month = '2022-04'", run_id=FIRST))
    assert rows(warehouse) == APRIL


def test_an_older_run_of_all_gives_way_to_a_newer_month(warehouse: DuckdbWarehouse, tmp_path: Path) -> None:
    warehouse.publish(make_load(tmp_path, MAY, where="month = '2022-05'", run_id=SECOND))
    with pytest.raises(RunFailure, match=SECOND):
        warehouse.publish(make_load(tmp_path, APRIL, run_id=FIRST))
    assert rows(warehouse) == MAY


def test_a_month_that_a_later_run_of_all_replaced_is_not_taken_for_published(
    warehouse: DuckdbWarehouse, tmp_path: Path
) -> None:
    april = make_load(tmp_path, APRIL, where="month = '2022-04'", run_id=FIRST)
    warehouse.publish(april)
    warehouse.publish(make_load(tmp_path, MAY, run_id=SECOND))
    assert [(entry.period, entry.run_id) for entry in warehouse.entries()] == [("", SECOND)]
    with pytest.raises(RunFailure, match=SECOND):
        warehouse.publish(april)


def test_appends_are_added_in_any_order_and_once(warehouse: DuckdbWarehouse, tmp_path: Path) -> None:
    added = {
        run: make_load(tmp_path, many(month, 1), write="append", run_id=run)
        for run, month in ((SECOND, "2022-05"), (FIRST, "2022-04"))
    }
    assert [warehouse.publish(load) for load in added.values()] == [Published(1), Published(1)]
    assert [warehouse.publish(load) for load in added.values()] == [Published(1, was_there=True)] * 2
    assert rows(warehouse) == [*many("2022-04", 1), *many("2022-05", 1)]


def test_runs_of_the_same_second_replace_each_other_in_any_order(warehouse: DuckdbWarehouse, tmp_path: Path) -> None:
    warehouse.publish(make_load(tmp_path, APRIL, run_id="20220501T000000Z-f"))
    warehouse.publish(make_load(tmp_path, MAY, run_id="20220501T000000Z-0"))
    assert rows(warehouse) == MAY


def test_an_old_run_is_not_resumed_over_the_rows_of_a_newer_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    spec = "sources:\n  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}\n"
    spec += (
        "sinks:\n  totals: {table: {from: sales, connection: warehouse, table: totals, key: [shop], write: WRITE}}\n"
    )
    project.write("sales.csv", "shop,units\nA,1\n")
    replacing, adding = (
        project.pipeline(spec.replace("WRITE", "replace"), "replacing"),
        project.pipeline(spec.replace("WRITE", "append"), "adding"),
    )
    assert project.run(replacing, "-q").code == 0
    assert "key-exists" in project.run(adding).err
    (old,) = (run["run_id"] for run in project.run("runs", "--json").json["runs"] if run["status"] == "failed")
    project.write("sales.csv", "shop,units\nB,9\n")
    assert project.run(replacing, "-q").code == 0
    newer = started_an_hour_later(project, old)
    result = project.run("resume", old)
    assert result.code == 1
    assert f"newer-run: the table `totals` holds the rows of {newer}" in result.err
    assert project.table("totals") == [("B", 9)]


def started_an_hour_later(project: Project, run: str) -> str:
    """Let what is published be of a run an hour after `run`: nobody needs to wait for the clock."""
    start, _, rest = run.partition("-")
    later = f"{datetime.strptime(start, '%Y%m%dT%H%M%SZ') + timedelta(hours=1):%Y%m%dT%H%M%SZ}-{rest}"
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("UPDATE _etlrun_loads SET run_id = ?", [later])
    return later
