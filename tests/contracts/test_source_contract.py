"""What every source promises: the file or table of its docstring becomes the rows that stand there, on both engines, and each record counts.

It runs for every source that the product finds. One that counts rows which it does not give, or gives rows which it does not count, fails here.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog import load_catalog

from etlrun.compiler.case_rows import Given
from etlrun.compiler.check import Checked
from etlrun.compiler.producers import check_file
from etlrun.contracts.engine import EngineSession
from etlrun.contracts.source import Inventory, ReadRequest, ReadResult
from etlrun.engines._duckdb import DuckdbSession
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.language.columns import Columns
from etlrun.reading.inventory import take_inventory
from etlrun.runtime.testing import table_of
from etlrun.spec.registry import kinds
from etlrun.warehouse.opening import database_reader
from projects import Project, with_catalog
from tables import read_table, value_of

each_source = pytest.mark.parametrize("kind", kinds("sources"))
RESULT = re.compile(r"```read\n(\w+): (\d+) rows, (\d+) broken, (\d+) blank\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Expected:
    """What the docstring says that reading gives."""

    source: str
    account: tuple[int, int, int]  # rows, broken records, blank ones
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """The example of a source, checked and read."""

    checked: Checked
    name: str
    result: ReadResult

    def rows(self, session: EngineSession) -> pa.Table:
        columns = self.checked.columns[self.name]
        session.read_files(self.name, columns, self.result.files)
        return session.fetch(f"SELECT {', '.join(columns.names)} FROM {self.name}")


def expected_of(docstring: str) -> Expected:
    found = RESULT.search(docstring)
    assert found, "the docstring says with a ```read block what its file gives"
    rows, broken, blank = (int(found.group(place)) for place in (2, 3, 4))
    return Expected(found.group(1), (rows, broken, blank), tuple(found.group(5).strip().splitlines()))


def provide(project: Project, docstring: str) -> None:
    """Write the files and tables that stand in the docstring."""
    for form, name, text in re.findall(
        r"```(csv|json|text|parquet|table|delta|files|iceberg) (\S+)\n(.*?)```", docstring, re.DOTALL
    ):
        if form in ("csv", "json", "text"):
            project.write(name, text)
            continue
        types, _, lines = text.partition("\n")
        given = read_table(types, lines)
        table = table_of(Given(given.columns, given.rows))
        if form == "parquet":
            (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(_with_instants(table), project.folder / name)
        elif form == "delta":
            write_deltalake(project.folder / name, table)
        elif form == "iceberg":
            catalog = load_catalog("default", type="sql", uri=f"sqlite:///{project.folder}/lake/catalog.db", warehouse=f"file://{project.folder}/lake/tables")  # fmt: skip
            catalog.create_namespace(name.partition(".")[0])
            catalog.create_table(name, table.schema).append(table)
            catalog.close()
        elif form == "files":
            publish_files(project.folder / name, given.columns, table)
        else:
            with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
                connection.register("given", table)
                connection.execute(f"CREATE TABLE {name} AS FROM given")


def publish_files(folder: Path, columns: Columns, table: pa.Table) -> None:
    """What the sink `files` leaves in a folder, beside what an earlier run left there."""
    for run, rows in (("_20220430T000000Z-a-000000", table.slice(0, 1)), ("_20220501T000000Z-a-000000", table)):
        (folder / run).mkdir(parents=True)
        pq.write_table(rows, folder / run / "part-0.parquet")
    file = {"path": "part-0.parquet", "bytes": (folder / run / "part-0.parquet").stat().st_size}
    about = {"run_id": "20220501T000000Z-a", "folder": run, "earlier": [], "format": "parquet", "files": [file]}
    types = {item.name: str(item.type) for item in columns}
    (folder / "_etlrun").mkdir()
    (folder / "_etlrun/current.json").write_text(json.dumps({**about, "columns": types}))


def _with_instants(table: pa.Table) -> pa.Table:
    """The table with its clocks as instants in UTC, as most writers of Parquet have them."""
    fields = [
        pa.field(field.name, pa.timestamp("us", "UTC") if pa.types.is_timestamp(field.type) else field.type)
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


@pytest.fixture
def reading(kind: str, tmp_path: Path) -> Reading:
    return read_example(kind, tmp_path)


def read_example(kind: str, tmp_path: Path) -> Reading:
    """Read what the docstring of a source shows."""
    docstring = sys.modules[kinds("sources")[kind].__module__].__doc__ or ""
    project = Project(tmp_path)
    with_catalog(project)
    (tmp_path / "lake").mkdir()
    provide(project, docstring)
    example = re.search(r"```yaml\n(.*?)```", docstring, re.DOTALL)
    assert example, "the docstring has no ```yaml block"
    name = expected_of(docstring).source
    path = project.pipeline(f"{example.group(1)}sinks:\n  out: {{files: {{from: {name}, path: out.csv}}}}\n")
    checked = check_file(tmp_path / path)
    source = checked.pipeline.sources[name].value
    wanted = source.wanted(checked.places)
    request = ReadRequest(
        name,
        take_inventory(wanted) if wanted else Inventory(()),
        tmp_path / "read",
        tmp_path / "quarantine.jsonl",
        lambda *news: None,
        database_reader(checked.project, checked.profile),
    )
    return Reading(checked, name, source.read(request, checked.columns[name]))


def expected(kind: str) -> Expected:
    return expected_of(sys.modules[kinds("sources")[kind].__module__].__doc__ or "")


@each_source
def test_every_record_is_a_row_a_broken_record_or_blank(kind: str, reading: Reading, tmp_path: Path) -> None:
    result, account = reading.result, expected(kind).account
    assert (account[0] if result.rows is None else result.rows, result.bad_rows, result.blank) == account
    quarantine = tmp_path / "quarantine.jsonl"
    kept = len(quarantine.read_text().splitlines()) if quarantine.exists() else 0
    assert kept == account[1]


@each_source
def test_both_engines_give_the_rows_that_are_counted(kind: str, reading: Reading, spark: Any, duck: Any) -> None:
    columns = reading.checked.columns[reading.name]
    header, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in expected(kind).lines]
    assert header == list(columns.names)
    rows = sorted(
        (tuple(value_of(cell, column.type) for cell, column in zip(line, columns, strict=True)) for line in lines),
        key=repr,
    )
    for session in (DuckdbSession(duck), SparkSessionAtWork(spark, is_classic=True)):
        found = reading.rows(session).to_pylist()
        assert sorted((tuple(row.values()) for row in found), key=repr) == rows
    assert len(rows) == expected(kind).account[0]
