"""Several sessions that see one state of a table, whoever writes to it meanwhile.

While one session holds the table with LOCK TABLES ... READ, nobody can write to it, and those who have written have committed: the
snapshots that the others take then are of one state. The lock is held for as long as that takes, and nobody's reading is disturbed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from etlrun.connections._mysql.errors import ServerError
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.words import name

LOCK_SECONDS = 2  # those who want to write wait as long behind us, where somebody else is writing


class NotAlikeError(Exception):
    """The sessions would not see the same: they lead to several servers."""


class Sessions:
    """Sessions that can be ended together, from another thread as well."""

    def __init__(self, connect: Callable[[], Session]) -> None:
        self._connect = connect
        self._open: list[Session] = []
        self._is_cut = False
        self._lock = threading.Lock()

    def open(self) -> Session:
        session = self._connect()
        with self._lock:
            self._open.append(session)
            if self._is_cut:
                session.cut()
        return session

    def cut(self) -> None:
        """Let everything that waits for the server fail at once, and whatever comes later too."""
        with self._lock:
            self._is_cut = True
            for session in self._open:
                session.cut()

    def hang_up(self) -> None:
        """Close them all, when no other thread uses them any more."""
        with self._lock:
            for session in self._open:
                session.hang_up()
            self._open.clear()


def open_alike(sessions: Sessions, table: str, count: int) -> list[Session]:
    """Sessions of which each sees the table as it is now, until it is closed. Raises ServerError, and NotAlikeError."""
    guard = sessions.open()
    readers = [sessions.open() for _ in range(count)]
    if len({_server(session) for session in (guard, *readers)}) > 1:
        raise NotAlikeError
    guard.run(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
    guard.run(f"LOCK TABLES {name(table)} READ")
    try:
        for session in readers:
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            session.rows(f"SELECT 1 FROM {name(table)} LIMIT 1")  # from now on nobody alters the table
    except ServerError:
        guard.hang_up()
        raise
    guard.run("UNLOCK TABLES")  # fails where the lock was lost meanwhile
    return readers


def _server(session: Session) -> tuple[object, ...]:
    """What tells the servers apart that may stand behind one address."""
    return session.one("SELECT @@hostname, @@port, @@server_id, @@datadir")
