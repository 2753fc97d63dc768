"""Reads the rows of Parquet objects in tasks on other machines, with DuckDB, into files of etlrun. No row goes through this machine.

A task compares the objects that it downloads with the footers that this machine has read, and this machine compares the rows that tasks
wrote with those of the footers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError, Workspace
from etlrun.contracts.source import FileAccount, InputFile, Inventory, ReadRequest, ReadResult, RunTasks
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name
from etlrun.reading.compression import COPY_AGAIN
from etlrun.reading.fetching import COPIES, Fetching
from etlrun.reading.fingerprint import PACKAGE, reader_fingerprint
from etlrun.reading.footers import Footers, Layout, footer_of
from etlrun.reading.links import linked_files
from etlrun.reading.opened import changed
from etlrun.reading.parquet_columns import WantedColumn
from etlrun.reading.slice_job import Group, SliceAnswer, answer_of, groups_of, payload_of
from etlrun.reading.task_folder import TaskAttempt, TaskFolder, moved, scratch_folder
from etlrun.reading.task_reader import TASK_BYTES, refuse_failed_tasks
from etlrun.spec.project import Use
from etlrun.spec.urls import Url
from etlrun.storage.stores import Stores

BUFFER = 1 << 20  # bytes of a column that are read at once to verify checksums
Start = Callable[[Workspace], EngineSession]


@dataclass(frozen=True)
class ParquetForm:
    """How the files of a source become its relation: the columns `wanted` of them, its `columns`, those that are constant in each file, and
    those that nobody reads."""

    wanted: tuple[WantedColumn, ...]
    columns: Columns
    constants: frozenset[str]
    unread: frozenset[str]


@dataclass(frozen=True)
class AlikeFiles:
    """Files that store the columns alike, with the rows of each."""

    layout: Layout
    files: Group
    rows: tuple[int, ...]


@dataclass(frozen=True)
class ParquetJob:
    """Everything that tasks need to read the source `name`. Task N reads the objects in `groups[N]` into a new folder below `folder`."""

    name: str
    form: ParquetForm
    groups: tuple[AlikeFiles, ...]
    folder: TaskFolder
    start: Start
    storages: Mapping[Url, Use]
    environment: Callable[[str], str]

    def fingerprint(self) -> str:
        return reader_fingerprint(type(self), *sorted((PACKAGE / "engines").glob("*.py")))

    def run(self, number: int, host: str) -> SliceAnswer:
        with scratch_folder() as scratch:
            attempt = self.folder.attempt(number, host, scratch)
            try:
                return self._read(self.groups[number], attempt, scratch)
            except StatementError as error:
                return SliceAnswer(host, statement=(error.condition, error.detail, error.source))

    def _read(self, group: AlikeFiles, attempt: TaskAttempt, scratch: Path) -> SliceAnswer:
        """Read the objects of one task. Raises RunFailure, and StatementError."""
        stores = Stores(self.storages, self.environment)
        fetched = Fetching(Inventory(group.files), scratch / COPIES, stores).fetch()
        for file, rows in zip(fetched.files, group.rows, strict=True):
            found = footer_of(file, self.form.wanted, stores)
            if (found.layout, found.rows) != (group.layout, rows):
                raise changed(file.path)
            _refuse_wrong_pages(file, group.layout)
        links = scratch / "links" / self.name / "0"  # an error about a link names its source by the folder
        linked = linked_files(fetched.files, group.layout, links, self.form.constants)
        read = ", ".join(name(column) for column in self.form.columns.names if column not in self.form.unread)
        with closing(self.start(Workspace(scratch))) as session:
            session.read_files(self.name, self.form.columns, [linked])
            session.write(f"SELECT {read} FROM {name(self.name)}", scratch / "rows")
        paths = sorted((scratch / "rows").glob("*.parquet"))
        account = FileAccount(self.name, _rows(paths))
        written = (ParquetFiles(tuple(map(str, paths))),)
        files = attempt.leave_all(moved(written, scratch / "rows", attempt.folder / "rows"))
        digests = {file.path: file.sha256 for file in fetched.files}
        return SliceAnswer(attempt.host, files, accounts=(account,), digests=digests)


def read_in_tasks(
    request: ReadRequest, form: ParquetForm, footers: Footers, start: Start, run_tasks: RunTasks
) -> ReadResult:
    """The rows of the objects of `request`, in files that tasks wrote. Raises RunFailure, and StatementError as the engine would."""
    request.folder.mkdir(parents=True, exist_ok=True)
    folder, groups = TaskFolder(request.folder, request.area), tuple(_groups(footers))
    job = ParquetJob(request.name, form, groups, folder, start, request.stores.uses, request.stores.environment)
    answers = [answer_of(text) for text in run_tasks(payload_of(job), len(groups))]
    refuse_failed_tasks(answers)
    for answer in answers:
        if answer.statement is not None:
            condition, detail, source = answer.statement
            raise StatementError(condition, detail, source=source)
        folder.refuse_unseen((path for each in answer.files for path in each.paths), answer.host)
    for group, answer in zip(groups, answers, strict=True):
        _refuse_lost_rows(request.name, sum(group.rows), sum(account.rows for account in answer.accounts))
    written = {
        path: sha256 for answer in answers for each in answer.files for path, sha256 in each.digest_by_path.items()
    }
    digests = {path: digest for answer in answers for path, digest in answer.digests.items()}
    rows = ParquetFiles(tuple(written), lacking=form.unread, digests=tuple(written.values()))
    return ReadResult((rows,) if written else (), digests=digests)


def _groups(footers: Footers) -> Iterator[AlikeFiles]:
    """The objects of each task."""
    for layout, files in footers.layouts.items():
        for group in groups_of(files, TASK_BYTES):
            yield AlikeFiles(layout, group, tuple(footers.rows[file.path] for file in group))


def _refuse_wrong_pages(file: InputFile, layout: Layout) -> None:
    """Raises RunFailure for a page that does not have its checksum, where the file has them: DuckDB does not look. It reports all other damage."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {column.place[0] for column in layout if column.place}
    try:
        with pq.ParquetFile(file.at, page_checksum_verification=True, buffer_size=BUFFER) as content:
            for _ in content.iter_batches(columns=sorted(names), use_threads=False):
                pass
    except (pa.ArrowException, OSError) as error:
        if "CRC" in str(error):
            message = f"{file.path}: the engine cannot read the file (a page does not have its checksum)"
            raise RunFailure("source", "damaged-file", message, COPY_AGAIN) from error


def _rows(paths: list[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(int(pq.read_metadata(path).num_rows) for path in paths)


def _refuse_lost_rows(source: str, stored: int, written: int) -> None:
    """Raises RunFailure if a task wrote more or fewer rows than its objects have."""
    if stored != written:
        message = f"a task wrote {written:,} rows of `{source}`, but its files have {stored:,}"
        fix = "set `read: driver` in the profile's engine, and report this as an error of etlrun"
        raise RunFailure("source", "rows-differ", message, fix)
