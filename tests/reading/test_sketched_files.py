"""`etlrun new` of files as they occur: legacy times, types that cannot be read, damaged footers, geographic metadata, structs."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projects import Project

MOMENT = datetime.datetime(2024, 1, 2, 3, 4, 5)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_an_int96_is_declared_as_an_instant(project: Project) -> None:
    table = pa.table({"id": [1], "at": pa.array([MOMENT], pa.timestamp("us"))})
    pq.write_table(table, project.folder / "a.parquet", use_deprecated_int96_timestamps=True)
    assert project.run("new", "a", "--from", "a.parquet").code == 0
    assert "at: timestamptz" in (project.folder / "pipelines/a.yaml").read_text()
    assert project.run("a").code == 0
    assert project.table("a") == [(1, MOMENT.replace(tzinfo=datetime.UTC))]


def test_a_column_of_a_type_that_cannot_be_read_is_named(project: Project) -> None:
    table = pa.table({"id": [1], "half": pa.array([0.5], pa.float16())})
    pq.write_table(table, project.folder / "a.parquet")
    pq.write_table(table.drop(["id"]), project.folder / "b.parquet")
    assert project.run("new", "a", "--from", "a.parquet").code == 0
    assert '# "half" is left out: its type cannot be read' in (project.folder / "pipelines/a.yaml").read_text()
    assert project.run("a").code == 0
    assert (
        "`half` and all other columns have types that cannot be read"
        in project.run("new", "b", "--from", "b.parquet").err
    )


def test_a_damaged_file_is_refused_with_its_name(project: Project) -> None:
    pq.write_table(pa.table({"id": [1]}), project.folder / "a.parquet")
    whole = (project.folder / "a.parquet").read_bytes()
    project.write("a.parquet", whole[:-12] + b"\xff" * 4 + whole[-8:])
    result = project.run("new", "a", "--from", "a.parquet")
    assert (result.code, "damaged-file: a.parquet: not a complete Parquet file" in result.err) == (1, True), result.err


def test_geographic_metadata_does_not_decide_how_a_column_is_read(project: Project) -> None:
    """The metadata is wrong here, and DuckDB would refuse the file."""
    geo = {"version": "1.0.0", "primary_column": "place", "columns": {"place": {"encoding": "WKB"}}}
    table = pa.table({"id": [1], "place": pa.array([b"\x01\x02"])}).replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, project.folder / "a.parquet")
    assert project.run("new", "a", "--from", "a.parquet").code == 0
    result = project.run("a")
    assert result.code == 0, result.err
    assert project.table("a") == [(1, b"\x01\x02")]


def test_structs_alone_become_a_flat_table(project: Project) -> None:
    table = pa.table({"s": [{"x": 1, "y z": "a", "w": [1]}], "t": [{"x": 2}], "u": [{"v": {"w": 1}}]})
    pq.write_table(table, project.folder / "a.parquet")
    assert project.run("new", "a", "--from", "a.parquet").code == 0
    result = project.run("a")
    assert result.code == 0, result.err
    assert project.table("a") == [(1, "a", 2)]


def test_a_file_without_any_record_says_why(project: Project) -> None:
    project.write("a.json", "{'a': 1}\n{'a': 2}\n")
    result = project.run("new", "a", "--from", "a.json")
    assert "wrong-format: none of 2 records can be read (not JSON" in result.err
