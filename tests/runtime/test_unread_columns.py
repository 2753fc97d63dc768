"""Columns of a table that nothing in a run needs are not read from it; they must be there all the same."""

from __future__ import annotations

from pathlib import Path

import deltalake
import duckdb
import pyarrow as pa
import pytest

from etlrun.compiler.plan import make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.read_columns import staged_relations, unread_columns
from projects import Project

# In the table, `note` is a text: reading it as the int that is declared fails.
SOURCE = "{table: {connection: warehouse, table: sales, columns: {id: int, shop: string, units: int, note: int}}}"
KEYED = SOURCE.replace("columns", "key: [id], columns")
SINK = "sinks:\n  out: {files: {from: done, path: out.csv}}\n"
MADE = """steps:
  done:
    - from: sales
    - derive: {twice: note * 2}
    - filter: units > 1
    - aggregate: {by: [shop], columns: {rows: count(*)}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        warehouse.execute("CREATE TABLE sales (id INT, shop VARCHAR, units INT, note VARCHAR)")
        warehouse.execute("INSERT INTO sales VALUES (1, 'A', 1, 'x'), (2, 'A', 2, 'y'), (3, 'B', 3, 'z')")
    project = Project(tmp_path)
    project.write("look.py", "def rows(table):\n    return table\n")
    return project


def unread(project: Project, rest: str, source: str = SOURCE) -> list[str]:
    """The columns of `sales` that a run of the pipeline would not read."""
    path = project.pipeline(f"sources:\n  sales: {source}\n{rest}")
    plan = make_plan(check_file(project.folder / path))
    return sorted(unread_columns(plan, staged_relations(plan), is_checked=True)["sales"])


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (MADE + SINK, ["id", "note"]),
        (SINK.replace("done", "sales"), []),
        ("steps:\n  done:\n    - from: sales\n    - drop: [units]\n" + SINK, ["units"]),
        (
            "steps:\n  done:\n    - from: sales\n    - aggregate: {columns: {rows: count(*)}}\n" + SINK,
            ["note", "shop", "units"],
        ),
        (
            "steps:\n  done:\n    - sql: select shop from sales s where exists (select 1 from sales t where t.id > s.units)\n"
            + SINK,
            ["note"],
        ),
        (
            "steps:\n  done:\n    - sql: select shop from (select distinct shop, note from sales)\n" + SINK,
            ["id", "units"],
        ),
    ],
    ids=["an aggregate", "a source itself", "a drop", "a count", "a subquery", "a distinct"],
)
def test_columns_that_no_sink_is_made_from_are_not_read(project: Project, rest: str, expected: list[str]) -> None:
    assert unread(project, rest) == expected


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("done:\n    - expression: rows > 0", ["id", "note"]),
        ("sales:\n    - not_null: [id]", []),
        ("done:\n    - conserved: {left: sum(sales.id), right: sum(rows)}", ["note"]),
    ],
)
def test_what_a_check_looks_at_is_read(project: Project, check: str, expected: list[str]) -> None:
    assert unread(project, f"{MADE}checks:\n  {check}\n{SINK}") == expected


def test_the_key_of_a_source_is_read(project: Project) -> None:
    assert unread(project, MADE + SINK, KEYED) == ["note"]


def test_a_function_is_handed_all_columns_of_what_it_reads(project: Project) -> None:
    call = "steps:\n  done:\n    - from: sales\n    - drop: [note]\n    - python: {function: 'look:rows', columns: {id: int, shop: string, units: int}}\n    - select: [id]\n"
    assert unread(project, call + SINK) == ["note"]


@pytest.mark.parametrize("profile", ["fast", "local"])
def test_a_run_does_not_read_them_and_publishes_the_same(project: Project, profile: str) -> None:
    path = project.pipeline(f"sources:\n  sales: {KEYED}\n{MADE}{SINK}")
    outcome = project.run("run", path, "--profile", profile)
    assert outcome.code == 0, outcome.err
    assert "no two of 3 rows have the same `id`" in outcome.err
    assert (project.folder / "out.csv").read_text() == "shop,rows\nA,1\nB,1\n"
    shown = project.run("show", path, "sales")
    assert "could not convert string 'x' to int32" in shown.err.lower()


def test_the_rows_that_share_a_key_are_kept_without_them(project: Project) -> None:
    with duckdb.connect(project.folder / "warehouse.duckdb") as warehouse:
        warehouse.execute("INSERT INTO sales VALUES (2, 'C', 4, 'w')")
    path = project.pipeline(f"sources:\n  sales: {KEYED}\n{MADE}{SINK}")
    assert project.run("run", path).code == 3
    shown = project.run("show", path, "sales", "--failing", "unique")
    assert [line.split() for line in shown.out.splitlines()][0] == ["id", "shop", "units"], shown.out


def test_a_column_that_nobody_reads_must_be_there(project: Project) -> None:
    with duckdb.connect(project.folder / "warehouse.duckdb") as warehouse:
        warehouse.execute("ALTER TABLE sales DROP COLUMN note")
    path = project.pipeline(f"sources:\n  sales: {SOURCE}\n{MADE}{SINK}")
    outcome = project.run("run", path)
    assert outcome.code == 1
    assert "missing-column: the table `sales` has no column `note`" in outcome.err


def test_the_copy_of_a_partitioned_lake_table_lacks_them(project: Project) -> None:
    rows = pa.table({"id": [1, 2], "shop": ["A", "A"], "units": [1, 2], "note": [8, 9]})
    deltalake.write_deltalake(str(project.folder / "sales"), rows, partition_by=["shop"])
    source = "{delta: {path: sales, columns: {id: bigint, shop: string, units: bigint, note: bigint not null}}}"
    assert unread(project, MADE + SINK, source) == ["id", "note"]
    outcome = project.run("run", "pipelines/p.yaml")
    assert outcome.code == 0, outcome.err
    assert (project.folder / "out.csv").read_text() == "shop,rows\nA,1\n"


def test_a_plan_says_which_they_are(project: Project) -> None:
    path = project.pipeline(f"sources:\n  sales: {SOURCE}\n{MADE}{SINK}")
    assert "  sales: table sales of warehouse; unread: id, note\n" in project.run("plan", path).out
    assert project.run("plan", path, "--json").json["sources"]["sales"]["unread"] == ["id", "note"]


def test_a_plan_says_that_the_driver_reads_a_table_where_executors_read_files(project: Project) -> None:
    settings = (project.folder / "etlrun.yaml").read_text()
    path = project.pipeline(f"sources:\n  sales: {SOURCE}\n{MADE}{SINK}")
    assert "by the driver" not in project.run("plan", path, "--profile", "local").out
    project.write("etlrun.yaml", settings.replace("memory: 1g", "memory: 1g, read: tasks"))
    planned = project.run("plan", path, "--profile", "local").out
    line = "table sales of warehouse; read by the driver; unread: id, note\n"
    assert f"  sales: {line}" in planned
