"""Ranges of a table that tasks on other machines read: the rows of one snapshot where the server can share it, and no secret in what is sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from warehouses import Target

from etlrun.contracts.connection import Copy, Moment
from etlrun.contracts.source import RunTasks
from etlrun.failures import RunFailure
from etlrun.reading import slice_task
from etlrun.reading.task_folder import TaskFolder
from etlrun.sources._table_ranges import copy_in_tasks
from etlrun.spec.project import Use
from etlrun.warehouse.opening import ConnectionOpener
from mysql.loads import columns_of
from postgres.server import PostgresProcess
from projects import Project

ROWS = 120_000  # more than one connection is worth
COLUMNS = columns_of({"id": "bigint", "shop": "string"})
MOMENTS: dict[str, Moment] = {"mysql": "each", "postgres": "one"}
PROJECT = """profiles:
  fast: {engine: {duckdb: {}}, connections: {shop: {postgres: {url: "${SHOP_URL}"}}}}
  local: {engine: {spark: {master: "local[2]", memory: 1g, read: tasks}}, connections: {shop: {postgres: {url: "${SHOP_URL}"}}}}
"""
SPEC = """sources:
  visits: {table: {connection: shop, table: visits, read: tasks, columns: {id: bigint, shop: string}}}
steps:
  totals:
    - from: visits
    - aggregate: {by: [shop], columns: {rows: count(*), ids: sum(id)}}
sinks:
  totals: {files: {from: totals, path: totals.csv}}
"""


def fill(run: Callable[..., object], rows: int = ROWS) -> list[tuple[Any, ...]]:
    """The table `visits`, and its rows."""
    values = [(3 * number, f"Tiệm {number % 7}") for number in range(rows)]
    run("CREATE TABLE visits (id BIGINT PRIMARY KEY, shop VARCHAR(20))")
    for start in range(0, rows, 20_000):
        run(
            "INSERT INTO visits VALUES " + ", ".join(f"({id}, '{shop}')" for id, shop in values[start : start + 20_000])
        )
    return values


def analyze(target: Target) -> None:
    target.run("ANALYZE TABLE visits" if target.kind == "mysql" else "ANALYZE visits")


def copied(target: Target, folder: Path, moment: Moment, run_tasks: RunTasks) -> Copy | None:
    opener = ConnectionOpener("shop", Use(target.kind, target.connection(url="${SHOP_URL}"), ()), folder)
    folder.mkdir()
    return copy_in_tasks(target.open(), "visits", COLUMNS, moment, TaskFolder(folder), opener, run_tasks)


def in_any_order(payload: bytes, count: int) -> list[str]:
    """The answers of tasks in this process, each run twice."""
    numbers = random.Random(count).sample(range(count), count)
    answers = {number: [slice_task.answer(payload, number) for _ in range(2)][1] for number in numbers}
    return [answers[number] for number in range(count)]


def rows_of(copy: Copy | None) -> list[tuple[Any, ...]]:
    assert copy is not None
    return sorted(tuple(row.values()) for path in copy.files for row in pq.read_table(path).to_pylist())


def test_tasks_read_every_row_once_and_one_snapshot_while_others_write(
    served: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_URL", served.keys["url"])
    expected, payloads = fill(served.run), []
    analyze(served)

    def run_tasks(payload: bytes, count: int) -> list[str]:
        payloads.append(payload)
        if served.kind == "postgres":
            served.run("UPDATE visits SET shop = 'moved' WHERE id % 2 = 0", "DELETE FROM visits WHERE id % 5 = 0")
        assert count == 4
        return in_any_order(payload, count)

    assert rows_of(copied(served, tmp_path / "rows", MOMENTS[served.kind], run_tasks)) == expected
    assert served.keys["url"].encode() not in payloads[0] and b"SHOP_URL" in payloads[0]


def test_a_small_table_is_left_to_the_driver(served: Target, tmp_path: Path) -> None:
    fill(served.run, 10)
    analyze(served)
    assert copied(served, tmp_path / "rows", MOMENTS[served.kind], in_any_order) is None


def test_what_a_task_lacks_is_named(served: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(served.run)
    analyze(served)
    monkeypatch.delenv("SHOP_URL", raising=False)
    with pytest.raises(RunFailure) as failure:
        copied(served, tmp_path / "rows", MOMENTS[served.kind], in_any_order)
    assert failure.value.code == "missing-variable"
    assert "`SHOP_URL` is not set" in failure.value.message and "executors need it too" in failure.value.fix


@pytest.mark.parametrize("moment", ["one", "each"])
def test_a_server_that_cannot_share_a_moment_is_refused(target: Target, moment: Moment, tmp_path: Path) -> None:
    if target.kind == "postgres" or (target.kind, moment) == ("mysql", "each"):
        fill(target.run, 10)
        with target.open().shared("visits", moment) as ranges:
            assert ranges.conditions == ("",)
        return
    with pytest.raises(RunFailure) as failure, target.open().shared("visits", moment):
        pass
    assert failure.value.code == "not-shared"
    assert failure.value.message == "executors cannot read one snapshot of the table `visits`"
    either = "write `moment: each` in the source, or " if target.kind == "mysql" else ""
    assert failure.value.fix == f"{either}remove `read: tasks` from it"


def test_executors_of_spark_give_the_rows_of_duckdb(postgres_server: PostgresProcess, tmp_path: Path) -> None:
    postgres_server.run("CREATE DATABASE tasks")
    run = lambda *statements: postgres_server.run(*statements, database="tasks")  # noqa: E731
    fill(run)
    run("ANALYZE visits", "ALTER DATABASE tasks SET log_statement = 'all'")
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    path, found = project.pipeline(SPEC), {}
    for profile in ("fast", "local"):
        url = f"postgresql://root@127.0.0.1:{postgres_server.port}/tasks"
        result = project.run("run", path, "--profile", profile, SHOP_URL=url)
        assert result.code == 0, result.err
        found[profile] = (tmp_path / "totals.csv").read_text(), (postgres_server.folder / "log").read_text()
    assert found["fast"][0] == found["local"][0]
    assert found["fast"][0].startswith("shop,rows,ids\n")
    read_by_tasks = found["local"][1].removeprefix(found["fast"][1])
    assert read_by_tasks.count("SET TRANSACTION SNAPSHOT") == read_by_tasks.count('COPY (SELECT "id", "shop"') == 4
