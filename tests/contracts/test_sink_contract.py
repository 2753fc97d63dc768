"""What every sink promises: it publishes the relation, whole and once; looking ahead changes nothing; where it fails, the old rows stay.

It runs for every sink that the product finds; one that is not in `SINKS` fails here until somebody says how a test reads what it publishes.
A view has no rows of its own: its promises are those of test_view_contract.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from pyiceberg.catalog import load_catalog

from etlrun.compiler.check import Checked
from etlrun.compiler.producers import check_file
from etlrun.contracts.sink import Publication, Sink
from etlrun.failures import RunFailure
from etlrun.spec.registry import kinds
from etlrun.warehouse.opening import database_writer
from projects import Project, with_catalog

Rows = list[tuple[Any, ...]]
OLD: Rows = [("A", 1), ("B", 2)]
NEW: Rows = [("A", 3), ('b"\t\\, é😀', None), (None, -(2**63)), ("", 0)]
PIPELINE = """sources:
  given: {{csv: {{path: given.csv, columns: {{name: string, units: bigint}}}}}}
sinks:
  out: {{{kind}: {keys}}}
"""


@dataclass(frozen=True)
class Tried:
    """A sink in a test: its keys in YAML, and what stands where it publishes to."""

    keys: str
    read: Callable[[Project], Rows]


def _file(path: str) -> Callable[[Project], Rows]:
    def read(project: Project) -> Rows:
        target = project.folder / path
        return duckdb.sql(f"SELECT * FROM '{target}'").fetchall() if target.exists() else []

    return read


def _table(project: Project) -> Rows:
    return project.table("out") if (project.folder / "warehouse.duckdb").exists() else []


def _delta(project: Project) -> Rows:
    if not (project.folder / "lake/out").exists():
        return []
    return [tuple(row.values()) for row in DeltaTable(project.folder / "lake/out").to_pyarrow_table().to_pylist()]


def _iceberg(project: Project) -> Rows:
    if not (project.folder / "lake/catalog.db").exists():
        return []
    catalog = load_catalog("default", type="sql", uri=f"sqlite:///{project.folder}/lake/catalog.db")
    return [tuple(row.values()) for row in catalog.load_table("gold.out").scan().to_arrow().to_pylist()]


SINKS: dict[str, Tried] = {
    "delta": Tried("{from: given, path: lake/out, write: replace}", _delta),
    "files": Tried("{from: given, path: out/given.parquet}", _file("out/given.parquet")),
    "iceberg": Tried("{from: given, connection: lake, table: gold.out, write: replace}", _iceberg),
    "table": Tried("{from: given, connection: warehouse, write: replace}", _table),
}


class Bench:
    """A sink in a project of its own."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.kind = kind
        self.tried = SINKS[kind]
        self.project = Project(folder)
        with_catalog(self.project)
        self.path = self.project.pipeline(PIPELINE.format(kind=kind, keys=self.tried.keys))
        self.runs = 0

    @property
    def checked(self) -> Checked:
        return check_file(self.project.folder / self.path)

    @property
    def sink(self) -> Sink:
        found: Sink = self.checked.pipeline.sinks["out"].value
        return found

    def publication(self, rows: Rows) -> Publication:
        """Rows in two staged files."""
        self.runs += 1
        columns = self.checked.columns["given"]
        files = tuple(self.project.folder / f"stage-{self.runs}-{part}.parquet" for part in (0, 1))
        for part, path in enumerate(files):
            some = rows[part::2]
            names, units = (
                pa.array([name for name, _ in some], pa.string()),
                pa.array([unit for _, unit in some], pa.int64()),
            )
            pq.write_table(pa.table({"name": names, "units": units}), path)
        return Publication(
            "out",
            columns,
            files,
            len(rows),
            f"checksum-{self.runs}",
            f"2022050{self.runs}T000000Z-a",
            "p",
            "",
            "0123",
            self.project.folder,
            self.checked.scope(self.checked.pipeline.sinks["out"].where),
            database_writer(self.checked.project, self.checked.profile),
            scratch=self.project.folder / "scratch",
        )

    def publish(self, publication: Publication) -> int:
        """Publish as a run does; the number of rows that the record tells."""
        load = self.sink.load(publication)
        if load is None:
            return int(self.sink.publish(publication)["rows"])
        database = publication.open_database(self.sink.place("out")[0])
        try:
            return database.publish(load).rows
        finally:
            database.close()

    def rows(self) -> Rows:
        return sorted(self.tried.read(self.project), key=repr)


@pytest.fixture(params=[name for name in kinds("sinks") if name != "view"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, str(request.param))


def test_a_run_publishes_to_two_of_them(bench: Bench) -> None:
    first = f"  more: {{{bench.kind}: {bench.tried.keys.replace('out', 'more')}}}\n"
    bench.project.pipeline(PIPELINE.format(kind=bench.kind, keys=bench.tried.keys).replace("  out:", f"{first}  out:"))
    bench.project.write("given.csv", "name,units\nA,1\nB,2\n")
    done = bench.project.run("run", bench.path, "--json")
    assert done.code == 0, done.err
    assert [sink["rows"] for sink in done.json["sinks"].values()] == [2, 2]
    assert bench.rows() == OLD


def test_it_publishes_every_row_and_says_how_many(bench: Bench) -> None:
    assert bench.publish(bench.publication(NEW)) == len(NEW)
    assert bench.rows() == sorted(NEW, key=repr)


def test_rows_of_the_next_run_take_the_place_of_those_before(bench: Bench) -> None:
    bench.publish(bench.publication(OLD))
    bench.publish(bench.publication(NEW))
    assert bench.sink.replaces_all()
    assert bench.rows() == sorted(NEW, key=repr)


def test_looking_ahead_changes_nothing(bench: Bench) -> None:
    bench.publish(bench.publication(OLD))
    before = {path: path.read_bytes() for path in bench.project.folder.rglob("*") if path.is_file()}
    publication = bench.publication([])
    assert bench.sink.look_ahead(publication)
    after = {path for path in bench.project.folder.rglob("*") if path.is_file()}
    assert after - set(publication.files) == set(before)
    assert {path: path.read_bytes() for path in before} == before
    assert bench.rows() == OLD


def test_where_it_fails_the_old_rows_stay(bench: Bench) -> None:
    bench.publish(bench.publication(OLD))
    broken = bench.publication(NEW * 1_000)
    broken.files[1].write_bytes(broken.files[1].read_bytes()[:-500])
    with pytest.raises(RunFailure):
        bench.publish(broken)
    assert bench.rows() == OLD


def test_its_place_is_its_own(bench: Bench) -> None:
    connection, place, part = bench.sink.place("out")
    assert place and part == ""
    assert bool(connection) == hasattr(bench.sink, "connection")
