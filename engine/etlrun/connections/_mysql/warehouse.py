"""A MySQL or MariaDB database as a warehouse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from etlrun.connections._mysql.address import Address
from etlrun.connections._mysql.errors import ServerError, explain
from etlrun.connections._mysql.health import examine
from etlrun.connections._mysql.ledger import entries, has_ledger
from etlrun.connections._mysql.preparing import find_mismatches
from etlrun.connections._mysql.publish import Loader, Publisher
from etlrun.connections._mysql.reading import Parallel, Reader, Selection
from etlrun.connections._mysql.rollback import find_versions, roll_back
from etlrun.connections._mysql.session import Session, Settings
from etlrun.connections._mysql.tables import read_definition
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Columns
from etlrun.spec.database import Copy, Database, Entry, Finding, Load, Published, Version
from etlrun.warehouse.retry import RetryPolicy


class MysqlWarehouse(Database):
    """A database that is reached when it is first asked for something."""

    def __init__(
        self,
        label: str,
        address: Address,
        settings: Settings,
        loader: Loader = "auto",
        retry_policy: RetryPolicy | None = None,
        parallel: Parallel | None = None,
    ) -> None:
        self.label = label
        self.address = address
        self.settings = settings
        self.notices: list[str] = list(_warnings(label, address, settings))
        self._publisher = Publisher(label, address, self._connect, loader, retry_policy or RetryPolicy(), self.notices)
        self._reader = Reader(label, self._connect, self._failure, parallel or Parallel(), self.notices)
        self._open: Session | None = None

    def columns(self, table: str) -> Columns | None:
        with self._asking() as session:
            there = read_definition(session, table)
        if there is None:
            return None
        kinds = ((column, column.type) for column in there.columns)
        return Columns(
            tuple(Column(column.name, kind, column.is_nullable) for column, kind in kinds if kind is not None)
        )

    def verify(self, table: str, columns: Columns) -> None:
        self._select(table, columns)

    def copy(self, table: str, columns: Columns, folder: Path) -> Copy:
        return self._reader.copy(self._select(table, columns), folder)

    def _select(self, table: str, columns: Columns) -> Selection:
        with self._asking() as session:
            there = read_definition(session, table)
        if there is None:
            raise RunFailure(
                "source", "missing-table", f"connection `{self.label}` has no table `{table}`", "check the name"
            )
        return Selection(there, columns)

    def interrupt(self) -> None:
        self._reader.interrupt()

    def mismatches(self, load: Load) -> Sequence[tuple[str, str]]:
        with self._asking() as session:
            return find_mismatches(session, load)

    def publish(self, load: Load) -> Published:
        return self._publisher.publish(load)

    def entries(self) -> list[Entry]:
        with self._asking() as session:
            return entries(session) if has_ledger(session) else []

    def versions(self, table: str) -> Sequence[Version]:
        with self._asking() as session:
            return find_versions(session, table)

    def roll_back(self, table: str, period: str | None, run: str) -> Sequence[Version]:
        session = self._session_of_its_own()
        try:
            return roll_back(session, table, period, run)
        except ServerError as error:
            raise self._failure(error) from error
        finally:
            session.close()

    def examine(self) -> Sequence[Finding]:
        with self._asking() as session:
            return tuple(examine(session))

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _connect(self) -> Session:
        return Session(self.address, self.settings)

    def _session_of_its_own(self) -> Session:
        try:
            return self._connect()
        except ServerError as error:
            raise self._failure(error) from error

    @contextmanager
    def _asking(self) -> Iterator[Session]:
        """The session for short questions, opened at the first one. A server that was away meanwhile is asked again."""
        if self._open is not None and not self._is_alive(self._open):
            self._open = None
        if self._open is None:
            self._open = self._session_of_its_own()
        try:
            yield self._open
        except ServerError as error:
            raise self._failure(error) from error

    @staticmethod
    def _is_alive(session: Session) -> bool:
        try:
            session.one("SELECT 1")
        except ServerError:
            session.hang_up()
            return False
        return True

    def _failure(self, error: ServerError) -> RunFailure:
        what, fix = explain(error, self.address)
        return RunFailure(
            "connection", "connection-failed", f"connection `{self.label}` ({self.address.place}): {what}", fix
        )


def _warnings(label: str, address: Address, settings: Settings) -> Iterator[str]:
    if settings.tls == "insecure":
        yield f"connection `{label}`: nobody verifies that {address.host} is the server (`tls: insecure`)"
    if settings.tls == "verify_ca":
        yield f"connection `{label}`: any server with a certificate of the authority passes for {address.host} (`tls: verify_ca`)"
