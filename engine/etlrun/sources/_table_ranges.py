"""Reads the ranges of a large table in tasks on other machines, over one connection each.

A job contains no secret: the connection's settings are as in the project file, with `${NAME}` for values that each machine reads from its
own environment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etlrun.contracts.connection import Copy, Database, Moment, Opener
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import FileAccount, RunTasks
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.reading.fingerprint import PACKAGE, reader_fingerprint
from etlrun.reading.slice_job import SliceAnswer, answer_of, payload_of
from etlrun.reading.task_folder import TaskFolder, scratch_folder
from etlrun.reading.task_reader import refuse_failed_tasks


@dataclass(frozen=True)
class RangeJob:
    """Everything that tasks need to read a table. Task N reads the rows of `conditions[N]` into a new folder below `folder`."""

    opener: Opener
    table: str
    columns: Columns
    conditions: tuple[str, ...]
    snapshot: str
    folder: TaskFolder

    def fingerprint(self) -> str:
        code = (*(PACKAGE / "warehouse").glob("*.py"), *(PACKAGE / "connections").rglob("*.py"))
        return reader_fingerprint(self.opener.kind, *sorted(code))

    def run(self, number: int, host: str) -> SliceAnswer:
        with scratch_folder() as scratch:
            attempt = self.folder.attempt(number, host, scratch)
            path = attempt.folder / "rows.parquet"
            database = self.opener()
            try:
                rows = database.copy_range(self.table, self.columns, self.conditions[number], self.snapshot, path)
            finally:
                database.close()
            files = ParquetFiles((attempt.leave(path),))
        return SliceAnswer(host, (files,), accounts=(FileAccount(self.table, rows),))


def copy_in_tasks(
    database: Database,
    table: str,
    columns: Columns,
    moment: Moment,
    folder: TaskFolder,
    opener: Opener,
    run_tasks: RunTasks,
) -> Copy | None:
    """The rows of a table, which tasks wrote into files in `folder`; None if it is small. Raises RunFailure."""
    with database.shared(table, moment) as ranges:
        if len(ranges.conditions) == 1:
            return None
        job = RangeJob(opener, table, columns, ranges.conditions, ranges.snapshot, folder)
        answers = [answer_of(text) for text in run_tasks(payload_of(job), len(ranges.conditions))]
        refuse_failed_tasks(answers)
        copy = _copy_of(answers, folder)
        if ranges.snapshot:
            _refuse_lost_rows(table, copy.rows, ranges.count)
        return copy


def _copy_of(answers: list[SliceAnswer], folder: TaskFolder) -> Copy:
    """The files of all tasks. Raises RunFailure for one that this machine does not see."""
    for answer in answers:
        folder.refuse_unseen((path for files in answer.files for path in files.paths), answer.host)
    paths = tuple(Path(path) for answer in answers for files in answer.files for path in files.paths)
    return Copy(paths, sum(account.records for answer in answers for account in answer.accounts))


def _refuse_lost_rows(table: str, rows: int, count: Callable[[], int]) -> None:
    """Raises RunFailure if the ranges have more or fewer rows than the snapshot."""
    counted = count()
    if rows != counted:
        message = f"the ranges of the table `{table}` hold {rows:,} rows of {counted:,}"
        fix = "remove `read: tasks` from the source, and report this with the key of the table"
        raise RunFailure("source", "rows-differ", message, fix)
