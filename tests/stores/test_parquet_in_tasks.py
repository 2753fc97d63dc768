"""Parquet files of a store that tasks of the engine download: the rows of the driver's read, and no secret in what is sent."""

from __future__ import annotations

import datetime
import io
import os
import platform
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog import load_catalog
from store_projects import Lake

from etlrun.contracts.connection import Database
from etlrun.contracts.source import InputFile, Inventory, ReadRequest
from etlrun.failures import RunFailure
from etlrun.language.columns import DOUBLE, STRING, Column, Columns
from etlrun.reading import slice_task
from etlrun.reading.executor_check import hosts_that_can_read
from etlrun.reading.fetch_job import fetch_in_tasks
from etlrun.reading.source import DeclaredColumn
from etlrun.reading.task_folder import TaskFolder
from etlrun.sources.delta import Delta
from etlrun.sources.parquet import Parquet, ParquetColumn
from etlrun.spec.project import Use
from etlrun.spec.urls import read_url
from etlrun.storage.stores import Stores
from etlrun.storages.s3 import S3
from etlrun.warehouse.opening import filled

SOURCE = Parquet(path="*", columns={"v": ParquetColumn("double")})
WHOLE, PARTS, TEXTS = pa.table({"v": [1, 2]}), pa.table({"v": [1.5, 2.25]}), pa.table({"v": ["1.2345"]})
SPEC = """
sources:
  rows: {parquet: {path: "s3://BUCKET/FOLDER/*.parquet", columns: {v: double}}}
sinks:
  out: {files: {from: rows, path: FOLDER.csv}}
"""
TABLE = """
sources:
  rows: {delta: {path: "s3://BUCKET/table", columns: {v: double}}}
sinks:
  out: {files: {from: rows, path: table.csv}}
"""
DIVIDED = """
sources:
  rows: {KIND: {TABLE, columns: {day: date, v: double, c: string}}}
sinks:
  out: {files: {from: rows, path: KIND.csv}}
"""
SPARK = """  local: {engine: {spark: {master: "local[2]", memory: 1g, read: tasks}}, connections: {CATALOG}}
"""


DIVIDED_ROWS = [",3.5,", ",4.5,x y", "2022-04-01,1.5,x y", "2022-04-01,2.5,é"]


def bytes_of(table: pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def in_any_order(payload: bytes, count: int) -> list[str]:
    """The answers of tasks in this process, each run twice."""
    numbers = random.Random(count).sample(range(count), count)
    answers = {number: [slice_task.answer(payload, number) for _ in range(2)][1] for number in numbers}
    return [answers[number] for number in range(count)]


def inventory(lake: Lake, tables: dict[str, pa.Table]) -> Inventory:
    """The objects of these names, which are put into the bucket."""
    files = []
    for name, table in tables.items():
        content = bytes_of(table)
        lake.server.put(lake.bucket, f"m/{name}", content)
        files.append(InputFile(f"s3://{lake.bucket}/m/{name}", None, len(content), 1_700_000_000_000_000_000))
    return Inventory(tuple(files))


def stores(lake: Lake) -> Stores:
    settings = S3(endpoint=lake.server.url, region="us-east-1", access_key="key", secret_key="${LAKE_SECRET}")
    return Stores({read_url(f"s3://{lake.bucket}"): Use("s3", settings, ())}, filled)


def failure_of(lake: Lake, folder: Path, run_tasks: Callable[[bytes, int], list[str]]) -> RunFailure:
    with pytest.raises(RunFailure) as failure:
        fetch_in_tasks(inventory(lake, {"a.parquet": WHOLE}), SOURCE, folder, stores(lake), run_tasks)
    return failure.value


def test_each_object_is_downloaded_once_and_stays_in_its_place(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    tables = {f"{name}.parquet": table for name, table in zip("abc", (WHOLE, PARTS, TEXTS), strict=True)}
    given = inventory(lake, tables)
    with patch("etlrun.reading.fetch_job.TASK_BYTES", given.files[0].size + 1):
        found = fetch_in_tasks(given, SOURCE, tmp_path / "fetched", stores(lake), in_any_order)
    assert [file.path for file in found.files] == [file.path for file in given.files]
    assert [pq.read_table(file.at) for file in found.files] == list(tables.values())
    assert all(
        len(file.sha256) == 64 and file.identity == (os.stat(file.at).st_dev, os.stat(file.at).st_ino)
        for file in found.files
    )


def test_tasks_download_the_files_of_a_delta_table_also_those_that_are_older_than_a_column(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    url, given = f"s3://{lake.bucket}/table", stores(lake)
    options, downloads = dict(given.delta_options(read_url(url))), []
    write_deltalake(url, pa.table({"v": [1.5]}), storage_options=options)
    write_deltalake(
        url, pa.table({"v": [2.5], "w": ["x"]}), storage_options=options, mode="append", schema_mode="merge"
    )

    def fetch(found: Inventory) -> Inventory:
        folder = tmp_path / f"fetched-{len(downloads)}"
        downloads.append(fetch_in_tasks(found, source, folder, given, in_any_order))
        return downloads[-1]

    rows = []
    for names in ("v", "vw"):
        columns = Columns(tuple(Column(name, {"v": DOUBLE, "w": STRING}[name]) for name in names))
        source = Delta(url, {item.name: DeclaredColumn(str(item.type)) for item in columns})
        request = ReadRequest("t", Inventory(()), tmp_path / names, None, print, no_database, stores=given, fetch=fetch)
        assert source.read(request, columns).rows == 2
        copies = pa.concat_tables([pq.read_table(file.copy) for file in downloads[-1].files], promote_options="default")
        rows.append(sorted(tuple(row.values()) for row in copies.select([*names]).to_pylist()))
    assert rows == [[(1.5,), (2.5,)], [(1.5, None), (2.5, "x")]]
    assert [len(found.files) for found in downloads] == [2, 2]
    assert all(file.copy and len(file.sha256) == 64 for found in downloads for file in found.files)


def no_database(name: str) -> Database:
    raise AssertionError(name)


def test_no_secret_travels_and_a_machine_without_it_says_so(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    payloads = []

    def run_tasks(payload: bytes, count: int) -> list[str]:
        payloads.append(payload)
        monkeypatch.delenv("LAKE_SECRET")
        return in_any_order(payload, count)

    monkeypatch.setenv("LAKE_SECRET", "planted")
    failure = failure_of(lake, tmp_path / "fetched", run_tasks)
    assert failure.code == "missing-variable" and "executors need it too" in failure.fix
    assert b"planted" not in payloads[0] and b"LAKE_SECRET" in payloads[0]


def test_a_copy_that_this_machine_does_not_see_is_named(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_tasks(payload: bytes, count: int) -> list[str]:
        answers = in_any_order(payload, count)
        for path in (tmp_path / "fetched").iterdir():
            shutil.rmtree(path)
        return answers

    monkeypatch.setenv("LAKE_SECRET", "secret")
    failure = failure_of(lake, tmp_path / "fetched", run_tasks)
    assert failure.code == "not-shared" and "does not exist on this machine" in failure.message


def test_the_machines_of_a_cluster_write_where_this_one_reads_and_list_the_stores(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examined(name: str, run_tasks: Callable[[bytes, int], list[str]] = in_any_order) -> list[str]:
        (tmp_path / name).mkdir()
        urls = (read_url(f"s3://{lake.bucket}/m"),)
        return hosts_that_can_read(TaskFolder(tmp_path / name), urls, stores(lake), 3, run_tasks)

    def elsewhere(payload: bytes, count: int) -> list[str]:
        answers = in_any_order(payload, count)
        shutil.rmtree(tmp_path / "own disk")
        return answers

    def without_folder(payload: bytes, count: int) -> list[str]:
        (tmp_path / "no folder").rmdir()
        return in_any_order(payload, count)

    monkeypatch.setenv("LAKE_SECRET", "secret")
    assert examined("shared") == [platform.node()]
    for name, run_tasks, message in (
        ("own disk", elsewhere, "does not exist on this machine"),
        ("no folder", without_folder, "cannot be written on"),
    ):
        with pytest.raises(RunFailure, match=message) as unshared:
            examined(name, run_tasks)
        assert unshared.value.code == "not-shared" and "read: driver" not in unshared.value.fix
    lake.server.fail({"m": "403"})
    with pytest.raises(RunFailure, match=f"on {platform.node()}, where a task runs") as refused:
        examined("refused")
    assert "executors need it too" in refused.value.fix
    monkeypatch.delenv("LAKE_SECRET")
    with pytest.raises(RunFailure, match="`LAKE_SECRET` is not set") as unset:
        examined("unset")
    assert unset.value.code == "missing-variable"


def test_files_of_different_types_keep_their_values_in_any_order(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    catalog = f"catalog: {{iceberg: {{uri: 'sqlite:///catalog.db', warehouse: 's3://{lake.bucket}/ice'}}}}"
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    spark = SPARK.strip().replace("CATALOG", catalog)
    lake.project.write("etlrun.yaml", settings.replace("profiles: {", f"profiles: {{{spark}, "))
    divide_tables(lake)
    lake.project.pipeline(TABLE.replace("BUCKET", lake.bucket), "table")
    url = f"s3://{lake.bucket}/table"
    write_deltalake(url, PARTS, storage_options=dict(stores(lake).delta_options(read_url(url))))
    for order in ("ab", "ba"):
        for folder, tables in (("good", (WHOLE, PARTS)), ("bad", (PARTS, TEXTS))):
            for name, table in zip(order, tables, strict=True):
                lake.server.put(lake.bucket, f"{folder}-{order}/{name}.parquet", bytes_of(table))
            pipeline = SPEC.replace("BUCKET", lake.bucket).replace("FOLDER", f"{folder}-{order}")
            lake.project.pipeline(pipeline, f"{folder}-{order}")
    result = lake.run("run", "--profile", "local")
    for order in ("ab", "ba"):
        published = lake.project.folder / f"good-{order}.csv"
        assert published.read_text().split() == ["v", "1.0", "1.5", "2.0", "2.25"], result.err
        assert f"s3://{lake.bucket}/bad-{order}/{order[1]}.parquet: `v` is string" in result.err, result.err
        assert not (lake.project.folder / f"bad-{order}.csv").exists()
    assert (lake.project.folder / "table.csv").read_text().split() == ["v", "1.5", "2.25"], result.err
    for kind in ("delta", "iceberg"):
        assert (lake.project.folder / f"{kind}.csv").exists(), result.err
        header, *rows = (lake.project.folder / f"{kind}.csv").read_text().splitlines()
        assert (header, sorted(rows)) == ("day,v,c", DIVIDED_ROWS), result.err


def divide_tables(lake: Lake) -> None:
    """A Delta table and an Iceberg table with two partition columns, and pipelines that read them."""
    days = [datetime.date(2022, 4, 1), None]
    columns = {"c": ["x y", "é", None, "x y"], "v": [1.5, 2.5, 3.5, 4.5], "day": [days[0], days[0], days[1], days[1]]}
    table = pa.table(columns, pa.schema({"c": pa.string(), "v": pa.float64(), "day": pa.date32()}))
    url, given = f"s3://{lake.bucket}/divided", stores(lake)
    options = dict(given.delta_options(read_url(url)))
    write_deltalake(url, table, storage_options=options, partition_by=["day", "c"])
    storage = {"s3.endpoint": lake.server.url, "s3.access-key-id": "key", "s3.secret-access-key": "secret"}
    place = {"uri": f"sqlite:///{lake.project.folder}/catalog.db", "warehouse": f"s3://{lake.bucket}/ice"}
    catalog = load_catalog("default", type="sql", **place, **storage, **{"s3.region": "us-east-1"})
    catalog.create_namespace("t")
    made = catalog.create_table("t.divided", table.schema)
    with made.update_spec() as spec:
        spec.add_identity("day")
        spec.add_identity("c")
    made.append(table)
    catalog.close()
    for kind, named in (("delta", f"path: '{url}'"), ("iceberg", "connection: catalog, table: t.divided")):
        lake.project.pipeline(DIVIDED.replace("KIND", kind).replace("TABLE", named), f"divided-{kind}")
