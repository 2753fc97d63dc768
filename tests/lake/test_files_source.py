"""The source `files`: what the pointer of a folder names, once, as rows, and a project that runs again when it names something else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from projects import Project

CORE = """pipeline: core
sources:
  sales: {csv: {path: sales.csv, columns: {month: string, day: date, at: timestamptz, units: bigint}}}
sinks:
  out: {files: {from: sales, path: out/sales/, partition_by: [month]}}
"""
MART = """pipeline: mart
sources:
  sales: {files: {path: out/sales, columns: {month: string, day: date, at: timestamptz, units: bigint}}}
sinks:
  out: {files: {from: sales, path: mart.csv, order: [units]}}
"""
ROWS = "month,day,at,units\n2022-04,2022-04-01,2022-04-01T10:00:00+07:00,1\na/b %é=?,,,2\n,2022-05-01,,3\n"
READ = "month,day,at,units\n2022-04,2022-04-01,2022-04-01 03:00:00Z,1\na/b %é=?,,,2\n,2022-05-01,,3\n"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("sales.csv", ROWS)
    project.pipeline(CORE, "core")
    project.pipeline(MART, "mart")
    return project


@pytest.mark.parametrize("divided", ["partition_by: [month]", "partition_by: [month, day]", ""])
def test_a_project_reads_what_the_pointer_names_after_it_was_published_and_again_when_it_is_another(
    project: Project, divided: str
) -> None:
    project.pipeline(CORE.replace("partition_by: [month]", divided or "keep: 3"), "core")
    assert project.run("run").code == 0
    assert (project.folder / "mart.csv").read_text() == READ
    project.write("sales.csv", ROWS + "2022-06,,,4\n")
    result = project.run("run")
    assert result.code == 0, result.err
    assert len(list((project.folder / "out/sales").glob("_2*"))) == 2
    assert (project.folder / "mart.csv").read_text() == READ + "2022-06,,,4\n"
    assert "2 unchanged" in project.run("run").err


def test_what_is_not_there_and_columns_that_do_not_fit_are_named(project: Project) -> None:
    missing = project.run("pipelines/mart.yaml").err
    assert "missing-table: no sink `files` has published to the folder out/sales" in missing
    assert "the pipeline `core` publishes it: etlrun core" in missing
    assert project.run("run", "core").code == 0
    project.pipeline(MART.replace("units: bigint", "units: int"), "mart")
    assert "type-mismatch: `units` is bigint where `core` publishes it" in project.run("check").out


def test_a_file_that_the_pointer_names_and_that_is_gone_stops_the_run(project: Project) -> None:
    assert project.run("run", "core").code == 0
    said = json.loads((project.folder / "out/sales/_etlrun/current.json").read_text())
    (project.folder / "out/sales" / said["folder"] / said["files"][0]["path"]).unlink()
    result = project.run("pipelines/mart.yaml")
    assert result.code == 1 and "damaged-file" in result.err and said["files"][0]["path"] in result.err


def test_a_folder_of_another_format_is_refused_with_what_to_do(project: Project) -> None:
    project.pipeline(CORE.replace("partition_by: [month]", "format: csv"), "core")
    assert project.run("run", "core").code == 0
    result = project.run("pipelines/mart.yaml")
    assert result.code == 1 and "publish them again with `format: parquet`" in result.err
