"""What tasks do with rows in the staging area if the store or a file fails: one message, never other rows."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_projects import Lake

from etlrun.contracts.engine import ParquetFiles, WrittenFile
from etlrun.failures import RunFailure
from etlrun.lake.table_folder import store_folder
from etlrun.language.columns import BIGINT, Column, Columns
from etlrun.reading import slice_job, staged_rows
from etlrun.reading.executor_check import hosts_that_can_read
from etlrun.reading.slice_task import answer
from etlrun.reading.staged_rows import (
    FileToRead,
    ReadJob,
    WriteJob,
    answer_of,
    failure_in,
    payload_of,
    read_group,
    write_partition,
)
from etlrun.reading.task_folder import TaskFolder
from etlrun.spec.project import Use
from etlrun.spec.project_file import read_project
from etlrun.spec.urls import Url, read_url
from etlrun.storage.staging_area import StagedObject, StagingArea
from etlrun.storage.stores import Stores
from etlrun.warehouse.opening import filled

ROWS = [1, 2, 3]


@pytest.fixture
def area(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StagingArea:
    monkeypatch.setenv("LAKE_KEY", "key")
    monkeypatch.setenv("LAKE_SECRET", "secret")
    return StagingArea(tmp_path / "run", read_url(f"s3://{lake.bucket}/runs/1"), read_project(tmp_path).storage, filled)


def to_write(area: StagingArea) -> bytes:
    return payload_of(WriteJob(area, str(area.folder / "stage/r"), ("n",)))


def write(payload: bytes) -> WrittenFile:
    """The file that a task writes. Raises RunFailure."""
    (file,) = answer_of(write_partition(payload, 0, [pa.RecordBatch.from_pydict({"n": ROWS})])).files
    return file


def to_read(area: StagingArea, file: WrittenFile) -> bytes:
    group = (FileToRead(file.path, file.size, file.sha256),)
    return payload_of(ReadJob(area, Columns((Column("n", BIGINT),)), (group,), ParquetFiles((file.path,))))


def read(payload: bytes) -> list[int]:
    """The rows of a task that reads a file. Raises RunFailure."""
    try:
        return [value for batch in read_group(payload, 0) for value in batch["n"].to_pylist()]
    except RuntimeError as error:
        failure = failure_in(f"Job aborted. {error}\n at java")
        assert failure is not None
        raise failure from error


def test_only_files_that_an_answer_names_are_read(area: StagingArea) -> None:
    lost, kept = write(to_write(area)), write(to_write(area))
    assert lost.path != kept.path and len(area.sizes(area.folder / "stage")) == 2
    assert read(to_read(area, kept)) == ROWS
    area.remove(area.folder / "stage")
    assert area.opened().all_below(area.url) == []


def test_each_partition_has_a_file_in_their_order_whichever_is_uploaded_first(lake: Lake, area: StagingArea) -> None:
    lake.server.fail({"/stage/": "slow x1"})
    payload = payload_of(WriteJob(area, str(area.folder / "stage/r"), ("n",), ("n",)))
    batch = pa.RecordBatch.from_pydict({"n": [number // 2 for number in range(40)]})
    files = answer_of(write_partition(payload, 0, [batch])).files
    assert [file.partition for file in files] == [{"n": str(number)} for number in range(20)]
    assert [read(to_read(area, file)) for file in files] == [[number, number] for number in range(20)]


@pytest.mark.parametrize(
    ("fault", "code"), [("503", "storage-failed"), ("403", "storage-refused"), ("slow x1", ""), ("lost x1", "")]
)
def test_a_store_that_fails_while_a_task_writes(lake: Lake, area: StagingArea, fault: str, code: str) -> None:
    lake.server.fail({"/stage/": fault})
    if not code:
        assert read(to_read(area, write(to_write(area)))) == ROWS
        return
    with pytest.raises(RunFailure, match=r"stage/r/part-00000-00000-\w+\.parquet: .* where a task runs\)") as failed:
        write(to_write(area))
    assert failed.value.code == code


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("503", "storage-failed"),
        ("403", "storage-refused"),
        ("half", "storage-failed"),
        ("half x1", ""),
        ("slow x1", ""),
        ("cut x1", ""),
    ],
)
def test_a_store_that_fails_while_a_task_reads(lake: Lake, area: StagingArea, fault: str, code: str) -> None:
    file = write(to_write(area))
    lake.server.fail({"/stage/": fault})
    if not code:
        assert read(to_read(area, file)) == ROWS
        return
    with pytest.raises(RunFailure, match=r"stage/r/part-00000-00000-\w+\.parquet: .* where a task runs\)") as failed:
        read(to_read(area, file))
    assert failed.value.code == code


@pytest.mark.parametrize("change", ["removed", "shorter", "other bytes", "other bytes, digest unknown"])
def test_a_staged_file_that_is_no_longer_what_was_written(lake: Lake, area: StagingArea, change: str) -> None:
    file = write(to_write(area))
    key = area.url_of(file.path).key
    if change == "removed":
        lake.server.delete(lake.bucket, key)
    else:
        lake.server.put(lake.bucket, key, b"x" * (5 if change == "shorter" else file.size))
    payload = to_read(area, replace(file, sha256="") if "unknown" in change else file)
    with pytest.raises(RunFailure, match=f"staged file {area.url_of(file.path)} was removed or changed") as failed:
        read(payload)
    assert failed.value.code == "stage-damaged" and lake.bucket in failed.value.message


@pytest.mark.parametrize("change", ["removed", "other bytes"])
def test_a_staged_file_that_the_driver_does_not_find_as_it_was_written(
    lake: Lake, area: StagingArea, change: str
) -> None:
    file = write(to_write(area))
    area.download({file.path: file.sha256})
    Path(file.path).unlink()
    if change == "removed":
        area.remove(area.folder / "stage")
    else:
        lake.server.put(lake.bucket, area.url_of(file.path).key, b"x" * file.size)
    with pytest.raises(RunFailure, match=f"staged file {area.url_of(file.path)} was removed or changed"):
        area.download({file.path: file.sha256})
    assert list(area.folder.rglob("*.parquet*")) == []


@pytest.mark.parametrize("is_near", [True, False])
def test_a_staged_object_with_other_rows_of_the_same_size_does_not_get_into_a_table(
    lake: Lake, area: StagingArea, tmp_path: Path, is_near: bool
) -> None:
    file = write(to_write(area))
    url = area.url_of(file.path)
    staged = StagedObject(url, file.size, file.sha256, file.tag)
    there = Url("s3", lake.bucket if is_near else f"{lake.bucket}-other", "out")
    lake.server.make_bucket(there.authority)
    keys = dict.fromkeys((f"s3://{lake.bucket}", f"s3://{there.authority}"), next(iter(area.storages.values())))
    other = {
        **keys,
        f"s3://{there.authority}": Use("s3", replace(next(iter(keys.values())).value, access_key="other"), ()),
    }
    stores = Stores({read_url(name): use for name, use in (keys if is_near else other).items()}, area.environment)
    table = store_folder(there, stores, tmp_path)
    assert table.add(tmp_path / "first/copy.parquet", "first.parquet", staged)[0] == file.size
    content = lake.server.get(lake.bucket, url.key)
    changed = content.replace((2).to_bytes(8, "little"), (9).to_bytes(8, "little"), 1)
    assert pq.read_table(pa.BufferReader(changed))["n"].to_pylist() == [1, 9, 3]
    lake.server.put(lake.bucket, url.key, changed)
    with pytest.raises(RunFailure, match=f"the staged file {url} was removed or changed") as failed:
        table.add(tmp_path / "second/copy.parquet", "second.parquet", staged)
    assert failed.value.code == "stage-damaged"
    assert [one.url.key for one in table.store.all_below(there)] == ["out/first.parquet"]


@pytest.mark.parametrize("wrong", [{"duckdb": "0.1"}, {"Python": "3.2"}, {"etlrun": "older"}])
def test_an_executor_with_another_reader_neither_writes_nor_reads(
    area: StagingArea, wrong: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, here = to_write(area), slice_job.this_reader()
    reading = to_read(area, write(writing))
    monkeypatch.setattr(staged_rows, "this_reader", lambda: {**here, **wrong})
    for action in (lambda: write(writing), lambda: read(reading)):
        with pytest.raises(RunFailure, match=f"cannot read files like this machine: .*{next(iter(wrong))}") as failed:
            action()
        assert failed.value.code == "worker-mismatch"
        assert ("PYSPARK_PYTHON" if "Python" in wrong else "etlrun pack") in failed.value.fix


@pytest.mark.parametrize(
    ("fault", "place"),
    [({"PUT /": "403"}, "where a task runs"), ({"HEAD /": "403"}, "where a task runs"), ({}, "")],
)
def test_doctor_lets_executors_write_and_read_below_runs(
    lake: Lake, area: StagingArea, fault: dict[str, str], place: str
) -> None:
    def run_tasks(payload: bytes, count: int) -> list[str]:
        return [answer(payload, number) for number in range(count)]

    lake.server.fail(fault)
    folder, stores = TaskFolder(area.folder, area), Stores(area.storages, area.environment)
    if not place:
        assert hosts_that_can_read(folder, (), stores, 3, run_tasks) == [platform.node()]
        assert len(area.opened().all_below(area.url)) == 3
        return
    with pytest.raises(RunFailure, match=f"the store denies access .*{place}") as failed:
        hosts_that_can_read(folder, (), stores, 3, run_tasks)
    assert failed.value.code == "storage-refused" and "disk" not in failed.value.fix


def test_keys_that_an_executor_lacks_are_named(area: StagingArea, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = to_write(area)
    reading = to_read(area, write(writing))
    monkeypatch.delenv("LAKE_SECRET")
    for action in (lambda: write(writing), lambda: read(reading)):
        with pytest.raises(RunFailure, match="`LAKE_SECRET` is not set") as failed:
            action()
        assert failed.value.code == "missing-variable" and "set it where they start" in failed.value.fix
