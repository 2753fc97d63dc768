"""A rerun after the failure of a later sink appends nothing twice, and is known as done by the runs after it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from projects import Project

PROJECT = """profiles:
  dev: {engine: {duckdb: {}}, connections: {one: {duckdb: one.duckdb}, two: {duckdb: two.duckdb}}}
"""
EVENTS = """sources: {rows: {csv: {path: rows.csv, columns: {id: bigint not null}}}}
sinks:
  a: {table: {from: rows, connection: one, write: append}}
  b: {table: {from: rows, connection: two, write: append}}
"""


def ids(folder: Path, database: str, table: str) -> list[int]:
    with duckdb.connect(folder / database, read_only=True) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id").fetchall()]


def test_a_rerun_after_a_later_sink_failed_appends_once_and_is_unchanged_then(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    project.write("rows.csv", "id\n1\n2000\n")
    project.pipeline(EVENTS, "events")
    with duckdb.connect(tmp_path / "two.duckdb") as connection:
        connection.execute("CREATE TABLE b (id BIGINT NOT NULL, CHECK (id < 1000))")
    failed = project.run("run")
    assert (failed.code, "published before: a" in failed.err) == (1, True), failed.err
    with duckdb.connect(tmp_path / "two.duckdb") as connection:
        connection.execute("DROP TABLE b")
    assert "a (2), b (2)" in project.run("retry").err
    assert "a (2), b (2)" in project.run("runs").out
    assert "1 unchanged" in project.run("run").err
    assert (ids(tmp_path, "one.duckdb", "a"), ids(tmp_path, "two.duckdb", "b")) == ([1, 2000], [1, 2000])


def test_what_a_failed_run_appended_is_not_appended_again_where_the_input_has_grown(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    project.write("rows.csv", "id\n1\n2000\n")
    project.pipeline(EVENTS, "events")
    with duckdb.connect(tmp_path / "two.duckdb") as connection:
        connection.execute("CREATE TABLE b (id BIGINT NOT NULL, CHECK (id < 1000))")
    assert project.run("run").code == 1
    with duckdb.connect(tmp_path / "two.duckdb") as connection:
        connection.execute("DROP TABLE b")
    project.write("rows.csv", "id\n1\n2000\n3\n")
    assert "only publishes the rest of them; the next run reads new data" in project.run("events").err
    assert ids(tmp_path, "one.duckdb", "a") == ids(tmp_path, "two.duckdb", "b") == [1, 2000]
    project.write("rows.csv", "id\n3\n")
    assert project.run("run").code == 0
    assert ids(tmp_path, "one.duckdb", "a") == ids(tmp_path, "two.duckdb", "b") == [1, 3, 2000]


LAKE = """profiles:
  dev:
    engine: {duckdb: {}}
    connections:
      lake: {iceberg: {uri: "sqlite:///catalog.db", warehouse: tables}}
"""
KILLED = """import os, signal, sys
from etlrun.cli.main import main
from etlrun.lake.lake_sink import LakeSink
publish = LakeSink.publish
def killed(sink, publication):
    publish(sink, publication)
    os.kill(os.getpid(), signal.SIGKILL)
LakeSink.publish = killed
sys.argv = ["etlrun", "run", "events"]
main()
"""


@pytest.mark.parametrize(
    "sink", ["delta: {from: rows, path: out/a,", "iceberg: {from: rows, connection: lake, table: gold.a,"]
)
def test_what_a_run_appended_to_a_lake_before_it_was_killed_is_not_appended_again_where_the_input_has_grown(
    sink: str, tmp_path: Path
) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", LAKE)
    project.write("rows.csv", "id\n1\n2000\n")
    columns = "sources: {rows: {csv: {path: rows.csv, columns: {id: bigint}}}}\n"
    project.pipeline(f"{columns}sinks:\n  a:\n    {sink} write: append}}\n", "events")
    killed = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    project.write("rows.csv", "id\n1\n2000\n3\n")
    ended = project.run("events")
    assert ended.code == 0 and "only publishes the rest of them; the next run reads new data" in ended.err, ended.err
    project.write("rows.csv", "id\n3\n")
    assert project.run("events").code == 0
    kind = sink.partition(":")[0]
    place = "path: out/a" if kind == "delta" else "connection: lake, table: gold.a"
    project.pipeline(f"sources: {{a: {{{kind}: {{{place}, columns: {{id: bigint}}}}}}}}\n", "seen")
    shown = project.run("show", "seen", "a", "--json").out
    assert sorted(json.loads(line)["id"] for line in shown.splitlines()) == [1, 3, 2000]
