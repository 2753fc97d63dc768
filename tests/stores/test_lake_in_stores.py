"""Delta tables in a store: the same promises as on a disk, whatever the store answers and whenever the process is killed."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from store_projects import Lake, lines

TABLE = """sources:
  logs: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string not null, s: bigint}}}
sinks:
  lake: {delta: {from: logs, path: s3://BUCKET/tables/t, partition_by: [c], write: WRITE}}
"""
READER = """sources:
  t: {delta: {path: s3a://BUCKET/tables/t/, columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: t, path: out.csv}}
"""
ICEBERG = "connection: catalog, table: tables.t"
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "s3cr3t-of-lake"}


def spelled(lake: Lake, text: str, kind: str) -> str:
    """A pipeline with a table of Delta Lake, or with one of Iceberg, in the bucket of the test."""
    if kind == "iceberg":
        text = text.replace("path: s3://BUCKET/tables/t", ICEBERG).replace("path: s3a://BUCKET/tables/t/", ICEBERG)
    return text.replace("{delta:", f"{{{kind}:").replace("BUCKET", lake.bucket)


def publishing(lake: Lake, write: str = "replace", kind: str = "delta") -> str:
    return lake.project.pipeline(spelled(lake, TABLE, kind).replace("WRITE", write))


def reading(lake: Lake, kind: str = "delta") -> str:
    return lake.project.pipeline(spelled(lake, READER, kind), "reader")


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_a_table_is_made_replaced_by_partitions_read_and_compared(lake: Lake, kind: str) -> None:
    shown = f"Delta table s3://{lake.bucket}/tables/t" if kind == "delta" else "Iceberg table catalog.tables.t"
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    catalog = f"{{iceberg: {{uri: 'sqlite:///catalog.db', warehouse: 's3://{lake.bucket}/ice'}}}}"
    lake.project.write("etlrun.yaml", settings.replace("connections: {", f"connections: {{catalog: {catalog}, "))
    lake.put("raw/a.json", lines(("A", 1), ("B", 2)))
    done = lake.run("plan", publishing(lake, kind=kind))
    assert f"creates the {shown}" in done.out, done.err
    reading(lake, kind)
    project = lake.run("run")
    assert (project.code, sorted(lake.rows())) == (0, ["A,1", "B,2"]), project.err
    lake.put("raw/a.json", lines(("A", 7)))
    second = lake.run(publishing(lake, "{replace_where: \"c = 'A'\"}", kind))
    assert second.code == 0, second.err
    third = lake.run("run")
    assert (third.code, sorted(lake.rows())) == (0, ["A,7", "B,2"]), third.err
    lake.put("raw/a.json", lines(("A", 8)))
    found = lake.run("diff", "p", "--key", "c")
    assert found.code == 1 and "8" in found.out and shown.rsplit(maxsplit=1)[-1] in found.out, found.err
    assert "s3cr3t" not in found.out + third.err + second.err


@pytest.mark.parametrize("partition_by", ["", ", partition_by: [c]"])
@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_rows_with_the_same_key_are_replaced(lake: Lake, kind: str, partition_by: str) -> None:
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    catalog = f"{{iceberg: {{uri: 'sqlite:///catalog.db', warehouse: 's3://{lake.bucket}/ice'}}}}"
    lake.project.write("etlrun.yaml", settings.replace("connections: {", f"connections: {{catalog: {catalog}, "))
    table = spelled(lake, TABLE, kind).replace(", partition_by: [c]", partition_by)
    spec = lake.project.pipeline(table.replace("WRITE", "merge, key: [s]"))
    for rows in ((("A", 1), ("B", 2)), (("C", 3), ("C", 4)), (("é b", 1), ("C", 5))):
        lake.put("raw/a.json", lines(*rows))
        done = lake.run(spec)
        assert done.code == 0, done.err
    assert lake.run(reading(lake, kind)).code == 0
    assert sorted(lake.rows()) == ["B,2", "C,3", "C,4", "C,5", "é b,1"]


def test_a_merge_downloads_only_the_keys_of_files_without_rows_to_replace(lake: Lake, tmp_path: Path) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "lake"))
    from lake_tables import FIRST, SECOND, THIRD, in_store, publication, rows_in

    from etlrun.lake.commits import Write
    from etlrun.lake.delta_log import publish

    folder = in_store(lake.server.url, f"s3://{lake.bucket}/t", tmp_path / "scratch")
    for run, start in ((FIRST, 0), (SECOND, 1000)):
        rows = [(secrets.token_hex(2000), start + number) for number in range(400)]
        publish(folder, publication(tmp_path, rows, run), Write("append"))
    lake.server.log()
    publish(folder, publication(tmp_path, [("new", 1000), ("new", 2000)], THIRD), Write("merge", key=("units",)))
    read = [request for request in lake.server.log(ranges=True) if request.startswith("GET") and ".parquet" in request]
    ranges = [request.rpartition(" bytes=")[2].split("-") for request in read if FIRST in request]
    assert ranges and sum(int(last) - int(first) for first, last in ranges) < 200_000  # of 1,600,000
    found = rows_in(folder)
    assert len(found) == 801 and {number for month, number in found if month == "new"} == {1000, 2000}


@pytest.mark.parametrize(
    ("fault", "code"),
    [("403", "storage-refused"), ("503", "publish-unknown")],
)
def test_a_store_that_does_not_take_the_commit_leaves_the_table_and_a_resume_ends_it(
    lake: Lake, fault: str, code: str
) -> None:
    lake.put("raw/a.json", lines(("A", 1)))
    lake.server.fail({"_delta_log/00000000000000000000.json": fault})
    done = lake.project.run(publishing(lake), "--json", **KEYS)
    assert done.code in (1, 4) and done.json["error"]["code"] == code, done.out
    assert "s3cr3t" not in done.out + done.err and "Traceback" not in done.err
    lake.server.fail({})
    resumed = lake.run("resume", done.json["run_id"])
    assert resumed.code == 0, resumed.err
    assert lake.run(reading(lake)).code == 0 and lake.rows() == ["A,1"]


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from etlrun.lake import delta_log
from etlrun.lake.commits import Write
from etlrun.storage.object_store import ObjectStore
from lake_tables import SECOND, in_store, publication
root, url = Path(sys.argv[2]), sys.argv[3]
children = []
for number, (module, name) in enumerate([(ObjectStore, "put"), (delta_log, "_write"), (delta_log, "_verify")]):
    children.append(os.fork())
    if not children[-1]:
        setattr(module, name, lambda *_: os._exit(9))
        folder = in_store(sys.argv[4], f"{url}/{number}", root / "scratch")
        delta_log.publish(folder, publication(root / f"stage-{number}", [("2022-05", 5)], SECOND), Write("replace"))
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
"""


def test_a_process_killed_anywhere_leaves_the_old_rows_or_the_new_ones_and_the_next_one_ends_its_work(
    lake: Lake, tmp_path: Path
) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "lake"))
    from lake_tables import FIRST, SECOND, THIRD, in_store, publication, rows_in

    from etlrun.lake.commits import Write
    from etlrun.lake.delta_log import publish

    url, before, after = f"s3://{lake.bucket}", [("2022-04", 1)], [("2022-05", 5)]
    folders = [in_store(lake.server.url, f"{url}/{number}", tmp_path / "scratch") for number in range(3)]
    for folder in folders:
        publish(folder, publication(tmp_path, before, FIRST), Write("replace"))
    tests = str(Path(__file__).parents[1] / "lake")
    subprocess.run([sys.executable, "-c", KILLED, tests, str(tmp_path), url, lake.server.url], check=True)
    assert [rows_in(folder) for folder in folders] == [before, before, after]
    for folder in folders[:2]:
        assert publish(folder, publication(tmp_path, after, SECOND), Write("replace")).version == 1
        assert rows_in(folder) == after
    left = [sum(name.startswith("etlrun-") for name in folder.names()) for folder in folders]
    assert left == [2, 2, 2]
    lake.server.age(lake.bucket, 8 * 24 * 3600)
    publish(folders[2], publication(tmp_path, before, THIRD), Write("replace"))
    assert sum(name.startswith("etlrun-") for name in folders[2].names()) == 3
