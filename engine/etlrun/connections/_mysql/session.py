"""A connection to the server with the settings that the protocol relies on. Failures come as ServerError."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
from pymysql import cursors

from etlrun.connections._mysql.errors import OF_THE_LINE, is_of_the_line, server_error
from etlrun.connections._mysql.rows import read_rows
from etlrun.connections._mysql.wire import MysqlConnection
from etlrun.warehouse.access import SessionSettings, wrong_ca
from etlrun.warehouse.address import Address

SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION"
NO_TIME_LIMIT = "/*!50708 , max_execution_time=0 */ /*M!100101 , max_statement_time=0 */"  # MySQL reads the first, MariaDB the second
LIVES = 28_800  # seconds that the server keeps a session that is idle while rows are sorted


class MysqlSession:
    """An open connection in strict mode, READ COMMITTED and UTC."""

    def __init__(self, address: Address, settings: SessionSettings) -> None:
        self.address = address
        with _in_our_words():
            self._line = open_line(address, settings)

    def run(self, statement: str) -> int:
        """Run a statement; returns the number of affected rows."""
        with _in_our_words(), self._line.cursor() as cursor:
            cursor.execute(statement)
            return int(cursor.rowcount)

    def change(self, statement: str | bytes) -> tuple[int, int]:
        """Run a statement; returns the numbers of affected rows and of warnings."""
        with _in_our_words(), self._line.cursor() as cursor:
            cursor.execute(statement)
            return int(cursor.rowcount), int(cursor.warning_count)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with _in_our_words(), self._line.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""
        (row,) = self.rows(query)
        return row

    def named(self, query: str) -> dict[str, Any]:
        """The only row of a query, as a mapping by column name."""
        with _in_our_words(), self._line.cursor(cursors.DictCursor) as cursor:
            cursor.execute(query)
            (row,) = cursor.fetchall()
            return dict(row)

    def stream(self, statement: str, chunks: Iterable[memoryview]) -> tuple[int, int]:
        """Run a LOAD DATA LOCAL INFILE '{file}'; returns the numbers of loaded rows and of warnings."""
        with _in_our_words():
            return self._line.stream(statement, chunks)

    def pages(self, query: str) -> Iterator[list[pa.BinaryArray]]:
        """The rows of a query as the server writes them, some at a time, column by column, while the server keeps the rest."""
        with _in_our_words():
            yield from read_rows(self._line, self._line.start_rows(query))

    @property
    def is_open(self) -> bool:
        """Whether the connection was open when it was last used."""
        return bool(self._line.open)

    @property
    def thread(self) -> int:
        """The number of this session on the server."""
        return int(self._line.thread_id())

    def close(self) -> None:
        """Close the connection properly. The server rolls back an open transaction and releases the locks."""
        if self._line.open:
            self._line.close()

    def abort(self) -> None:
        """Cut the connection at once, whatever its state."""
        self._line.abort()

    def cut(self) -> None:
        """Cut the connection from another thread."""
        self._line.cut()


def open_line(address: Address, settings: SessionSettings) -> MysqlConnection:
    """Open a connection in strict mode, READ COMMITTED and UTC. All connections are opened here. Raises PyMySQL's errors, and RunFailure for a wrong `ca`."""
    line = _connect(address, settings, _tls(address, settings))
    try:
        with line.cursor() as cursor:
            cursor.execute(
                f"SET SESSION sql_mode='{SQL_MODE}', innodb_lock_wait_timeout={settings.lock_timeout}, lock_wait_timeout={settings.lock_timeout}, "
                f"time_zone='+00:00', wait_timeout={LIVES}, foreign_key_checks=1, unique_checks=1{NO_TIME_LIMIT}"
            )
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    except BaseException:
        line.abort()
        raise
    return line


def open_transactional(address: Address, settings: SessionSettings) -> MysqlConnection:
    """The same, without autocommit."""
    line = open_line(address, settings)
    line.autocommit(False)
    return line


def _connect(address: Address, settings: SessionSettings, context: ssl.SSLContext | None) -> MysqlConnection:
    protection: dict[str, Any] = (
        {"ssl": context} if context is not None else {"ssl_disabled": settings.tls != "insecure"}
    )
    where = {"unix_socket": address.socket} if address.socket else {"host": address.host, "port": address.port}
    line = MysqlConnection(
        is_verified=context is not None and context.check_hostname,
        user=address.user,
        password=address.password.reveal().encode(),
        database=address.database,
        charset="utf8mb4",
        collation="utf8mb4_bin",
        autocommit=True,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.connect_timeout,
        write_timeout=settings.timeout,
        **where,
        **protection,
    )
    line.wait_at_most(settings.timeout)
    return line


def _tls(address: Address, settings: SessionSettings) -> ssl.SSLContext | None:
    """How the server's certificate is verified; None if it is not: for a server on this machine, or if the profile says so."""
    if settings.tls == "insecure" or (settings.tls == "auto" and address.is_local):
        return None
    try:
        context = ssl.create_default_context(cafile=settings.ca or None)
    except OSError as error:
        raise wrong_ca(settings.ca, error.strerror or "it is not in PEM form") from error
    context.check_hostname = settings.tls != "verify_ca"
    if settings.ca:  # MySQL generates certificates without the extensions that Python requires since 3.13
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@contextmanager
def _in_our_words() -> Iterator[None]:
    try:
        yield
    except OF_THE_LINE as error:
        if not is_of_the_line(error):
            raise
        raise server_error(error) from None
