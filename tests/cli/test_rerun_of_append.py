"""A rerun after the failure of a later sink appends nothing twice, and is known as done by the runs after it."""

from __future__ import annotations

from pathlib import Path

import duckdb

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
    assert "a (0), b (2)" in project.run("retry").err
    assert "a (0), b (2)" in project.run("runs").out
    assert "1 unchanged" in project.run("run").err
    assert (ids(tmp_path, "one.duckdb", "a"), ids(tmp_path, "two.duckdb", "b")) == ([1, 2000], [1, 2000])
