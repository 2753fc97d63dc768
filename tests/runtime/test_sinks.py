"""The sink `files` and the source `table`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from projects import Project

NOTES = """
sources:
  notes: {csv: {path: notes.csv, columns: {id: int, note: string}}}
steps:
  out:
    - from: notes
sinks:
  export:
    files: {from: out, path: PATH}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("notes.csv", 'id,note\n2,ngày\n1,=1+1\n3,"a,""b"""\n4,\n')
    return project


@pytest.mark.parametrize(("key", "first"), [("", "=1+1"), (", formulas: escape", "'=1+1")])
def test_csv_is_sorted_and_formulas_are_escaped_where_the_spec_asks(project: Project, key: str, first: str) -> None:
    assert project.run(project.pipeline(NOTES.replace("PATH", "out/notes.csv" + key))).code == 0
    assert (project.folder / "out/notes.csv").read_text() == f'id,note\n1,{first}\n2,ngày\n3,"a,""b"""\n4,\n'


def test_every_text_that_a_spreadsheet_takes_for_a_formula_is_escaped(project: Project) -> None:
    formulas = [*(f"{sign}1" for sign in "=+-@\uff1d\uff0b\uff0d\uff20"), "\t=1", "\n=1", "\r\n=1"]
    texts = [*formulas, "1=1", " =1", "'=1"]
    project.write("texts.csv", "id,note\n" + "".join(f'{number},"{text}"\n' for number, text in enumerate(texts)))
    columns = "columns: {id: int, note: string}"
    spec = f"sources:\n  s: {{csv: {{path: texts.csv, {columns}}}}}\nsinks:\n  o: {{files: {{from: s, path: o.csv, formulas: escape}}}}\n"
    done = project.run(project.pipeline(spec))
    assert done.code == 0, done.err
    with (project.folder / "o.csv").open(newline="") as file:
        found = [note for _, note in csv.reader(file)]
    assert found == ["note", *(f"'{text}" for text in formulas), "1=1", " =1", "'=1"]


def test_json_lines_and_parquet(project: Project) -> None:
    assert project.run(project.pipeline(NOTES.replace("PATH", "out/notes.json"))).code == 0
    rows = [json.loads(line) for line in (project.folder / "out/notes.json").read_text().splitlines()]
    assert rows[0] == {"id": 1, "note": "=1+1"}
    assert project.run(project.pipeline(NOTES.replace("PATH", "out/notes.parquet"))).code == 0
    found = duckdb.sql(f"SELECT * FROM read_parquet('{project.folder}/out/notes.parquet')").fetchall()
    assert found == [(1, "=1+1"), (2, "ngày"), (3, 'a,"b"'), (4, None)]


@pytest.mark.parametrize("target", ["out/notes.parquet", "out/notes/, partition_by: [id]", "out/notes/"])
def test_parquet_files_declare_the_same_columns_whether_or_not_a_column_has_nulls(
    project: Project, target: str
) -> None:
    found = []
    for last in ("", "note"):
        project.write("notes.csv", f"id,note\n1,note\n1,{last}\n")
        assert project.run(project.pipeline(NOTES.replace("PATH", target))).code == 0
        newest = max(project.folder.glob("out/**/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
        found.append(pq.read_schema(newest))
    assert found[0].equals(found[1])
    assert all(field.nullable for field in found[0])


def test_a_second_run_gives_the_same_bytes(project: Project) -> None:
    spec = project.pipeline(NOTES.replace("PATH", "out/notes.parquet"))
    project.run(spec)
    first = (project.folder / "out/notes.parquet").read_bytes()
    assert project.run(spec).code == 0
    assert (project.folder / "out/notes.parquet").read_bytes() == first
    assert [path.name for path in (project.folder / "out").iterdir()] == ["notes.parquet"]


def test_a_path_outside_the_project_is_refused(project: Project) -> None:
    result = project.run(project.pipeline(NOTES.replace("PATH", "../notes.csv")))
    assert result.code == 2
    assert "the path leads out of the project's folder" in result.err


def test_a_table_is_read_with_the_declared_types(project: Project) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE people (id INTEGER, name VARCHAR, born DATE)")
        connection.execute("INSERT INTO people VALUES (1, 'An', '1990-01-02'), (2, NULL, NULL)")
    source = "table: {connection: warehouse, table: people, columns: {id: bigint, name: string, born: date}}"
    text = NOTES.replace("csv: {path: notes.csv, columns: {id: int, note: string}}", source).replace(
        "PATH", "out/people.csv"
    )
    result = project.run(project.pipeline(text), "--json")
    assert result.code == 0, result.err
    assert result.json["sources"]["notes"]["rows"] == 2
    assert (project.folder / "out/people.csv").read_text() == "id,name,born\n1,An,1990-01-02\n2,,\n"


def test_a_table_without_a_declared_column_says_what_it_has(project: Project) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE people (id INTEGER)")
    source = "table: {connection: warehouse, table: people, columns: {id: bigint, name: string}}"
    text = NOTES.replace("csv: {path: notes.csv, columns: {id: int, note: string}}", source).replace(
        "PATH", "out/people.csv"
    )
    result = project.run(project.pipeline(text))
    assert result.code == 1
    assert "missing-column: the table `people` has no column `name`" in result.err
