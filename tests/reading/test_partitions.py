"""Columns of `partitions` have the values that the names of folders give, whatever the files hold, in every kind of file and on both engines."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.language.columns import DATE, STRING, Column, decimal
from etlrun.reading.folder_values import PartitionError, partition_values
from projects import Project

NULL = "__HIVE_DEFAULT_PARTITION__"
FOLDERS = [f"dt=2024-01-01/Town=H%C3%A0 N%E1%BB%99i%2F1/rate={NULL}", f'dt={NULL}/Town=it\'s "q"%25/rate=-0.5']
READ = """sources:
  cells: {csv: {path: data/cells, SHARED}}
  lines: {json: {path: data/lines, SHARED}}
  maps: {json: {path: data/maps, columns: {id: bigint, m: "map<string, int>"}, PARTITIONS}}
  columns: {parquet: {path: data/columns, SHARED}}
steps:
  of_maps: [{from: maps}, {drop: m}]
  all: [{from: [cells, lines, of_maps, columns]}]
sinks:
  rows: {table: {from: all, connection: warehouse, write: replace}}
"""


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_each_kind_of_file_has_the_values_of_its_folders(engine: str, tmp_path: Path) -> None:
    project = Project(tmp_path)
    for number, folder in enumerate(FOLDERS):
        project.write(f"data/cells/{folder}/a.csv", f'id,town\n{number},own\n"{number}0",own\n')
        project.write(f"data/lines/{folder}/a.json", f'{{"id": {number}, "town": "own"}}\n{{}}\n')
        project.write(f"data/maps/{folder}/a.json", f'{{"id": {number}, "m": {{"a": 1}}}}\n')
        (tmp_path / "data/columns" / folder).mkdir(parents=True)
        pq.write_table(pa.table({"id": [number], "town": ["own"]}), tmp_path / "data/columns" / folder / "a.parquet")
    partitions = 'partitions: {dt: date, town: string not null, rate: "decimal(5,2)"}'
    spec = READ.replace("SHARED", "columns: {id: bigint}, PARTITIONS").replace("PARTITIONS", partitions)
    done = project.run(project.pipeline(spec), "--engine", engine)
    assert done.code == 0, done.err
    expected = [(0, "2024-01-01", "Hà Nội/1", None)] * 4 + [(1, None, 'it\'s "q"%', "-0.50")] * 4
    expected += [(None, *expected[0][1:]), (None, *expected[4][1:])]
    expected += [(0, *expected[0][1:]), (10, *expected[4][1:])]
    found = [tuple(None if item is None else str(item) for item in row) for row in project.table("rows")]
    assert sorted(found, key=str) == sorted(
        (tuple(None if item is None else str(item) for item in row) for row in expected), key=str
    )


DT, TOWN = Column("dt", DATE, nullable=False), Column("town", STRING)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("data/a.csv", "its path has no folder `dt=...`"),
        ("data/dt=2024-01-01.csv", "its path has no folder `dt=...`"),
        ("data/dt=2024-01-01/DT=2024-01-02/a.csv", "its path has 2 folders `dt=...`"),
        ("data/dt=/a.csv", "the folder `dt=` has no value"),
        (f"data/dt={NULL}/a.csv", f"the folder `dt={NULL}`: `dt` has no value"),
        ("data/dt=2024-13-01/a.csv", 'the folder `dt=2024-13-01`: `dt` is "2024-13-01", but date is expected'),
        ("data/dt=%FF/a.csv", "the folder `dt=%FF`: not UTF-8 (byte 1)"),
    ],
)
def test_a_folder_without_one_value_of_the_type_is_refused(path: str, message: str) -> None:
    with pytest.raises(PartitionError) as error:
        partition_values(path, [DT])
    assert str(error.value) == message


def test_values_are_escaped_as_hive_does() -> None:
    assert partition_values("town=a%3Db=c%2/a.csv", [TOWN]) == ("a=b=c%2",)
    assert partition_values(f"town={NULL}/rate=1.50/a", [TOWN, Column("rate", decimal(5, 2))])[0] is None


def test_a_column_of_folders_has_a_name_and_a_type_of_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path)
    spec = "sources:\n  s: {csv: {path: a, columns: {id: bigint}, partitions: {ID: int, b: 'array<int>'}}}\n"
    done = project.run("check", project.pipeline(spec + "sinks:\n  f: {files: {from: s, path: f.json}}\n"))
    assert done.code == 2
    assert "column-exists: a column `id` already exists" in done.out
    assert "type-mismatch: a folder name cannot be read as array<int>" in done.out
