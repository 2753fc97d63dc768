"""Every run leaves a list of what it read: files with their size, time, rows and (where wanted) digest, and tables."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import etlrun
from projects import PROJECT, Project

COLUMNS = "columns: {shop: string not null, units: int}"
SPEC = f"""
sources:
  views: {{json: {{path: "views/{{date:yyyyMMdd}}.json", dates: "2022-04-01..2022-04-02", max_bad_rows: 50%, {COLUMNS}}}}}
  sales: {{csv: {{path: sales.csv, max_bad_rows: 50%, {COLUMNS}}}}}
  parts: {{csv: {{path: "parts/*.csv", {COLUMNS}}}}}
  stock: {{parquet: {{path: stock, {COLUMNS}}}}}
  shops: {{table: {{connection: warehouse, table: shops, {COLUMNS}}}}}
steps:
  viewed:
    - from: views
    - select: [shop, units]
  everything:
    - from: [viewed, sales, parts, stock, shops]
    - select: [shop, units]
sinks:
  everything: {{files: {{from: everything, path: out.csv}}}}
"""
FILES = {
    "views/20220401.json": '{"shop": "A", "units": 1}\n{"shop": "B", "units": 2}\nno object\n',
    "views/20220402.json": '{"shop": "C"}\n',
    "sales.csv": "shop,units\nA,1\nB,many\nC,3\n",
    "parts/1.csv": "shop,units\nA,1\n",
    "parts/2.csv": "shop,units\nB,2\nC,3\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that reads every kind of source; its files were changed on the first days of 2022."""
    project = Project(tmp_path)
    for path, text in FILES.items():
        project.write(path, text)
    (tmp_path / "stock").mkdir()
    for number, shops in enumerate((["A"], ["B", "C"])):
        pq.write_table(
            pa.table({"shop": shops, "units": pa.array([1] * len(shops), pa.int32())}),
            tmp_path / f"stock/{number}.parquet",
        )
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE shops AS SELECT 'A' AS shop, 1::INTEGER AS units")
    for path in ("views/20220401.json", "sales.csv"):
        os.utime(tmp_path / path, ns=(0, 1_641_081_906_123_456_000))
    return project


def run_folder(project: Project) -> Path:
    return sorted(project.folder.glob(".etlrun/runs/*"))[-1]


def inputs(project: Project) -> list[dict[str, Any]]:
    found = json.loads((run_folder(project) / "inputs.json").read_text())
    assert isinstance(found, list)
    return found


def brief(summary: dict[str, Any]) -> tuple[Any, ...]:
    return (
        summary["source"],
        Path(summary["path"]).name if "path" in summary else summary["table"],
        summary.get("rows"),
        summary.get("bad_rows"),
    )


def test_every_file_and_table_is_listed_with_its_rows(project: Project) -> None:
    result = project.run(project.pipeline(SPEC), "--json")
    assert result.code == 0, result.err
    found = inputs(project)
    assert [brief(summary) for summary in found] == [
        ("views", "20220401.json", 2, 1),
        ("views", "20220402.json", 1, 0),
        ("sales", "sales.csv", 2, 1),
        ("parts", "1.csv", 1, 0),
        ("parts", "2.csv", 2, 0),
        ("stock", "0.parquet", 1, None),
        ("stock", "1.parquet", 2, None),
        ("shops", "shops", 1, None),
    ]
    assert found[2] == {
        "source": "sales",
        "path": str(project.folder / "sales.csv"),
        "size": len(FILES["sales.csv"]),
        "mtime": "2022-01-02T00:05:06.123456Z",
        "rows": 2,
        "bad_rows": 1,
    }
    assert found[-1] == {"source": "shops", "connection": "warehouse", "table": "shops", "rows": 1}
    assert set(result.json) == {
        "pipeline",
        "run_id",
        "status",
        "engine",
        "seconds",
        "sources",
        "relations",
        "checks",
        "sinks",
        "models",
    }
    assert set(result.json["sources"]["views"]) == {"rows", "bad_rows", "files"}


def test_a_project_can_have_digests_of_its_inputs(project: Project) -> None:
    project.write("etlrun.yaml", "hash_inputs: true\n" + PROJECT)
    result = project.run(project.pipeline(SPEC), "-q")
    assert result.code == 0, result.err
    files = [summary for summary in inputs(project) if "path" in summary]
    assert [summary["sha256"] for summary in files] == [
        hashlib.sha256(Path(summary["path"]).read_bytes()).hexdigest() for summary in files
    ]


def test_a_run_that_failed_while_it_read_lists_what_was_there(project: Project) -> None:
    project.write("views/20220402.json", "no object\n" * 100)
    assert project.run(project.pipeline(SPEC)).code == 1
    assert [summary["size"] for summary in inputs(project)[:2]] == [len(FILES["views/20220401.json"]), 1000]
    assert all("rows" not in summary for summary in inputs(project))


def test_the_list_is_kept_when_the_folders_of_runs_are_swept(project: Project) -> None:
    path = project.pipeline(SPEC.replace("path: out.csv", "path: out.csv, min_rows: 1000"))
    assert project.run(path).code == 1
    folder, before = run_folder(project), inputs(project)
    old = folder.rename(folder.with_name("20000101T000000Z-abcdef"))
    record = json.loads((old / "run.json").read_text())
    (old / "run.json").write_text(json.dumps({**record, "run_id": old.name}))
    assert project.run(path).code == 1
    assert not (old / "stage").exists()
    assert json.loads((old / "inputs.json").read_text()) == before


def test_a_file_that_changes_while_a_run_reads_it_stops_the_run(project: Project) -> None:
    project.write("mine.py", "def late(rows):\n    open('sales.csv', 'a').write('D,4\\n')\n    return rows\n")
    step = '    - python: {function: "mine:late", columns: {shop: string, units: int}}\nsinks:'
    result = project.run(project.pipeline(SPEC.replace("sinks:", step, 1)))
    assert result.code == 1
    assert f"changed-file: {project.folder / 'sales.csv'}: the file changed while the run read it" in result.err
    assert [summary["path"] for summary in inputs(project) if summary.get("changed")] == [
        str(project.folder / "sales.csv")
    ]


PARTS_AND_STOCK = f"""
sources:
  parts: {{csv: {{path: "parts/*.csv", {COLUMNS}}}}}
  stock: {{parquet: {{path: stock, {COLUMNS}}}}}
steps:
  first:
    - from: parts
    - python: {{function: "mine:late", columns: {{shop: string, units: int}}}}
  second:
    - from: stock
    - python: {{function: "mine:same", columns: {{shop: string, units: int}}}}
sinks:
  first: {{files: {{from: first, path: first.csv}}}}
  second: {{files: {{from: second, path: second.csv}}}}
"""
MINE = """import os
from pathlib import Path

def same(rows):
    return rows

def late(rows):
    path = Path("stock/0.parquet")
    before = path.stat()
    {change}
    return rows
"""


@pytest.mark.parametrize(
    "change",
    [
        "path.write_bytes(path.read_bytes()[:100])",
        "path.unlink()",
        "path.write_bytes(bytes(before.st_size)); os.utime(path, ns=(0, 0))",
        "new = Path('new'); new.write_bytes(path.read_bytes()); os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns)); new.replace(path)",
    ],
)
def test_a_parquet_file_that_changes_before_the_engine_reads_it_stops_the_run(project: Project, change: str) -> None:
    project.write("mine.py", MINE.format(change=change))
    result = project.run(project.pipeline(PARTS_AND_STOCK), "-q")
    assert result.code == 1
    assert result.err.startswith(f"changed-file: {project.folder / 'stock/0.parquet'}: the file changed"), result.err
    assert not (project.folder / "first.csv").exists()


def test_a_damaged_parquet_file_below_a_function_is_named(project: Project) -> None:
    project.write("mine.py", MINE.format(change="pass"))
    path = project.folder / "stock/0.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(20) + content[24:])
    result = project.run(project.pipeline(PARTS_AND_STOCK), "-q")
    assert result.code == 1
    place, _, message = result.err.partition(": damaged-file: ")
    assert place.startswith("pipelines/p.yaml:"), result.err
    assert message.startswith(f"{path}: the engine cannot read the file (") and "^^^" in message, result.err


@pytest.mark.parametrize(("profile", "package"), [("fast", "duckdb"), ("local", "pyspark")])
def test_the_record_names_the_code_that_ran(project: Project, profile: str, package: str) -> None:
    assert project.run(project.pipeline(SPEC), "-q", "--profile", profile).code == 0
    record = json.loads((run_folder(project) / "run.json").read_text())
    assert record["version"] == etlrun.__version__
    assert record["engine_version"] == f"{record['engine']} {importlib.metadata.version(package)}"
