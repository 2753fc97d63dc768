"""Aggregation by file in a run: which sources have one, and the cache of its results.

The cache keeps two parts of each file: its rows, and the partial aggregates of these. A run reads only the second where it is there.

A partial aggregate has the name of all that it depends on: what the rows depend on, and the SQL of the aggregation. If a step or a
mapping has changed, it is computed again, from the rows that are kept; the file is not read again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path

from etlrun.compiler.file_aggregation import FileAggregation, find_file_aggregations
from etlrun.compiler.partial_aggregates import NotByFile
from etlrun.compiler.plan import Plan
from etlrun.contracts.direct_aggregation import DirectAggregation
from etlrun.contracts.engine import EngineSession, InputFiles, ParquetFiles, StatementError, Workspace
from etlrun.contracts.row_aggregation import FileAggregationFailure, shrinks
from etlrun.contracts.source import FilePart, InputFile, Inventory
from etlrun.engines._sql_aggregation import SqlAggregation, parquet_below
from etlrun.engines.duckdb import Duckdb
from etlrun.language.columns import Columns
from etlrun.runtime.kept_parts import KeptParts, UsedParts
from etlrun.runtime.sources import reads_in_tasks
from etlrun.warehouse.opening import filled

DIRECT_BYTES = 1 << 26  # of files that are worth an aggregation while they are read


def aggregations_while_reading(
    plan: Plan, staged: Sequence[str], inventories: Mapping[str, Inventory], *, is_checked: bool
) -> dict[str, FileAggregation | NotByFile]:
    """Like `aggregations_of`, with those that DuckDB computes while it reads large files."""
    checked = plan.checked
    large = {name for name, inventory in inventories.items() if inventory.bytes >= DIRECT_BYTES}
    if checked.profile.parts is not None or reads_in_tasks(checked) or not large:
        return aggregations_of(plan, staged, is_checked=is_checked)
    found = find_file_aggregations(plan, staged, is_checked=is_checked)
    return {name: each for name, each in found.items() if name in large}


def aggregations_of(plan: Plan, staged: Sequence[str], *, is_checked: bool) -> dict[str, FileAggregation | NotByFile]:
    """The aggregations that a run of `plan` computes, or why it does not, by source; nothing where no parts are kept, and no tasks read."""
    if plan.checked.profile.parts is None and not reads_in_tasks(plan.checked):
        return {}
    return find_file_aggregations(plan, staged, is_checked=is_checked)


def directly(aggregation: FileAggregation, plan: Plan, folder: Path) -> DirectAggregation:
    """The aggregation as the reader of this process computes it."""
    engine = plan.checked.profile.engine.value
    duckdb = engine if isinstance(engine, Duckdb) else Duckdb()
    return DirectAggregation(aggregation.source.name, aggregation.sql, partial(duckdb.start, Workspace(folder), filled))


def statement_of(aggregation: FileAggregation) -> SqlAggregation:
    """The aggregation as tasks compute it."""
    return SqlAggregation(aggregation.source.name, aggregation.source.columns, aggregation.sql)


def start_duckdb(plan: Plan, folder: Path) -> EngineSession:
    """A session of DuckDB that aggregates parts, with the settings of the profile if DuckDB is its engine."""
    engine = plan.checked.profile.engine.value
    return (engine if engine.dialect == "duckdb" else Duckdb()).start(Workspace(folder), filled)


def known(rows: KeptParts, aggregation: FileAggregation, files: Sequence[InputFile]) -> int:
    """How many of the files a run with an aggregation would not read."""
    partials = rows.of(aggregation.sql)
    return sum(partials.has(file) or rows.has(file) for file in files)


def pays(rows: KeptParts, aggregation: FileAggregation, files: Sequence[InputFile]) -> bool:
    """Whether this process should aggregate the parts of files: not if most are new, since no later run may read these again.

    It never does so if they are in the store of runs, which only tasks read.
    """
    return rows.is_here and 2 * known(rows, aggregation, files) >= len(files)


@dataclass
class PartialParts(UsedParts):
    """The parts of a source's files, aggregated by `aggregation` in a session that `start` starts when it is needed. Thread-safe.

    Without `start`, tasks aggregate: of a file whose rows are kept, `find` returns the rows, and `keep` gets the part with its `partial`
    aggregates. Raises FileAggregationFailure if a file has almost as many groups as rows.
    """

    rows: KeptParts
    partials: KeptParts
    aggregation: FileAggregation
    start: Callable[[], EngineSession] | None
    work: Path  # a folder
    session: EngineSession | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: count[int] = field(default_factory=count)
    _given: set[str] = field(default_factory=set)  # the paths of files

    def find(self, file: InputFile, folder: Path) -> FilePart | None:
        found = self.partials.find(file, folder)
        if found is not None:
            self._given.add(file.path)
            return replace(found, partial=found.files)
        part = self.rows.find(file, folder)
        return part if part is None or self.start is None else self._aggregated(file, part)

    def keep(self, file: InputFile, part: FilePart) -> FilePart:
        return self._aggregated(file, part if file.part else self.rows.keep(file, part))

    def save(self) -> None:
        self.rows.save()
        self.partials.save()

    @property
    def used(self) -> int:
        return self.partials.used + self.rows.used

    @property
    def trouble(self) -> str:
        return self.rows.trouble or self.partials.trouble

    @property
    def place(self) -> str:
        return self.rows.place

    def _aggregated(self, file: InputFile, part: FilePart) -> FilePart:
        """The part with the rows of the aggregation. Raises FileAggregationFailure."""
        partial = self._computed(part) if part.partial is None else part.partial
        self._given.add(file.path)
        return self.partials.keep(file, replace(part, files=partial, partial=None))

    def combined(self, files: Sequence[InputFiles]) -> tuple[ParquetFiles, ...]:
        """The partial aggregates of all files together, from those of each in `files`. Raises FileAggregationFailure."""
        return self._written(self.aggregation.combined_sql, self.aggregation.partial.columns, files)

    def _computed(self, part: FilePart) -> tuple[ParquetFiles, ...]:
        found = self._written(self.aggregation.sql, self.aggregation.source.columns, part.files)
        if not shrinks(part.account.rows, found):
            raise FileAggregationFailure
        return found

    def _written(self, statement: str, columns: Columns, files: Sequence[InputFiles]) -> tuple[ParquetFiles, ...]:
        """The result of a statement over the rows of `files`, which it reads as the source. Raises FileAggregationFailure."""
        if self.start is None:
            raise FileAggregationFailure
        with self._lock:
            folder = self.work / str(next(self._numbers))
            self.session = self.session or self.start()
            try:
                self.session.read_files(self.aggregation.source.name, columns, files)
                self.session.write(statement, folder)
            except StatementError as error:
                raise FileAggregationFailure from error
        return parquet_below(folder)

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
