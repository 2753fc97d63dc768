"""Keeps two parts of each file: its rows, and the partial aggregates that an aggregation makes of them. A run reads only the second where it is there.

A partial aggregate has the name of all that it depends on: what the rows depend on, and the SQL of the aggregation. If a step or a
mapping has changed, it is computed again, from the rows that are kept; the file is not read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from etlrun.compiler.file_aggregation import FileAggregation, find_file_aggregations
from etlrun.compiler.partial_aggregates import NotByFile
from etlrun.compiler.plan import Plan
from etlrun.contracts.engine import EngineSession, ParquetFiles, StatementError
from etlrun.contracts.source import FilePart, InputFile, Inventory
from etlrun.runtime.parts import SourceParts


def aggregations_of(plan: Plan, staged: Sequence[str], *, is_checked: bool) -> dict[str, FileAggregation | NotByFile]:
    """The aggregations that a run of `plan` computes, or why it does not, by source; nothing where no parts are kept, or another engine runs."""
    profile = plan.checked.profile
    if profile.parts is None or profile.engine.value.dialect != "duckdb":
        return {}
    return find_file_aggregations(plan, staged, is_checked=is_checked)


def partials_of(rows: SourceParts, aggregation: FileAggregation) -> SourceParts:
    """The partial aggregates of the files whose parts are `rows`."""
    return SourceParts(rows.folder, f"{rows.identity}\0{aggregation.sql}", rows.listed)


class FileAggregationFailure(Exception):
    """An aggregation cannot be computed. A run without it says where and why."""


@dataclass
class PartialParts:
    """The parts of a source's files, aggregated by `aggregation` in a session that `start` starts when it is needed. Thread-safe."""

    rows: SourceParts
    partials: SourceParts
    aggregation: FileAggregation
    start: Callable[[], EngineSession]
    work: Path  # a folder
    session: EngineSession | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: count[int] = field(default_factory=count)
    _given: set[str] = field(default_factory=set)  # the paths of files

    def find(self, file: InputFile, folder: Path) -> FilePart | None:
        found = self.partials.find(file, folder)
        if found is not None:
            self._given.add(file.path)
            return found
        part = self.rows.find(file, folder)
        return None if part is None else self._aggregated(file, part)

    def keep(self, file: InputFile, part: FilePart) -> FilePart:
        return self._aggregated(file, self.rows.keep(file, part))

    @property
    def used(self) -> int:
        return self.partials.used + self.rows.used

    @property
    def trouble(self) -> str:
        return self.rows.trouble or self.partials.trouble

    @property
    def folder(self) -> Path:
        return self.rows.folder

    def _aggregated(self, file: InputFile, part: FilePart) -> FilePart:
        """The part with the rows of the aggregation. Raises FileAggregationFailure."""
        with self._lock:
            folder = self.work / str(next(self._numbers))
            self.session = self.session or self.start()
            source = self.aggregation.source
            try:
                self.session.read_files(source.name, source.columns, part.files)
                self.session.write(self.aggregation.sql, folder)
            except StatementError as error:
                raise FileAggregationFailure from error
        self._given.add(file.path)
        paths = tuple(str(path) for path in sorted(folder.glob("*.parquet")))
        return self.partials.keep(file, replace(part, files=(ParquetFiles(paths),)))

    def verify(self, inventory: Inventory) -> None:
        """Raises FileAggregationFailure if the source read its files in another way."""
        if not self._given.issuperset(file.path for file in inventory.files):
            raise FileAggregationFailure

    def cancel(self) -> None:
        if self.session is not None:
            self.session.cancel()

    def close(self) -> None:
        if self.session is not None:
            self.session.close()
