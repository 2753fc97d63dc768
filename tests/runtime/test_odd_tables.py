"""Tables of a DuckDB file that somebody else made: what does not fit is named, with a statement that works."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from projects import Project

SPEC = """sources:
  rows: {csv: {path: rows.csv, columns: {id: int, s: KIND}}}
sinks:
"""


def project_of(
    folder: Path, *statements: str, kind: str = "string", value: str = "y", sinks: tuple[str, ...]
) -> Project:
    project = Project(folder)
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        for statement in statements:
            connection.execute(statement)
    project.write("rows.csv", f"id,s\n1,{value}\n2,{value}\n")
    lines = (
        f"  s{number}: {{table: {{from: rows, connection: warehouse, {sink}}}}}\n" for number, sink in enumerate(sinks)
    )
    project.pipeline(SPEC.replace("KIND", kind) + "".join(lines))
    return project


REPLACE = ("table: t, key: [id], write: replace",)


@pytest.mark.parametrize(
    ("column", "kind", "value"),
    [
        ("ENUM ('x')", "string", "y"),
        ("UUID", "string", "y"),
        ("TIMESTAMP_S", "timestamp", "2022-01-01 00:00:00.5"),
    ],
)
def test_a_column_that_does_not_keep_every_value_is_named(tmp_path: Path, column: str, kind: str, value: str) -> None:
    project = project_of(tmp_path, f"CREATE TABLE t (id INT, s {column})", kind=kind, value=value, sinks=REPLACE)
    refused = project.run("run", "pipelines/p.yaml", "-q")
    assert refused.code == 1 and "table-mismatch" in refused.err and column.split(maxsplit=1)[0] in refused.err
    statement = refused.err.partition("= run: ")[2].partition(";")[0]
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute(statement)
    assert project.run("run", "pipelines/p.yaml", "-q").code == 0
    assert len(project.table("t")) == 2


def test_a_unique_index_is_the_cause_and_not_the_key_of_the_sink(tmp_path: Path) -> None:
    project = project_of(tmp_path, "CREATE TABLE t (id INT, s TEXT)", "CREATE UNIQUE INDEX one ON t (s)", sinks=REPLACE)
    refused = project.run("run", "pipelines/p.yaml", "-q")
    assert refused.code == 1 and "two rows are equal in a PRIMARY KEY" in refused.err and "`merge`" not in refused.err


def test_rows_of_a_table_that_share_their_key_already_are_named_by_a_merge(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        "CREATE TABLE t (id INT, s TEXT)",
        "INSERT INTO t VALUES (5, 'o'), (5, 'p')",
        sinks=("table: t, key: [id], write: merge",),
    )
    refused = project.run("run", "pipelines/p.yaml", "-q")
    assert (
        refused.code == 1
        and "rows that are already in the table, and are not replaced, have the same key: `id` = 5" in refused.err
    )
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("DELETE FROM t WHERE s = 'p'")
    assert project.run("run", "pipelines/p.yaml", "-q").code == 0


def test_two_names_of_one_table_are_refused(tmp_path: Path) -> None:
    project = project_of(tmp_path, sinks=(*REPLACE, "table: main.T, key: [id], write: replace"))
    refused = project.run("run", "pipelines/p.yaml", "-q")
    assert refused.code == 1 and "`t` and `main.T` are one table, and two sinks publish to it" in refused.err


def test_a_column_that_the_server_computes_is_left_alone_or_named(tmp_path: Path) -> None:
    made = "CREATE TABLE t (id INT, s TEXT, twice INT AS (id * 2))", "CREATE TABLE u (id INT, s TEXT AS ('x'))"
    project = project_of(tmp_path, *made, sinks=REPLACE)
    assert project.run("run", "pipelines/p.yaml", "-q").code == 0
    assert sorted(project.table("t")) == [(1, "y", 2), (2, "y", 4)]
    project.write("pipelines/p.yaml", (tmp_path / "pipelines/p.yaml").read_text().replace("table: t", "table: u"))
    refused = project.run("run", "pipelines/p.yaml", "-q")
    assert refused.code == 1 and "`s` is a generated column, and the pipeline publishes values for it" in refused.err
    assert project.run("migrate", "p", "--apply", "--allow-loss").code == 0
    assert project.run("run", "pipelines/p.yaml", "-q").code == 0


def test_two_connections_to_one_file_are_refused(tmp_path: Path) -> None:
    again = "table: main.T, key: [id], write: append"
    project = project_of(tmp_path, sinks=(*REPLACE, again))
    (tmp_path / "link.duckdb").symlink_to("warehouse.duckdb")
    connections = "{warehouse: {duckdb: warehouse.duckdb}, other: {duckdb: ./link.duckdb}}"
    project.write("etlrun.yaml", f"profiles:\n  fast: {{engine: {{duckdb: {{}}}}, connections: {connections}}}\n")
    spec = (tmp_path / "pipelines/p.yaml").read_text()
    second = spec.rpartition("connection: warehouse")
    project.write("pipelines/p.yaml", f"{second[0]}connection: other{second[2]}")
    refused = project.run("run", "pipelines/p.yaml", "-q")
    assert refused.code == 1 and "shared-table" in refused.err, refused.err
    assert "the connections `warehouse` and `other` use the same database" in refused.err
    project.write("pipelines/p.yaml", f"{second[0]}connection: other{second[2].replace('main.T', 'another')}")
    assert project.run("run", "pipelines/p.yaml", "-q").code == 0
