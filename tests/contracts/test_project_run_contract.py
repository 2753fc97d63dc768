"""A project on a server of each kind: killed runs and failed appends are ended by the next command, with every row there once."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import duckdb
from warehouses import Target

from projects import Project

MORE = int(os.environ.get("ETLRUN_KILLS", "3"))  # kills of a project run, each at another point of its publishes
COLUMNS = "columns: {id: bigint not null}"
PIPELINES = {
    "core": f"sources: {{rows: {{csv: {{path: rows.csv, {COLUMNS}}}}}}}\n"
    "sinks: {core: {table: {from: rows, connection: one, write: append}}}\n",
    "mart": "sources: {core: {table: {pipeline: core, sink: core}}}\n"
    "steps:\n  mart:\n    - from: core\n    - aggregate: {columns: {number: count(*), total: sum(id)}}\n"
    "sinks: {mart: {table: {from: mart, connection: one, write: replace}}}\n",
    "side": f"sources: {{rows: {{csv: {{path: rows.csv, {COLUMNS}}}}}}}\n"
    "sinks: {side: {table: {from: rows, connection: one, key: [id], write: merge}}}\n",
}


def project_on(target: Target, folder: Path) -> Project:
    project = Project(folder)
    connections = {"one": {target.kind: target.keys}, "two": {"duckdb": "two.duckdb"}}
    project.write(
        "etlrun.yaml", json.dumps({"profiles": {"dev": {"engine": {"duckdb": {}}, "connections": connections}}})
    )
    return project


def test_a_project_run_that_is_killed_anywhere_is_ended_by_retry(served: Target, tmp_path: Path) -> None:
    project = project_on(served, tmp_path)
    for name, text in PIPELINES.items():
        project.pipeline(text, name)
    ids: list[int] = []
    for batch in range(1, MORE + 1):
        ids += [batch, batch + 1000]
        project.write("rows.csv", f"id\n{batch}\n{batch + 1000}\n")
        killed = project.run("run", ETLRUN_FAULT=f"*:kill:{1 + (batch - 1) * 29 // MORE}")
        assert killed.code == -signal.SIGKILL, killed.err
        ended = project.run("retry")
        assert ended.code == 0, ended.err
        found = [[int(value) for row in served.rows(table) for value in row] for table in ("core", "side", "mart")]
        assert found == [
            sorted(ids, key=lambda value: repr((value,))),
            sorted(ids, key=lambda value: repr((value,))),
            [len(ids), sum(ids)],
        ]


def test_rows_that_a_failed_run_appended_are_not_appended_again_where_the_input_has_grown(
    served: Target, tmp_path: Path
) -> None:
    project = project_on(served, tmp_path)
    sinks = ", ".join(
        f"{name}: {{table: {{from: rows, connection: {to}, write: append}}}}"
        for name, to in (("a", "one"), ("b", "two"))
    )
    project.pipeline(f"sources: {{rows: {{csv: {{path: rows.csv, {COLUMNS}}}}}}}\nsinks: {{{sinks}}}\n", "events")
    project.write("rows.csv", "id\n1\n2000\n")
    with duckdb.connect(tmp_path / "two.duckdb") as connection:
        connection.execute("CREATE TABLE b (id BIGINT NOT NULL, CHECK (id < 1000))")
    assert "published before: a" in project.run("run").err
    project.write("rows.csv", "id\n1\n2000\n3\n")
    stuck = project.run("run")
    assert stuck.code == 1 and "a change of the pipeline" in stuck.err, stuck.err
    with duckdb.connect(tmp_path / "two.duckdb") as connection:
        connection.execute("DROP TABLE b")
    ended = project.run("retry")
    assert ended.code == 0 and "only publishes the rest of them; the next run reads new data" in ended.err, ended.err
    assert (
        sorted(row[0] for row in served.rows("a"))
        == sorted(row[0] for row in project.table("b", "two.duckdb"))
        == [1, 2000]
    )
    assert "files of `rows` changed" in project.run("plan").out
