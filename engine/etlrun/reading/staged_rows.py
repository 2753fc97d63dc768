"""Writes rows into a staging area and reads them again, in tasks on any machine. Nothing is renamed: a file that no answer names does not exist.

The rows come from the engine and go back to it as Arrow data, so that it needs no access to the store.
"""

from __future__ import annotations

import json
import pickle
import platform
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.contracts.engine import FAILED, ParquetFiles, WrittenFile
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import parquet, row_digests
from etlrun.reading.slice_job import TOO, difference, this_reader, worker_mismatch
from etlrun.reading.task_folder import scratch_folder
from etlrun.spec.scope import HIDDEN
from etlrun.storage.digests import digest_of
from etlrun.storage.object_store import StoredObject, StoreError
from etlrun.storage.staging_area import StagingArea, as_failure

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 1 << 26  # bytes of Arrow data
FAILURE = "etlrun-failure:"
_SIGN = "~etlrun~"


@dataclass(frozen=True)
class WriteJob:
    """Writes each partition of a result into a file of `folder`."""

    area: StagingArea
    folder: str


@dataclass(frozen=True)
class ReadJob:
    """Reads Parquet files of etlrun. Task N reads those in `groups[N]`, which are paths with their sizes in bytes."""

    area: StagingArea
    columns: Columns
    groups: tuple[tuple[tuple[str, int], ...], ...]
    form: ParquetFiles


def payload_of(job: WriteJob | ReadJob) -> bytes:
    """The pickled job, after the versions of this machine's reader."""
    return pickle.dumps((this_reader(), pickle.dumps(job)))


def write_partition(payload: bytes, number: int, batches: Iterable[pa.RecordBatch]) -> str:
    """Write the rows of partition `number` as a new file; returns as JSON what `answer_of` reads. A failure of the store is returned, not raised."""
    try:
        job: WriteJob = _job(payload)
        with scratch_folder() as scratch:
            return json.dumps(_write(job, number, batches, scratch / "rows.parquet"))
    except RunFailure as failure:
        return json.dumps({"failure": _told(failure)})


def read_group(payload: bytes, number: int) -> Iterator[pa.RecordBatch]:
    """The rows of one task. A failure raises RuntimeError with a text that `failure_in` finds in any longer text."""
    try:
        job: ReadJob = _job(payload)
        with scratch_folder() as scratch:
            for index, (path, size) in enumerate(job.groups[number]):
                yield from _rows_of(_fetched(job.area, path, size, scratch / str(index)), job)
    except RunFailure as failure:
        raise RuntimeError(f"{FAILURE}{_SIGN}{json.dumps(_told(failure))}{_SIGN}") from failure


@dataclass(frozen=True)
class WriteAnswer:
    """The file that a task wrote, None if it had no rows, and the smallest report of a function that failed."""

    file: WrittenFile | None
    report: str = ""


def answer_of(text: str) -> WriteAnswer:
    """Read the answer of `write_partition`. Raises RunFailure if it is that of a failure."""
    found: dict[str, Any] = json.loads(text)
    if "failure" in found:
        raise RunFailure("engine", *found["failure"])
    file = found["file"] and WrittenFile(**{**found["file"], "checksum": int(found["file"]["checksum"])})
    return WriteAnswer(file, found["report"])


def failure_in(text: str) -> RunFailure | None:
    """The failure of `read_group` that the text of an engine's error contains."""
    _, sign, rest = text.partition(f"{FAILURE}{_SIGN}")
    return RunFailure("engine", *json.loads(rest.partition(_SIGN)[0])) if sign else None


def _job(payload: bytes) -> Any:
    """The job of a payload. Raises RunFailure if this machine cannot do it like the driver."""
    reader, packed = pickle.loads(payload)
    wrong = difference(reader, this_reader())
    if wrong:
        raise worker_mismatch(platform.node(), wrong)
    return pickle.loads(packed)


def _told(failure: RunFailure) -> tuple[str, str, str]:
    host = platform.node()
    if failure.code == "worker-mismatch":
        return failure.code, failure.message, failure.fix
    fix = f"{failure.fix}; {TOO}" if failure.code == "missing-variable" else failure.fix
    return failure.code, f"{failure.message} (on {host}, where a task runs)", fix


def _write(job: WriteJob, number: int, batches: Iterable[pa.RecordBatch], scratch: Path) -> dict[str, Any]:
    report = _write_rows(batches, scratch)
    if not scratch.exists():
        return {"file": None, "report": report}
    rows, checksum = _counted(scratch)
    path = f"{job.folder}/part-{number:05}-{secrets.token_hex(4)}.parquet"
    try:
        size = job.area.opened().put(scratch, job.area.url_of(path))
    except StoreError as error:
        raise as_failure(error) from error
    return {"file": asdict(WrittenFile(path, rows, size, digest_of(scratch), checksum)), "report": report}


def _write_rows(batches: Iterable[pa.RecordBatch], path: Path) -> str:
    """Write the batches into a new file, if there are any rows; returns the smallest report of a failed call."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    reports: set[str] = set()
    writer: pq.ParquetWriter | None = None
    try:
        for group in _gathered(batch for batch in batches if batch.num_rows):
            table = pa.Table.from_batches(group)
            if FAILED in table.column_names:
                reports |= {report for report in (pc.min(table[FAILED]).as_py(),) if report is not None}
            writer = writer or pq.ParquetWriter(path, table.schema)
            writer.write_table(table, row_group_size=table.num_rows)
    finally:
        if writer is not None:
            writer.close()
    return min(reports, default="")


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Neighbouring batches, so many that they make a row group."""
    group: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        group.append(batch)
        size += batch.nbytes
        if size >= ROW_GROUP:
            yield group
            group, size = [], 0
    if group:
        yield group


def _counted(path: Path) -> tuple[int, int]:
    """The rows of a file, and the sum of the digests of those columns that are published."""
    import duckdb
    import pyarrow.parquet as pq

    names = [name for name in pq.read_schema(path).names if not name.startswith(HIDDEN)]
    with duckdb.connect(config={"threads": 1}) as connection:
        found = connection.execute(f"SELECT count(*), {row_digests(names)} FROM {parquet([path])}").fetchone()
    rows, digests = found or (0, 0)
    return rows, int(digests)


def _fetched(area: StagingArea, path: str, size: int, copy: Path) -> Path:
    """A copy of a file on the disk of this machine. Raises RunFailure."""
    try:
        area.opened().fetch(StoredObject(area.url_of(path), size, 0), copy, goes_on=lambda size: True)
    except StoreError as error:
        raise as_failure(error) from error
    return copy


def _rows_of(copy: Path, job: ReadJob) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    schema, marker = arrow_schema(job.columns), job.form.marker
    there = [name for name in schema.names if name not in job.form.lacking]
    with pq.ParquetFile(copy) as file:
        for batch in file.iter_batches(columns=[*there, *([marker] if marker else [])]):
            if marker:
                batch = batch.filter(pc.is_null(batch[marker]))
            values = [
                batch[field.name].cast(field.type) if field.name in there else pa.nulls(len(batch), field.type)
                for field in schema
            ]
            if len(batch):
                yield pa.RecordBatch.from_arrays(values, schema=schema)
    copy.unlink()
