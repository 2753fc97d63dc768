"""Reads a text source in tasks on other machines, close to its data. This machine handles only accounts, no records.

All tasks together give what this process would have read: the same rows, account and quarantine. A task that is run again writes into a
new folder, and only files that an answer names are used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.row_aggregation import FileAggregationFailure, RowAggregation
from etlrun.contracts.source import (
    FileAccount,
    FilePart,
    InputFile,
    Inventory,
    ReadRequest,
    ReadResult,
    RunTasks,
)
from etlrun.language.columns import Columns
from etlrun.reading.account import merge
from etlrun.reading.accounting import sum_up
from etlrun.reading.file_slices import cut
from etlrun.reading.inventory import TroublesFound
from etlrun.reading.opened import refuse_changed
from etlrun.reading.quarantine import further_on
from etlrun.reading.rows import together
from etlrun.reading.slice_job import (
    Group,
    SliceAnswer,
    SliceJob,
    answer_of,
    first_failure,
    groups_of,
    payload_of,
    worker_mismatch,
)
from etlrun.reading.source import TextSource
from etlrun.reading.task_folder import TaskFolder
from etlrun.spec.urls import is_url

TASK_BYTES = 1 << 27  # of files that one task reads
AT_ONCE = 8


@dataclass(frozen=True)
class _Piece:
    """The result for neighbouring files, or a slice of one: rows, accounts, and the file of broken records, which may be absent."""

    files: Group
    rows: tuple[ParquetFiles, ...]
    accounts: tuple[FileAccount, ...]
    broken: Path


@dataclass
class TaskReader:
    """Reads the files of one request in tasks; `memory` is the memory of each task.

    With an `aggregation`, the result has the partial aggregates of the rows. If some tasks cannot compute them, or they are hardly fewer than
    the rows, the result has the rows, and `aggregation` is None then.
    """

    request: ReadRequest
    source: TextSource
    columns: Columns
    memory: str
    aggregation: RowAggregation | None = None
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> TaskFolder:
        return TaskFolder(self.request.folder, self.request.area)

    def read(self, run_tasks: RunTasks) -> ReadResult:
        """The rows and the account of all files. Raises RunFailure, TroublesFound, and FileAggregationFailure."""
        self.request.folder.mkdir(parents=True)
        kept = self._kept()
        taken = [_of_part(file, part) for file, part in kept.items() if not self._is_left(part)]
        groups = self._groups(kept)
        answers = self._answers(groups, run_tasks)
        if self.aggregation is not None and self.request.parts is None:
            answers = self._of_one_form(groups, answers, run_tasks)
        return self._sum([*taken, *map(self._piece, groups, answers)])

    def _answers(self, groups: Sequence[Group], run_tasks: RunTasks) -> list[SliceAnswer]:
        texts = run_tasks(payload_of(self._job(tuple(groups))), len(groups)) if groups else []
        answers = [answer_of(text) for text in texts]
        refuse_failed_tasks(answers)
        return answers

    def _of_one_form(
        self, groups: Sequence[Group], answers: list[SliceAnswer], run_tasks: RunTasks
    ) -> list[SliceAnswer]:
        """The answers, all with partial aggregates, or all with rows: if one has rows, the others are read again."""
        if all(answer.partial is not None for answer in answers):
            return answers
        self.aggregation = None
        again = [number for number, answer in enumerate(answers) if answer.partial is not None]
        read = self._answers([groups[number] for number in again], run_tasks)
        for number, answer in zip(again, read, strict=True):
            answers[number] = answer
        return answers

    def inventory(self) -> Inventory:
        """The inventory of the request, with the digests of downloaded objects."""
        files = (replace(file, sha256=self.digests.get(file.path, "")) for file in self.request.inventory.files)
        return replace(self.request.inventory, files=tuple(files))

    def _kept(self) -> dict[InputFile, FilePart]:
        """The files that earlier runs have read, and their parts."""
        store, files = self.request.parts, self.request.inventory.files
        if store is None:
            return {}

        def find(number: int, file: InputFile) -> FilePart | None:
            part = store.find(file, self.request.folder / f"part-{number}")
            if part is not None and not is_url(file.path):
                refuse_changed([file])
            return part

        with ThreadPoolExecutor(AT_ONCE) as threads:
            found = threads.map(find, range(len(files)), files)
            kept = {file: part for file, part in zip(files, found, strict=True) if part is not None}
        self.digests |= {file.path: part.sha256 for file, part in kept.items()}
        return kept

    def _is_left(self, part: FilePart) -> bool:
        """Whether a part has rows that a task has to aggregate."""
        return self.aggregation is not None and part.partial is None

    def _groups(self, kept: Mapping[InputFile, FilePart]) -> tuple[Group, ...]:
        """The files of each task. A file whose part is kept for later runs is read whole, and by its own task."""
        files = self.request.inventory.files
        if self.request.parts is None:
            return groups_of(cut(files, TASK_BYTES) if self.source.is_cut() else files, TASK_BYTES)
        left = (replace(file, part=kept.get(file)) for file in files)
        return tuple((file,) for file in left if file.part is None or self._is_left(file.part))

    def _job(self, groups: tuple[Group, ...]) -> SliceJob:
        return SliceJob(
            self.request.name,
            self.source,
            self.columns,
            groups,
            len(self.request.inventory.files),
            self.folder,
            self.request.quarantine is not None,
            self.request.parts is not None,
            self.aggregation,
            self.memory,
            self.request.stores.uses,
            self.request.stores.environment,
        )

    def _piece(self, files: Group, answer: SliceAnswer) -> _Piece:
        """The result of a task; it is kept for later runs if the profile says so.

        Raises RunFailure if this machine cannot see its files, and FileAggregationFailure.
        """
        rows = answer.files if self.aggregation is None else answer.partial
        if rows is None:
            raise FileAggregationFailure
        known = files[0].part
        if known is not None and self.request.parts is not None:
            self.folder.refuse_unseen((path for each in rows for path in each.paths), answer.host)
            return _of_part(files[0], self.request.parts.keep(files[0], replace(known, partial=rows)))
        written = [path for each in (*answer.files, *rows) for path in each.paths]
        self.folder.refuse_unseen(filter(None, (*written, answer.broken)), answer.host)
        broken = self.folder.fetch(answer.broken) if answer.broken else self.request.folder / "no-broken-record"
        self.digests.update(answer.digests)
        if self.request.parts is not None:
            digest = answer.digests.get(files[0].path, "")
            part = FilePart(answer.files, answer.accounts[0], broken, answer.header, digest, answer.partial)
            rows = self.request.parts.keep(files[0], part).files
        return _Piece(files, rows, answer.accounts, broken)

    def _sum(self, pieces: list[_Piece]) -> ReadResult:
        """The rows and the account of all files, with the quarantine written in their order."""
        places = {file.path: place for place, file in enumerate(self.request.inventory.files)}
        pieces.sort(key=lambda piece: (places[piece.files[0].path], piece.files[0].start))
        accounts = merge(account for piece in pieces for account in piece.accounts)
        rows = together(files for piece in pieces for files in piece.rows)
        return sum_up(self.request, rows, accounts, _broken(pieces))


def _of_part(file: InputFile, part: FilePart) -> _Piece:
    return _Piece((file,), part.files, (part.account,), part.quarantine)


def refuse_failed_tasks(answers: Sequence[SliceAnswer]) -> None:
    """Raises RunFailure, or TroublesFound, for the first task that did not read its files."""
    for answer in answers:
        if answer.mismatch:
            raise worker_mismatch(answer.host, answer.mismatch)
    troubles = [trouble for answer in answers for trouble in answer.troubles]
    if troubles:
        raise TroublesFound(troubles)
    failure = first_failure(answers)
    if failure is not None:
        raise failure


def _broken(pieces: Sequence[_Piece]) -> Iterator[bytes]:
    """The broken records of all pieces, with the lines of their files."""
    line_ends, path = 0, ""
    for piece in pieces:
        line_ends = line_ends if piece.files[0].path == path else 0
        if piece.broken.exists():
            with piece.broken.open("rb") as stream:
                yield from (further_on(line, line_ends) for line in stream)
        line_ends, path = line_ends + piece.accounts[0].line_ends, piece.files[0].path
