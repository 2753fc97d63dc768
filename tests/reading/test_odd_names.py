"""Any name that the file system allows is read and written under that name, by both engines, and nothing appears elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projects import Project

ODD = ["a[1]", "b*", "c?", "{d,e}", "f g", "é ü", "h#%20%", "i:j", "'k\"", "l\nm", "n\\o", "p=q", "~", "$r${s}", "[!t]"]
NEIGHBOURS = ["a1", "bzz", "cx", "d", "e", "t"]  # what the odd names would match as patterns
READ = """sources:
  lines:
    json: {path: data/lines, columns: {id: bigint, f: string}}
  cells:
    csv: {path: data/cells, columns: {id: bigint, f: string}}
  columns:
    parquet: {path: data/columns, columns: {id: bigint, f: string}}
steps:
  all:
    - from: [lines, cells, columns]
sinks:
  rows:
    table: {from: all, connection: warehouse, write: replace}
  file:
    files: {from: all, path: "out [1] é%20/rows*.csv"}
"""


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_every_file_is_read_once_under_its_own_name(engine: str, tmp_path: Path) -> None:
    home = tmp_path / "my [proj]* é%20#" / "key=value" / "new\nline"
    project = Project(_made(home))
    names = ODD + NEIGHBOURS
    for name in names:
        for folder in (name, ""):
            stem = f"{folder}/{name}"
            target = project.folder / f"data/columns/{stem}.parquet"
            target.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"id": [3], "f": [stem]}), target)
            if "\\" in name:
                continue  # beside the characters of the project's folder, DuckDB cannot name the file
            project.write(f"data/lines/{stem}.json", f'{{"id": 1, "f": {_quoted(stem)}}}\n')
            project.write(f"data/cells/{stem}.csv", f'id,f\n2,"{stem.replace(chr(34), chr(34) * 2)}"\n')
    done = project.run(project.pipeline(READ), "--engine", engine)
    assert done.code == 0, done.err
    expected = sorted(
        (number, f"{folder}/{name}")
        for number in (1, 2, 3)
        for name in names
        for folder in (name, "")
        if number == 3 or "\\" not in name
    )
    assert sorted(project.table("rows")) == expected
    assert sorted(os.listdir(project.folder)) == [
        ".etlrun",
        "data",
        "etlrun.yaml",
        "out [1] é%20",
        "pipelines",
        "warehouse.duckdb",
    ]
    assert os.listdir(project.folder / "out [1] é%20") == ["rows*.csv"]
    beside = [path.name for level in (home, *home.parents[:2]) for path in level.parent.iterdir()]
    assert beside == ["new\nline", "key=value", "my [proj]* é%20#"]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
