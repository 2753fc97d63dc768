"""A connection to PostgreSQL with the settings that the protocol relies on. Failures come as ServerError."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import ssl
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from etlrun.connections._postgres.errors import as_server_error
from etlrun.warehouse.access import SessionSettings, wrong_ca
from etlrun.warehouse.address import Address

logging.getLogger("psycopg").addHandler(logging.NullHandler())  # it would print each error that the protocol handles
NOT_IN_CLEAR = {"require_auth": "!password"}


def open_line(address: Address, settings: SessionSettings) -> psycopg.Connection[Any]:
    """Open a connection in UTC and READ COMMITTED. All connections are opened here. Raises psycopg's errors, and RunFailure for a wrong `ca`."""
    line = psycopg.connect(
        host=address.socket or address.host,
        port=address.port,
        dbname=address.database,
        user=address.user,
        password=address.password.reveal() or None,
        connect_timeout=settings.connect_timeout,
        autocommit=True,
        prepare_threshold=None,
        client_encoding="UTF8",
        application_name="etlrun",
        gssencmode="disable",
        keepalives_idle=30,
        keepalives_interval=10,
        keepalives_count=3,
        tcp_user_timeout=settings.timeout * 1000,
        **_protection(address, settings),
    )
    try:
        line.execute(
            f"SET statement_timeout = '{settings.timeout}s'; SET lock_timeout = '{settings.lock_timeout}s'; "
            "SET timezone = 'UTC'; SET datestyle = 'ISO'; SET extra_float_digits = 1; SET bytea_output = 'hex'; "
            "SET standard_conforming_strings = on; SET idle_in_transaction_session_timeout = 0; "
            "SET default_transaction_isolation = 'read committed'"
        )
    except BaseException:
        line.close()
        raise
    return line


def open_transactional(address: Address, settings: SessionSettings) -> psycopg.Connection[Any]:
    """The same, without autocommit."""
    line = open_line(address, settings)
    line.autocommit = False
    return line


def _protection(address: Address, settings: SessionSettings) -> dict[str, Any]:
    """How the server is verified: not at all on this machine, or if the profile says so."""
    if settings.tls == "insecure" or (settings.tls == "auto" and address.is_local):
        return {"sslmode": "prefer", **NOT_IN_CLEAR}  # the password could be read by anybody
    if settings.ca:
        try:
            ssl.create_default_context(cafile=settings.ca)
        except OSError as error:
            raise wrong_ca(settings.ca, error.strerror or "it is not in PEM form") from error
    # The OpenSSL inside psycopg does not know where this system keeps its certificate authorities; Python's does.
    authorities = settings.ca or ssl.get_default_verify_paths().cafile or "system"
    if settings.tls == "verify_ca":
        return {"sslmode": "verify-ca", "sslrootcert": authorities, **NOT_IN_CLEAR}
    return {"sslmode": "verify-full", "sslrootcert": authorities}


class PostgresSession:
    """An open connection."""

    def __init__(self, address: Address, settings: SessionSettings) -> None:
        with as_server_error():
            self.line = open_line(address, settings)

    def run(self, statement: str) -> int:
        with as_server_error():
            return self.line.execute(statement.encode()).rowcount

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with as_server_error():
            return self.line.execute(query.encode()).fetchall()

    def one(self, query: str) -> tuple[Any, ...]:
        (row,) = self.rows(query)
        return row

    def send(self, statement: str, chunks: Iterable[memoryview]) -> int:
        """Run a COPY ... FROM STDIN; returns the number of rows that the server accepted."""
        with as_server_error(), self.line.cursor() as cursor:
            with cursor.copy(statement.encode()) as copy:
                for chunk in chunks:
                    copy.write(chunk)
            return cursor.rowcount

    def receive(self, statement: str) -> Iterator[bytes]:
        """Run a COPY ... TO STDOUT; yields the lines of rows one by one."""
        with as_server_error(), self.line.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            yield from map(bytes, copy)

    @property
    def is_open(self) -> bool:
        return not self.line.closed

    @property
    def thread(self) -> int:
        return self.line.info.backend_pid

    def close(self) -> None:
        self.line.close()

    abort = close

    def cut(self) -> None:
        if self.line.closed:
            return
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.line.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
