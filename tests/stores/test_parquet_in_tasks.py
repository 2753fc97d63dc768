"""Parquet files of a store that tasks of the engine read: the rows and messages of this machine's read, and no secret in what is sent."""

from __future__ import annotations

import datetime
import gzip
import platform
import random
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from pyiceberg.catalog import load_catalog
from store_projects import Lake
from wide_parquet import WIDE, bytes_of, wide_files

from etlrun.contracts.connection import Database, Opener
from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError, Workspace
from etlrun.contracts.source import Answer, InputFile, Inventory, ReadRequest, ReadResult, RunTasks, SourceTasks, Wanted
from etlrun.engines._duckdb import start_session
from etlrun.engines.duckdb import Duckdb
from etlrun.failures import RunFailure
from etlrun.language.columns import DATE, DOUBLE, STRING, Column, Columns, Type
from etlrun.language.type_texts import parse_type
from etlrun.reading import slice_task
from etlrun.reading.executor_check import hosts_that_can_read
from etlrun.reading.fetching import Fetching
from etlrun.reading.inventory import TroublesFound, take_inventory, trouble_in
from etlrun.reading.source import DeclaredColumn
from etlrun.reading.task_folder import TaskFolder
from etlrun.sources.delta import Delta
from etlrun.sources.parquet import Parquet, ParquetColumn
from etlrun.spec.dates import Days
from etlrun.spec.paths import Places
from etlrun.spec.project import Use
from etlrun.spec.urls import read_url
from etlrun.storage.staging_area import StagingArea
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


@dataclass(frozen=True)
class Tasks:
    """Tasks in this process."""

    run_tasks: RunTasks = in_any_order

    def attempt(self, read: Callable[[RunTasks], Answer | None]) -> Answer | None:
        return read(self.run_tasks)

    def opener(self, connection: str) -> Opener:
        raise AssertionError(connection)

    def starter(self) -> Callable[[Workspace], EngineSession]:
        return partial(Duckdb(threads=1, memory="200MB").start, environment=str)


def request(lake: Lake, files: Inventory, folder: Path, tasks: SourceTasks | None, *, is_apart: bool) -> ReadRequest:
    """A request to read objects, in tasks that see the folder of this machine or not."""
    area = StagingArea(folder, read_url(f"s3://{lake.bucket}/runs/{folder.name}"), stores(lake).uses, filled)
    own = folder / "sources" / "t"

    def fetch(found: Inventory) -> Inventory:
        return Fetching(found, own / "copies", stores(lake)).fetch()

    nothing = lambda *news: None  # noqa: E731
    given = files if tasks else fetch(files)
    return ReadRequest(
        "t", given, own, None, nothing, no_database,
        stores=stores(lake), fetch=fetch, tasks=tasks, area=area if is_apart else None,
    )  # fmt: skip


def no_database(name: str) -> Database:
    raise AssertionError(name)


def rows_of(found: ReadResult, columns: Columns, given: ReadRequest) -> pa.Table:
    """The rows of a result, sorted by their text."""
    if given.area is not None:
        paths = (path for part in found.files if isinstance(part, ParquetFiles) for path in part.paths)
        given.area.download(dict.fromkeys(paths, ""))
    with closing(start_session(Workspace(given.folder), 1, "")) as session:
        session.read_files("t", columns, found.files)
        return session.fetch("SELECT * FROM t ORDER BY CAST(t AS VARCHAR)")


def columns_of(source: Parquet, **partitions: Type) -> Columns:
    declared = source.columns.items()
    items = [Column(name, parse_type(item.type_text), not item.is_required) for name, item in declared]
    return Columns((*items, *(Column(name, kind) for name, kind in partitions.items())))


@pytest.mark.parametrize("is_apart", [True, False])
def test_rows_of_tasks_are_those_that_duckdb_reads_in_place(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_apart: bool
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    monkeypatch.setattr("etlrun.reading.parquet_job.TASK_BYTES", 10_000)
    for name, content in wide_files().items():
        lake.server.put(lake.bucket, f"m/{name}", content)
    partitions = (Column("dt", DATE), Column("kind", STRING))
    places = Wanted(
        Places(tmp_path, urls=(read_url(f"s3://{lake.bucket}"),)),
        f"s3://{lake.bucket}/m",
        (),
        Days(False),
        Days(False),
        "parquet",
        partitions,
    )
    files, columns = take_inventory(places, stores(lake)), columns_of(WIDE, dt=DATE, kind=STRING)
    assert len(files.files) == 6 and not files.troubles
    here = request(lake, files, tmp_path / "here", None, is_apart=False)
    expected = WIDE.read(here, columns)
    payloads: list[tuple[bytes, int]] = []
    given = request(lake, files, tmp_path / "there", Tasks(watched(payloads)), is_apart=is_apart)
    found = WIDE.read(given, columns)
    assert payloads[0][1] > 2
    assert (found.rows, found.rows_of, found.notices) == (expected.rows, expected.rows_of, expected.notices)
    assert found.rows == 28 and set(found.digests) == {file.path for file in files.files}
    assert rows_of(found, columns, given).equals(rows_of(expected, columns, here))


def watched(payloads: list[tuple[bytes, int]]) -> RunTasks:
    """Tasks in this process, whose payloads are kept."""

    def run_tasks(payload: bytes, count: int) -> list[str]:
        payloads.append((payload, count))
        return in_any_order(payload, count)

    return run_tasks


def test_the_driver_reads_only_footers_and_no_file_of_the_source_comes_to_its_disk(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    noise = random.Random(7)
    files = inventory(
        lake, {f"{at}.parquet": pa.table({"v": [noise.random() for _ in range(100_000)]}) for at in range(3)}
    )
    requests: list[str] = []

    def run_tasks(payload: bytes, count: int) -> list[str]:
        requests.extend(lake.server.log(ranges=True))
        return in_any_order(payload, count)

    given = request(lake, files, tmp_path / "run", Tasks(run_tasks), is_apart=True)
    lake.server.log()
    found = SOURCE.read(given, columns_of(SOURCE))
    assert found.rows == 300_000
    read = [line for line in requests if line.startswith("GET")]
    assert len(read) == 3, read
    for line in read:
        first, last = map(int, line.partition(" bytes=")[2].split("-"))
        assert last - first < 1 << 16 < min(file.size for file in files.files), line
    assert not list((tmp_path / "run").rglob("*.parquet")) and not list((tmp_path / "run").rglob("copies"))


def test_columns_that_nobody_reads_are_not_written(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    source = Parquet(path="*", columns={"v": ParquetColumn("double"), "w": ParquetColumn("string")})
    files = inventory(lake, {"a.parquet": pa.table({"v": [1.5], "w": ["x"]})})
    given = replace(request(lake, files, tmp_path / "run", Tasks(), is_apart=False), unread=frozenset({"w"}))
    (part,) = source.read(given, columns_of(source)).files
    assert isinstance(part, ParquetFiles) and part.lacking == {"w"}
    assert pq.read_table(part.paths[0]).to_pydict() == {"v": [1.5]}


def damaged(content: bytes) -> bytes:
    """The file with zeros in the middle of its values."""
    return content[:100] + bytes(400) + content[500:]


MANY = pa.table({"v": [each / 7 for each in range(20_000)]})
LONG = pa.table({"v": [1.5] * 2, "other": ["some text " * 9] * 2})
WRONG = {
    "text": b"v\n1.5\n" * 100,
    "gzip": gzip.compress(b"v" * 100),
    "short": b"PAR1",
    "half": lambda: bytes_of(MANY)[:50_000],
    "other-footer": lambda: bytes_of(WHOLE)[:-12] + b"\xff" * 8 + b"PAR1",
    "page": lambda: damaged(bytes_of(pa.table({"v": range(5_000)}), use_dictionary=False)),
    "type": lambda: bytes_of(TEXTS),
    "column": lambda: bytes_of(pa.table({"w": [1.5]})),
    "large": lambda: bytes_of(pa.table({"v": [2**53 + 1]})),
    "encrypted": b"PARE" + b"x" * 100 + b"PARE",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_with_a_file_is_told_as_on_this_machine(
    name: str, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    content = WRONG[name]
    content = content if isinstance(content, bytes) else content()
    for key, each in (("a", bytes_of(PARTS)), ("é b", content)):
        lake.server.put(lake.bucket, f"m/{key}.parquet", each)
    url = f"s3://{lake.bucket}/m/é b.parquet"
    files = Inventory(
        tuple(
            InputFile(url.replace("é b", key), None, len(each), 0)
            for key, each in (("a", bytes_of(PARTS)), ("é b", content))
        )
    )
    told = []
    for tasks in (None, Tasks()):
        given = request(lake, files, tmp_path / str(bool(tasks)), tasks, is_apart=True)
        troubles = [trouble for file in given.inventory.files if file.copy for trouble in trouble_in(file, "parquet")]
        with pytest.raises((RunFailure, StatementError, TroublesFound)) as failure:
            if troubles:
                raise TroublesFound(troubles)
            found = SOURCE.read(given, columns_of(SOURCE))
            rows_of(found, columns_of(SOURCE), given)
        told.append({**vars(failure.value), "text": str(failure.value)})
    assert told[0] == told[1]
    assert url in str(told[0]) or name == "large", told[0]


def test_a_page_without_its_checksum_is_noticed_if_it_is_read(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    table = pa.table({"v": range(5_000), "undeclared": range(5_000)})
    plain: dict[str, Any] = {"use_dictionary": False, "compression": "none", "write_page_checksum": True}
    content = bytearray(bytes_of(table, **plain))

    def read(changed: int) -> ReadResult:
        content[changed] ^= 1
        lake.server.put(lake.bucket, "m/a.parquet", bytes(content))
        files = Inventory((InputFile(f"s3://{lake.bucket}/m/a.parquet", None, len(content), 0),))
        return SOURCE.read(request(lake, files, tmp_path / str(changed), Tasks(), is_apart=True), columns_of(SOURCE))

    assert read(len(content) - 10_000).rows == 5_000
    with pytest.raises(RunFailure, match="m/a.parquet: .*a page does not have its checksum") as failure:
        read(1_000)
    assert failure.value.code == "damaged-file"


def test_an_object_that_changed_after_its_footer_was_read_is_noticed(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    columns = columns_of(SOURCE)
    for name, other in (("larger", MANY), ("another type", pa.table({"v": [3, 4]})), ("fewer rows", PARTS.slice(0, 1))):
        files = inventory(lake, {"a.parquet": LONG})

        def run_tasks(payload: bytes, count: int) -> list[str]:
            content = bytes_of(other)  # noqa: B023
            if name != "larger":  # noqa: B023
                content = padded(content, files.files[0].size)  # noqa: B023
            lake.server.put(lake.bucket, "m/a.parquet", content)
            return in_any_order(payload, count)

        given = request(lake, files, tmp_path / name, Tasks(run_tasks), is_apart=True)
        with pytest.raises(RunFailure, match="a.parquet: the (?:file|object) changed while the run read it"):
            SOURCE.read(given, columns)
    files = inventory(lake, {"a.parquet": PARTS})
    lake.server.put(lake.bucket, "m/a.parquet", bytes_of(MANY))
    with pytest.raises(RunFailure, match="the object changed while the run read it"):
        SOURCE.read(request(lake, files, tmp_path / "before", Tasks(), is_apart=True), columns)


def padded(content: bytes, size: int) -> bytes:
    """A Parquet file with bytes between its rows and its footer, so that it has this size."""
    length = int.from_bytes(content[-8:-4], "little") + 8
    assert size >= len(content)
    return content[:-length] + b"\0" * (size - len(content)) + content[-length:]


def test_a_row_that_a_task_lost_stops_the_run(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")

    def run_tasks(payload: bytes, count: int) -> list[str]:
        return [text.replace('"records": 2', '"records": 1') for text in in_any_order(payload, count)]

    files = inventory(lake, {"a.parquet": PARTS})
    with pytest.raises(RunFailure, match="wrote 1 rows of `t`, but its files have 2") as lost:
        SOURCE.read(request(lake, files, tmp_path / "run", Tasks(run_tasks), is_apart=True), columns_of(SOURCE))
    assert lost.value.code == "rows-differ"


def test_this_machine_reads_what_tasks_cannot(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTasks(Tasks):
        def attempt(self, read: Callable[[RunTasks], Answer | None]) -> Answer | None:
            return None

    monkeypatch.setenv("LAKE_SECRET", "secret")
    given = request(lake, inventory(lake, {"a.parquet": PARTS}), tmp_path / "run", NoTasks(), is_apart=True)
    found = SOURCE.read(given, columns_of(SOURCE))
    assert rows_of(found, columns_of(SOURCE), given).to_pydict() == {"v": [1.5, 2.25]}


def test_tasks_read_the_files_of_a_delta_table_also_those_that_are_older_than_a_column(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_SECRET", "secret")
    url = f"s3://{lake.bucket}/table"
    options = dict(stores(lake).delta_options(read_url(url)))
    write_deltalake(url, pa.table({"v": [1.5]}), storage_options=options)
    write_deltalake(
        url, pa.table({"v": [2.5], "w": ["x"]}), storage_options=options, mode="append", schema_mode="merge"
    )
    rows = []
    for names in ("v", "vw"):
        columns = Columns(tuple(Column(name, {"v": DOUBLE, "w": STRING}[name]) for name in names))
        source = Delta(url, {item.name: DeclaredColumn(str(item.type)) for item in columns})
        given = request(lake, Inventory(()), tmp_path / names, Tasks(), is_apart=True)
        found = source.read(given, columns)
        assert found.rows == 2 and not list(given.folder.rglob("copies"))
        rows.append([tuple(row.values()) for row in rows_of(found, columns, given).to_pylist()])
    assert rows == [[(1.5,), (2.5,)], [(1.5, None), (2.5, "x")]]


def failure_of(lake: Lake, folder: Path, run_tasks: RunTasks, *, is_apart: bool) -> RunFailure:
    given = request(lake, inventory(lake, {"a.parquet": WHOLE}), folder, Tasks(run_tasks), is_apart=is_apart)
    with pytest.raises(RunFailure) as failure:
        SOURCE.read(given, columns_of(SOURCE))
    return failure.value


@pytest.mark.parametrize("is_apart", [True, False])
def test_no_secret_travels_and_a_machine_without_it_says_so(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_apart: bool
) -> None:
    payloads = []

    def run_tasks(payload: bytes, count: int) -> list[str]:
        payloads.append(payload)
        monkeypatch.delenv("LAKE_SECRET")
        return in_any_order(payload, count)

    monkeypatch.setenv("LAKE_SECRET", "planted")
    failure = failure_of(lake, tmp_path / "run", run_tasks, is_apart=is_apart)
    assert failure.code == "missing-variable" and "executors need it too" in failure.fix
    assert b"planted" not in payloads[0] and b"LAKE_SECRET" in payloads[0]


def test_files_of_a_task_that_this_machine_does_not_see_are_named(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_tasks(payload: bytes, count: int) -> list[str]:
        answers = in_any_order(payload, count)
        for path in (tmp_path / "run" / "sources" / "t").iterdir():
            shutil.rmtree(path)
        return answers

    monkeypatch.setenv("LAKE_SECRET", "secret")
    failure = failure_of(lake, tmp_path / "run", run_tasks, is_apart=False)
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
