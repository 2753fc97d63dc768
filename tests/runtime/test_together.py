"""The sinks of a pipeline: all judged first, those of a connection in one transaction, and a run again adds nothing twice."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from projects import Project

SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}
steps:
  sold:
    - from: sales
sinks:
  log:
    table: {from: sold, connection: warehouse, write: append}
  shops:
    table: {from: sold, connection: OTHER, key: [shop], write: replace, min_rows: LEAST}
"""
PROFILE = """profiles:
  local:
    engine: {duckdb: {}}
    connections:
      warehouse: {duckdb: {path: warehouse.duckdb}}
      other: {duckdb: {path: other.duckdb}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROFILE)
    project.write("sales.csv", "shop,units\nA,1\nA,2\n")
    return project


def spec(project: Project, other: str = "warehouse", least: int = 1) -> str:
    return project.pipeline(SPEC.replace("OTHER", other).replace("LEAST", str(least)))


def tables(project: Project) -> list[str]:
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()]


def test_tables_of_a_connection_are_published_together_or_not_at_all(project: Project) -> None:
    result = project.run(spec(project), "-q")
    assert result.code == 1 and "key-not-unique" in result.err and ":12:5:" in result.err
    assert "log in the same transaction was not published either" in result.err
    assert project.table("log") == []
    project.write("sales.csv", "shop,units\nA,1\nB,2\n")
    assert project.run(spec(project), "-q").code == 0
    assert sorted(project.table("log")) == [("A", 1), ("B", 2)]
    assert sorted(project.table("shops")) == [("A", 1), ("B", 2)]


def test_what_was_appended_before_another_connection_failed_is_not_appended_again(project: Project) -> None:
    path = spec(project, other="other")
    result = project.run(path, "-q")
    assert result.code == 1 and "published before: log" in result.err
    again = project.run(path, "-q")
    assert (
        again.code == 1
        and "ended after it had appended a part of its rows: this run only publishes the rest" in again.err
    )
    assert sorted(project.table("log")) == [("A", 1), ("A", 2)]


def test_all_sinks_are_judged_before_the_first_is_published(project: Project) -> None:
    result = project.run(spec(project, other="other", least=3), "-q")
    assert result.code == 1 and "`shops` would be published with 2 rows; its `min_rows` is 3" in result.err
    assert not (project.folder / "warehouse.duckdb").exists() or tables(project) == []


def test_a_run_reports_every_sink_with_too_few_rows_beside_the_checks_that_failed(project: Project) -> None:
    text = SPEC.replace("OTHER", "other").replace("LEAST", "3").replace("write: append", "write: append, min_rows: 4")
    result = project.run(project.pipeline(text), "-q")
    assert result.code == 1 and "too-few-rows" in result.err
    counts = [
        "`log` would be published with 2 rows; its `min_rows` is 4",
        "`shops` would be published with 2 rows; its",
    ]
    assert [line for line in counts if line not in result.err] == []
    result = project.run(project.pipeline(f"{text}checks: {{sold: [{{unique: [shop]}}]}}\n"), "-q")
    assert result.code == 3 and "check `unique` of `sold`" in result.err
    assert [line for line in counts if line not in result.err] == []
