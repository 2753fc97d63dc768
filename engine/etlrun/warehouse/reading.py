"""Read tables into Parquet files in the declared types; a large table is read in ranges over several connections.

The threads of one process suffice: the work on a row happens outside of Python's lock, but for a sixth of a second in a million rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.contracts.connection import Copy
from etlrun.failures import RunFailure
from etlrun.language.arrow import write_parquet
from etlrun.language.columns import TIMESTAMPTZ, Columns
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.server import AnyServer, ServerError, ServerSession
from etlrun.warehouse.tables import Definition, StoredColumn

if TYPE_CHECKING:
    import pyarrow as pa


def _verify_instants(selection: Selection) -> None:
    """Raises RunFailure for a column that is read as timestamptz, and is stored in a type in which etlrun publishes no instants."""
    for item in selection.columns:
        stored = selection.there.column(item.name)
        if item.type != TIMESTAMPTZ or stored is None or stored.type == TIMESTAMPTZ:
            continue
        if stored.written.lower() != selection.server.clock_of_instants:
            raise without_zone(item.name, selection.there.table, stored.written)


def without_zone(column: str, table: str, written: str) -> RunFailure:
    """A column without a time zone that is declared as timestamptz."""
    message = f"the column `{column}` of the table `{table}` is {written}, which has no time zone"
    fix = f"declare `{column}: timestamp`, and set its time zone in a step: to_utc_timestamp({column}, 'UTC')"
    return RunFailure("source", "wrong-columns", message, fix)


@dataclass(frozen=True)
class Selection:
    """Columns of an existing table, in their declared types."""

    server: AnyServer
    there: Definition[StoredColumn]
    columns: Columns

    def batches(self, session: ServerSession, condition: str) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil a condition, or all. Raises RunFailure for a value of another type."""
        return self.server.batches(session, self.there, self.columns, condition)


class Reader:
    """Reads the tables of a server; `notices` are lines for the user."""

    def __init__(self, server: AnyServer, failure: Callable[[ServerError], RunFailure], notices: list[str]) -> None:
        self.server = server
        self.failure = failure
        self.notices = notices
        self._is_interrupted = False
        self.sessions: OpenSessions[ServerSession] = OpenSessions(server.open)

    def interrupt(self) -> None:
        """Make `copy` fail at once; called from another thread."""
        self._is_interrupted = True
        self.sessions.cut()

    def copy(self, selection: Selection, folder: Path) -> Copy:
        """The rows of a table in files in `folder`. Raises RunFailure."""
        self.sessions = OpenSessions(self.server.open)
        if self._is_interrupted:
            self.sessions.cut()
        _verify_instants(selection)
        try:
            readers, conditions = self.server.readers(self.sessions, selection.there, self.notices)
            if len(conditions) > 1:
                return _Ranges(selection, folder, conditions).run(readers, self.sessions)
            path = folder / "rows.parquet"
            return Copy((path,), write_parquet(path, selection.columns, selection.batches(readers[0], conditions[0])))
        except ServerError as error:
            raise self.failure(error) from error
        finally:
            self.sessions.abort()

    def copy_range(self, selection: Selection, condition: str, snapshot: str, path: Path) -> int:
        """Write the rows of a range that another machine shares; returns their number. Raises RunFailure."""
        _verify_instants(selection)
        session = self.sessions.open()
        try:
            if snapshot:
                self.server.join(session, snapshot)
            return write_parquet(path, selection.columns, selection.batches(session, condition))
        except ServerError as error:
            raise self.failure(error) from error
        finally:
            self.sessions.abort()


class _Ranges:
    """Reads the ranges of a table into files."""

    def __init__(self, selection: Selection, folder: Path, conditions: tuple[str, ...]) -> None:
        self.selection = selection
        self.paths = [folder / f"rows-{number:05}.parquet" for number in range(len(conditions))]
        self.left = deque(zip(self.paths, conditions, strict=True))
        self.counted = -1

    def run(self, readers: list[ServerSession], sessions: OpenSessions[ServerSession]) -> Copy:
        """Read all ranges, and count their rows. Raises ServerError, RunFailure; then all reading has stopped."""
        with ThreadPoolExecutor(len(readers), "etlrun-read") as pool:
            works = [
                pool.submit(self._count_and_read, readers[0]),
                *(pool.submit(self._read, session) for session in readers[1:]),
            ]
            try:
                rows = sum(done.result() for done in as_completed(works))
            except BaseException:
                sessions.cut()
                raise
        if rows != self.counted:
            raise RunFailure(
                "source",
                "rows-differ",
                f"the ranges of the table `{self.selection.there.table}` hold {rows:,} rows of {self.counted:,}",
                "set `readers: 1` of the connection, and report this with the key and the collation of the table",
            )
        return Copy(tuple(self.paths), rows)

    def _count_and_read(self, session: ServerSession) -> int:
        (self.counted,) = session.one(f"SELECT COUNT(*) FROM {self.selection.server.table(self.selection.there.table)}")
        return self._read(session)

    def _read(self, session: ServerSession) -> int:
        rows = 0
        while self.left:
            try:
                path, condition = self.left.popleft()
            except IndexError:  # another thread took the last one
                break
            rows += write_parquet(path, self.selection.columns, self.selection.batches(session, condition))
        return rows
