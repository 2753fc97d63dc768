"""Runs one task of a job on another machine: reads its files and returns the account. What a user can cause is returned, not raised."""

from __future__ import annotations

import os
import pickle
import platform
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from etlrun.contracts.connection import Database
from etlrun.contracts.engine import ParquetFiles, StatementError
from etlrun.contracts.row_aggregation import RowAggregation, shrinks
from etlrun.contracts.source import FileAccount, FilePart, InputFile, Inventory, ReadLimits, ReadRequest, Trouble
from etlrun.failures import RunFailure
from etlrun.reading.fetching import COPIES, Fetching
from etlrun.reading.inventory import trouble_in
from etlrun.reading.quarantine import LARGEST_LINE
from etlrun.reading.slice_job import (
    TOO,
    SliceAnswer,
    SliceJob,
    TaskJob,
    difference,
    this_reader,
    unseen_there,
)
from etlrun.reading.task_folder import TaskAttempt, moved, scratch_folder
from etlrun.spec.urls import is_url
from etlrun.storage.stores import Stores

BROKEN = "broken.jsonl"
OTHER_KIND = "the package of this source has another version there"


def answer(payload: bytes, number: int) -> str:
    """Run task `number` of the job in `payload`; returns its answer as JSON."""
    host = platform.node()
    reader, fingerprint, packed = pickle.loads(payload)
    try:
        wrong = difference(reader, this_reader())
        if wrong:
            return SliceAnswer(host, mismatch=wrong).as_json()
        job: TaskJob | SliceJob = pickle.loads(packed)
        if job.fingerprint() != fingerprint:
            return SliceAnswer(host, mismatch=OTHER_KIND).as_json()
    except ImportError as error:
        return SliceAnswer(host, mismatch=f"the package {error.name} is missing there").as_json()
    except AttributeError:  # the module of the kind exists, but has no such class
        return SliceAnswer(host, mismatch=OTHER_KIND).as_json()
    try:
        found = _read_slice(job, number, host) if isinstance(job, SliceJob) else job.run(number, host)
        return found.as_json()
    except RunFailure as failure:
        if failure.code == "missing-variable":
            failure.add(
                message=f" (on {host}, where a task runs)",
                fix=f"; {TOO}",
            )
        return SliceAnswer(host, failure=(failure.code, failure.message, failure.fix)).as_json()


def _read_slice(job: SliceJob, number: int, host: str) -> SliceAnswer:
    """Read the files of one task. Raises RunFailure."""
    with scratch_folder() as scratch:
        return _read(job, number, host, scratch)


def _read(job: SliceJob, number: int, host: str, scratch: Path) -> SliceAnswer:
    kept = job.groups[number][0].part
    if kept is not None:
        return _read_part(job, kept, job.folder.attempt(number, host, scratch), scratch)
    _refuse_unseen(job.groups[number], host)
    stores = Stores(job.storages, job.environment)
    fetched = Fetching(Inventory(job.groups[number]), scratch / COPIES, stores).fetch()
    troubles = _troubles_in(fetched, job)
    if troubles:
        return SliceAnswer(host, troubles=troubles)
    attempt = job.folder.attempt(number, host, scratch)
    folder = attempt.folder
    parts = _OnlyPart() if job.keeps_parts else None
    is_staged = job.aggregation is None or job.keeps_parts
    request = ReadRequest(
        job.name,
        fetched,
        (folder if is_staged else scratch) / "rows",
        folder / BROKEN if job.keeps_broken else None,
        lambda *news: None,
        _no_database,
        quarantine_limit=job.source.quarantine_limit + LARGEST_LINE,  # it already has the record at which it is full
        files=job.files,
        limits=ReadLimits(1, job.memory),
        parts=parts,
        stores=stores,
    )
    try:
        found = job.source.read(request, job.columns)
    except RunFailure as failure:
        return SliceAnswer(host, failure=(failure.code, failure.message, failure.fix), began=request.folder.exists())
    read = _Read(tuple(each for each in found.files if isinstance(each, ParquetFiles)), found.accounts, folder / BROKEN)
    if parts is not None and parts.part is not None:
        part = parts.part
        read = _Read(part.files, (part.account,), part.quarantine, part.header)
    partial = _aggregated(job.aggregation, read.files, folder / "partial", request.limits)
    if not is_staged:
        read, partial = _shorter(read, partial, scratch / "rows", folder)
    return _answer(attempt, read, partial, fetched)


def _read_part(job: SliceJob, part: FilePart, attempt: TaskAttempt, scratch: Path) -> SliceAnswer:
    """The partial aggregates of rows that an earlier run kept. Raises RunFailure."""
    rows = job.folder.fetch_rows(part.files, scratch / "kept")
    partial = _aggregated(job.aggregation, rows, attempt.folder / "partial", ReadLimits(1, job.memory))
    return SliceAnswer(attempt.host, partial=None if partial is None else attempt.leave_all(partial))


@dataclass(frozen=True)
class _Read:
    """What a task has read."""

    files: tuple[ParquetFiles, ...]
    accounts: tuple[FileAccount, ...]
    broken: Path
    header: tuple[str, ...] = ()


def _aggregated(
    aggregation: RowAggregation | None, rows: tuple[ParquetFiles, ...], folder: Path, limits: ReadLimits
) -> tuple[ParquetFiles, ...] | None:
    """The partial aggregates of a task's rows; None if there are none, or if they cannot be computed."""
    try:
        return None if aggregation is None else aggregation.write(rows, folder, limits)
    except StatementError:
        return None


def _shorter(
    read: _Read, partial: tuple[ParquetFiles, ...] | None, scratch: Path, folder: Path
) -> tuple[_Read, tuple[ParquetFiles, ...] | None]:
    """The partial aggregates without the rows if they are clearly fewer; otherwise the rows, which are moved from `scratch`. Raises RunFailure."""
    if partial is not None and shrinks(sum(account.rows for account in read.accounts), partial):
        return replace(read, files=()), partial
    shutil.rmtree(folder / "partial", ignore_errors=True)
    return replace(read, files=moved(read.files, scratch, folder / "rows")), None


def _answer(
    attempt: TaskAttempt, read: _Read, partial: tuple[ParquetFiles, ...] | None, fetched: Inventory
) -> SliceAnswer:
    """The answer of an attempt, whose files the driver can read now. Raises RunFailure."""
    digests = {file.path: file.sha256 for file in fetched.files if file.sha256}
    broken = attempt.leave(read.broken) if read.broken.exists() else ""
    files = attempt.leave_all(read.files)
    partial = None if partial is None else attempt.leave_all(partial)
    return SliceAnswer(attempt.host, files, partial, read.accounts, broken, read.header, digests)


@dataclass
class _OnlyPart:
    """Keeps the part of the one file that a task reads, for the driver to store."""

    part: FilePart | None = None

    def find(self, file: InputFile, folder: Path) -> FilePart | None:
        return None

    def keep(self, file: InputFile, part: FilePart) -> FilePart:
        self.part = part
        return part


def _refuse_unseen(files: Iterable[InputFile], host: str) -> None:
    """Raises RunFailure for a file that the run found but that does not exist on this machine."""
    for file in files:
        if not is_url(file.path) and not os.path.exists(file.path):
            raise unseen_there(file.path, host)


def _troubles_in(inventory: Inventory, job: SliceJob) -> tuple[Trouble, ...]:
    """The reasons, from their first bytes, why downloaded files cannot be read. Other files were checked before."""
    return tuple(
        trouble for file in inventory.files if is_url(file.path) for trouble in trouble_in(file, job.source.form)
    )


def _no_database(connection: str) -> Database:
    raise AssertionError(connection)
