"""Writes rows into a staging area and reads them again, in tasks on any machine. Nothing is renamed: a file that no answer names does not exist.

The rows come from the engine and go back to it as Arrow data, so that it needs no access to the store.
"""

from __future__ import annotations

import json
import pickle
import platform
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from etlrun.contracts.engine import FAILED, ParquetFiles, WrittenFile
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet, row_digests
from etlrun.reading.neighbours import Item, neighbours
from etlrun.reading.slice_job import TOO, difference, this_reader, worker_mismatch
from etlrun.reading.task_folder import scratch_folder
from etlrun.spec.scope import HIDDEN
from etlrun.storage.digests import digest_of
from etlrun.storage.object_store import StoreError, changed_object
from etlrun.storage.staging_area import AT_ONCE, StagedObject, StagingArea, as_failure, damaged

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

Result = TypeVar("Result")
ROW_GROUP = 1 << 26  # bytes of Arrow data
FAILURE = "etlrun-failure:"
_SIGN = "~etlrun~"


@dataclass(frozen=True)
class WriteJob:
    """Writes the rows of each task into a file of `folder`; into one for each partition by `keys`, by which the rows are sorted.

    The columns have these `names` in the files.
    """

    area: StagingArea
    folder: str
    names: tuple[str, ...]
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileToRead:
    """A Parquet file of etlrun in the staging area; `sha256` of its bytes is not known for all."""

    path: str
    size: int  # in bytes
    sha256: str = ""


@dataclass(frozen=True)
class ReadJob:
    """Reads Parquet files of etlrun. Task N reads those in `groups[N]`."""

    area: StagingArea
    columns: Columns
    groups: tuple[tuple[FileToRead, ...], ...]
    form: ParquetFiles


def payload_of(job: WriteJob | ReadJob) -> bytes:
    """The pickled job, after the versions of this machine's reader."""
    return pickle.dumps((this_reader(), pickle.dumps(job)))


def write_partition(payload: bytes, number: int, batches: Iterable[pa.RecordBatch]) -> str:
    """Write the rows of partition `number` as a new file; returns as JSON what `answer_of` reads. A failure of the store is returned, not raised."""
    try:
        job: WriteJob = _job(payload)
        with scratch_folder() as scratch:
            return json.dumps(_write(job, number, batches, scratch))
    except RunFailure as failure:
        return json.dumps({"failure": _facts(failure)})


def read_group(payload: bytes, number: int) -> Iterator[pa.RecordBatch]:
    """The rows of one task. A failure raises RuntimeError with a text that `failure_in` finds in any longer text."""
    try:
        job: ReadJob = _job(payload)
        with scratch_folder() as scratch:
            for index, file in enumerate(job.groups[number]):
                yield from _rows_of(file, _fetched(job.area, file, scratch / str(index)), job)
    except RunFailure as failure:
        raise RuntimeError(f"{FAILURE}{_SIGN}{json.dumps(_facts(failure))}{_SIGN}") from failure


@dataclass(frozen=True)
class WriteAnswer:
    """The files that a task wrote, none if it had no rows, and the smallest report of a function that failed."""

    files: tuple[WrittenFile, ...]
    report: str = ""


def answer_of(text: str) -> WriteAnswer:
    """Read the answer of `write_partition`. Raises RunFailure if it is that of a failure."""
    found: dict[str, Any] = json.loads(text)
    if "failure" in found:
        raise RunFailure("engine", *found["failure"])
    return WriteAnswer(tuple(WrittenFile(**file) for file in found["files"]), found["report"])


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


def _facts(failure: RunFailure) -> tuple[str, str, str]:
    host = platform.node()
    if failure.code == "worker-mismatch":
        return failure.code, failure.message, failure.fix
    fix = f"{failure.fix}; {TOO}" if failure.code == "missing-variable" else failure.fix
    return failure.code, f"{failure.message} (on {host}, where a task runs)", fix


def _write(job: WriteJob, number: int, batches: Iterable[pa.RecordBatch], scratch: Path) -> dict[str, Any]:
    """Write the rows of a task and leave the files in the store. Raises RunFailure."""
    import duckdb

    reports: set[str] = set()
    store, start = job.area.opened(), f"{job.folder}/part-{number:05}"

    def left(counted: tuple[Path, str, int, int, dict[str, str | None]]) -> dict[str, Any]:
        path, target, rows, checksum, partition = counted
        url = job.area.url_of(target)
        size = store.put(path, url)
        found, tag = store.size_and_tag(url)
        if found != size:
            raise changed_object(url)
        file = WrittenFile(target, rows, size, digest_of(path), checksum, tag, partition)
        path.unlink()
        return asdict(file)

    with duckdb.connect(config={"threads": 1}) as connection:
        written = enumerate(_written(_noting(batches, job.names, reports), job.keys, scratch))
        counted = (
            (path, f"{start}-{index:05}-{secrets.token_hex(4)}.parquet", *_counted(path, job.keys, connection))
            for index, path in written
        )
        try:
            files = list(_several_at_once(left, counted))
        except StoreError as error:
            raise as_failure(error) from error
    return {"files": files, "report": min(reports, default="")}


def _several_at_once(action: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `action`, in the order of the items, of which no more than AT_ONCE are made before their results are known."""
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for item in items:
            waiting.append(threads.submit(action, item))
            if len(waiting) == AT_ONCE:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _noting(batches: Iterable[pa.RecordBatch], names: Sequence[str], reports: set[str]) -> Iterator[pa.RecordBatch]:
    """The batches that have rows, with the names of their columns; the reports of failed calls in them go to `reports`."""
    import pyarrow.compute as pc

    for batch in (each.rename_columns(list(names)) for each in batches):
        if FAILED in batch.schema.names and batch.num_rows:
            reports |= {report for report in (pc.min(batch[FAILED]).as_py(),) if report is not None}
        if batch.num_rows:
            yield batch


def _written(batches: Iterable[pa.RecordBatch], keys: Sequence[str], scratch: Path) -> Iterator[Path]:
    """Write each partition into a new file; each is complete when it is given out."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for number, (_, rows) in enumerate(groupby(_by_partition(batches, keys), key=itemgetter(0))):
        path = scratch / f"{number}.parquet"
        writer: pq.ParquetWriter | None = None
        try:
            for group in neighbours((batch for _, batch in rows), lambda batch: batch.nbytes, ROW_GROUP):
                table = pa.Table.from_batches(group)
                writer = writer or pq.ParquetWriter(path, table.schema)
                writer.write_table(table, row_group_size=table.num_rows)
        finally:
            if writer is not None:
                writer.close()
        yield path


def _by_partition(
    batches: Iterable[pa.RecordBatch], keys: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """Batches whose rows all have the same values of `keys`, with these values. Rows that have them are neighbours."""
    for batch in batches:
        values = list(zip(*(batch[key].to_pylist() for key in keys), strict=True)) or [()] * batch.num_rows
        start = 0
        for value, rows in groupby(values):
            count = sum(1 for _ in rows)
            yield value, batch.slice(start, count)
            start += count


def _counted(
    path: Path, keys: Sequence[str], connection: duckdb.DuckDBPyConnection
) -> tuple[int, int, dict[str, str | None]]:
    """The rows of a file, the sum of the digests of those columns that are published, and the values of `keys`, which all rows share."""
    import pyarrow.parquet as pq

    names = [column for column in pq.read_schema(path).names if not column.startswith(HIDDEN)]
    texts = "".join(f", CAST(any_value({name(key)}) AS VARCHAR)" for key in keys)
    found = connection.execute(f"SELECT count(*), {row_digests(names)}{texts} FROM {parquet([path])}").fetchone()
    rows, digests, *values = found or (0, 0)
    return rows, int(digests), dict(zip(keys, values, strict=True))


def _fetched(area: StagingArea, file: FileToRead, copy: Path) -> Path:
    """A copy of a file on the disk of this machine. Raises RunFailure."""
    try:
        StagedObject(area.url_of(file.path), file.size, file.sha256).fetch(area.opened(), copy)
    except StoreError as error:
        raise as_failure(error) from error
    return copy


def _rows_of(file: FileToRead, copy: Path, job: ReadJob) -> Iterator[pa.RecordBatch]:
    """The rows of a file, whose copy is removed at the end. Raises RunFailure if it is not a Parquet file that etlrun wrote."""
    import pyarrow as pa

    try:
        yield from _read(copy, job)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise damaged(job.area.url_of(file.path)) from error
    copy.unlink()


def _read(copy: Path, job: ReadJob) -> Iterator[pa.RecordBatch]:
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
