"""A database on a server: the interface of connections, implemented by the publish protocol."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etlrun.contracts.check import of_rows
from etlrun.contracts.connection import (
    Copy,
    Database,
    LedgerEntry,
    Load,
    Moment,
    Published,
    SharedRanges,
    Version,
    not_shared_table,
)
from etlrun.contracts.health import HealthFinding
from etlrun.diagnostics import nearest
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.stopping import cancelling
from etlrun.warehouse.changing import change_table
from etlrun.warehouse.denied import missing_rights
from etlrun.warehouse.ledger import entries
from etlrun.warehouse.newer_rows import with_newer_rows
from etlrun.warehouse.preparing import find_mismatches, missing_schema
from etlrun.warehouse.publish import Publisher
from etlrun.warehouse.reading import Reader, Selection
from etlrun.warehouse.retry import RetryPolicy
from etlrun.warehouse.rollback import find_versions, roll_back
from etlrun.warehouse.row_versions import with_versions
from etlrun.warehouse.server import AnyServer, ServerError, ServerSession
from etlrun.warehouse.view_publish import publish_view


class Warehouse(Database):
    """A database that connects at its first use."""

    def __init__(
        self, label: str, server: AnyServer, notices: Sequence[str] = (), retry_policy: RetryPolicy | None = None
    ) -> None:
        self.label = label
        self.server = server
        self.notices: list[str] = list(notices)
        self._publisher = Publisher(label, server, retry_policy or RetryPolicy(), self.notices)
        self._reader = Reader(server, self._failure, self.notices)
        self._open: ServerSession | None = None

    def columns(self, table: str) -> Columns | None:
        with self._asking() as session:
            there = self.server.describe(session, table)
        return there.relation() if there is not None else None

    def full_name(self, table: str) -> str:
        with self._asking() as session:
            return f"{self.server.identity(session)} {self.server.lock_owner(session, table)}"

    def verify(self, table: str, columns: Columns) -> None:
        self._select(table, columns)

    def copy(self, table: str, columns: Columns, folder: Path) -> Copy:
        return self._reader.copy(self._select(table, columns), folder)

    @contextmanager
    def shared(self, table: str, moment: Moment) -> Iterator[SharedRanges]:
        if moment not in self.server.shared_moments:
            either = "write `moment: each` in the source, or " if self.server.shared_moments else ""
            raise not_shared_table(table, f"{either}remove `read: tasks` from it")
        there = self._select(table, Columns(())).there
        session = self._session_of_its_own()
        count = f"SELECT COUNT(*) FROM {self.server.table(table)}"
        try:
            snapshot, conditions = self.server.share(session, there)
            yield SharedRanges(conditions, snapshot, lambda: int(session.one(count)[0]))
        except ServerError as error:
            raise self._failure(error) from error
        finally:
            session.abort()

    def copy_range(self, table: str, columns: Columns, condition: str, snapshot: str, path: Path) -> int:
        return self._reader.copy_range(self._select(table, columns), condition, snapshot, path)

    def _select(self, table: str, columns: Columns) -> Selection:
        with self._asking() as session:
            there = self.server.describe(session, table)
            statement = self.server.missing_schema(session, table) if there is None else ""
        if statement:
            raise missing_schema("source", table, statement)
        if there is None:
            raise self._missing(table)
        missing = ", ".join(f"`{item.name}`" for item in columns if there.column(item.name) is None)
        if missing:
            names = ", ".join(column.name for column in there.columns)
            raise RunFailure(
                "source", "missing-column", f"the table `{table}` has no column {missing}", f"it has {names}"
            )
        return Selection(self.server, there, columns)

    def _missing(self, table: str) -> RunFailure:
        with self._asking() as session:
            tables = self.server.tables(session)
        fix = nearest(table, tables) or "check the name, and that the account may SELECT from it"
        return RunFailure("source", "missing-table", f"connection `{self.label}` has no table `{table}`", fix)

    def interrupt(self) -> None:
        self._reader.interrupt()

    def mismatches(self, load: Load) -> Sequence[tuple[str, str]]:
        with self._asking() as session:
            self.server.require_rights(session, load)
            return find_mismatches(self.server, session, load)

    def change(self, load: Load, statements: Sequence[str]) -> None:
        session = self._session_of_its_own()
        try:
            change_table(self.server, session, load, statements, self.label)
        except ServerError as error:
            raise self._failure(error) from error
        finally:
            session.close()

    def publish_all(self, loads: Sequence[Load]) -> list[Published]:
        beside = next((load.files[0].parent for load in loads if load.files), None)
        with tempfile.TemporaryDirectory(prefix=".versions-", dir=beside, ignore_cleanup_errors=True) as folder:
            tables = [load for load in loads if load.write != "view"]
            ready = [self._compared(load, Path(folder) / str(number)) for number, load in enumerate(tables)]
            published = iter(self._publisher.publish(ready) if ready else ())
        return [self._publish_view(load) if load.write == "view" else next(published) for load in loads]

    def _compared(self, load: Load, folder: Path) -> Load:
        """The load without the rows that a comparison with the table shows to be old or unchanged."""
        compared = with_versions(self, load, folder) if load.history else with_newer_rows(self, load, folder)
        if load.newer and (rest := load.rows - compared.rows):
            self._publisher.note(f"`{load.table}`: {of_rows(rest, load.rows, 'is', 'are')} not newer by `{load.newer}`")
        return compared

    def _publish_view(self, load: Load) -> Published:
        session = self._session_of_its_own()
        try:
            with cancelling(session.cut):
                published = publish_view(self.server, session, load, self.label)
        except ServerError as error:
            failure = self._view_failure(session, load, error)
            session.abort()
            raise failure from error
        except BaseException as error:
            session.abort()
            if isinstance(error, RunFailure):
                error.subject = load.table
            raise
        session.close()
        return published

    def _view_failure(self, session: ServerSession, load: Load, error: ServerError) -> RunFailure:
        what, fix = missing_rights(self.server, session, load, error) or self.server.explain(error)
        message = f"the view `{load.table}` of connection `{self.label}` ({self.server.place}) was not created: {what}"
        failure = RunFailure("sink", "publish-failed", message, fix)
        failure.subject = load.table
        return failure

    def entries(self) -> list[LedgerEntry]:
        with self._asking() as session:
            return entries(self.server, session)

    def versions(self, table: str) -> Sequence[Version]:
        if not self.server.keeps_versions:
            return ()
        with self._asking() as session:
            return find_versions(self.server, session, table)

    def roll_back(self, table: str, period: str | None, run: str) -> Sequence[Version]:
        if not self.server.keeps_versions:
            return super().roll_back(table, period, run)
        session = self._session_of_its_own()
        try:
            return roll_back(self.server, session, table, period, run)
        except ServerError as error:
            raise self._failure(error) from error
        finally:
            session.close()

    def examine(self) -> Sequence[HealthFinding]:
        with self._asking() as session:
            return tuple(self.server.examine(session))

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _session_of_its_own(self) -> ServerSession:
        try:
            session: ServerSession = self.server.open()
        except ServerError as error:
            raise self._failure(error) from error
        return session

    @contextmanager
    def _asking(self) -> Iterator[ServerSession]:
        """The session for short queries, opened at the first one. If the server was away in the meantime, the query is repeated."""
        if self._open is not None and not self._is_alive(self._open):
            self._open = None
        if self._open is None:
            self._open = self._session_of_its_own()
        try:
            yield self._open
        except ServerError as error:
            raise self._failure(error) from error

    @staticmethod
    def _is_alive(session: ServerSession) -> bool:
        try:
            session.one("SELECT 1")
        except ServerError:
            session.abort()
            return False
        return True

    def _failure(self, error: ServerError) -> RunFailure:
        what, fix = self.server.explain(error)
        return RunFailure(
            "connection", "connection-failed", f"connection `{self.label}` ({self.server.place}): {what}", fix
        )
