"""The source `delta`: one version of a table as rows, and a project that runs again when there is another."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from projects import Project

CORE = """pipeline: core
sources:
  sales: {csv: {path: sales.csv, columns: {month: string, units: bigint}}}
sinks:
  out: {delta: {from: sales, path: lake/sales, write: replace, partition_by: [month]}}
"""
MART = """pipeline: mart
sources:
  sales: {delta: {path: lake/sales, columns: {month: string, units: bigint}}}
sinks:
  out: {files: {from: sales, path: out/sales.csv}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("sales.csv", 'month,units\n2022-04,1\n"a/b %é",2\n,3\n')
    return project


def test_a_project_runs_what_reads_a_table_after_what_writes_it_and_again_when_it_changed(project: Project) -> None:
    project.pipeline(CORE, "core")
    project.pipeline(MART, "mart")
    assert project.run("run").code == 0
    out = project.folder / "out/sales.csv"
    assert out.read_text() == "month,units\n2022-04,1\na/b %é,2\n,3\n"
    later = pa.table({"month": ["2022-05"], "units": pa.array([5], pa.int64())})
    write_deltalake(project.folder / "lake/sales", later, mode="append")
    result = project.run("run")
    assert result.code == 0, result.err
    assert "2022-05,5" in out.read_text()
    assert DeltaTable(project.folder / "lake/sales").version() == 1


def test_an_older_version_is_read_where_the_spec_names_it(project: Project) -> None:
    for number in (1, 2):
        table = pa.table({"month": ["x"], "units": pa.array([number], pa.int64())})
        write_deltalake(project.folder / "lake/sales", table, mode="overwrite")
    spec = project.pipeline(MART.replace("lake/sales,", "lake/sales, version: 0,"), "mart")
    assert project.run(spec).code == 0
    assert (project.folder / "out/sales.csv").read_text() == "month,units\nx,1\n"


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ("month: string, unit: bigint", "there is no column `unit`"),
        ("month: string, units: int", "`units` is bigint, but int is declared"),
        ("month: string not null, units: bigint", "`month` is null in 1 row, but `not null` is declared"),
    ],
)
@pytest.mark.parametrize("partitions", [[], ["month"]])
def test_columns_that_do_not_fit_are_refused(project: Project, columns: str, part: str, partitions: list[str]) -> None:
    table = pa.table({"month": ["x", None], "units": pa.array([1, 2], pa.int64())})
    write_deltalake(project.folder / "lake/sales", table, partition_by=partitions)
    result = project.run(project.pipeline(MART.replace("month: string, units: bigint", columns), "mart"))
    assert result.code == 1 and ("null" in part or part in result.err), result.err
    assert partitions == [] or part in result.err


def test_a_missing_table_and_features_that_change_rows_are_refused(project: Project) -> None:
    spec = project.pipeline(MART, "mart")
    assert "there is no Delta table at lake/sales" in project.run(spec).err
    table = pa.table({"month": ["x"], "units": pa.array([1], pa.int64())})
    write_deltalake(project.folder / "lake/sales", table)
    log = project.folder / "lake/sales/_delta_log/00000000000000000000.json"
    feature = '"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}'
    log.write_text(log.read_text().replace('"protocol":{"minReaderVersion":1,"minWriterVersion":2}', feature, 1))
    result = project.run(spec)
    assert result.code == 1 and "deletionVectors, which etlrun does not read" in result.err
