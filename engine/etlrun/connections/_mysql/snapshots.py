"""Several sessions that see one state of a table, whoever writes to it meanwhile.

While one session holds the table with LOCK TABLES ... READ, nobody can write to it, and those who have written have committed: the
snapshots that the others take then are of one state. The lock is held for as long as that takes, and nobody's reading is disturbed.
"""

from __future__ import annotations

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import table_name
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.server import ServerError

LOCK_SECONDS = 2  # those who want to write wait as long behind us, where somebody else is writing


class NotAlikeError(Exception):
    """The sessions would not see the same: they lead to several servers."""


def open_alike(sessions: OpenSessions[MysqlSession], table: str, count: int) -> list[MysqlSession]:
    """Sessions of which each sees the table as it is now, until it is closed. Raises ServerError, and NotAlikeError."""
    guard = sessions.open()
    readers = [sessions.open() for _ in range(count)]
    if len({_server(session) for session in (guard, *readers)}) > 1:
        raise NotAlikeError
    guard.run(f"SET SESSION lock_wait_timeout = {LOCK_SECONDS}")
    guard.run(f"LOCK TABLES {table_name(table)} READ")
    try:
        for session in readers:
            session.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            session.rows(f"SELECT 1 FROM {table_name(table)} LIMIT 1")  # from now on nobody alters the table
    except ServerError:
        guard.abort()
        raise
    guard.run("UNLOCK TABLES")  # fails where the lock was lost meanwhile
    return readers


def _server(session: MysqlSession) -> tuple[object, ...]:
    """What tells the servers apart that may stand behind one address."""
    return session.one("SELECT @@hostname, @@port, @@server_id, @@datadir")
