"""Opens several sessions with the same snapshot of a table, even while others write to it.

While one session holds the table with LOCK TABLES ... READ, nobody can write to it, and earlier writers have committed. So the snapshots
that the other sessions take in this time are equal. The lock is held only for that moment, and does not block readers.
"""

from __future__ import annotations

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.words import table_name
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.server import ServerError

LOCK_SECONDS = 2  # if somebody is writing, later writers wait behind this lock for as long


class NotAlikeError(Exception):
    """The sessions would not have the same snapshot: they are connected to different servers."""


def open_alike(sessions: OpenSessions[MysqlSession], table: str, count: int) -> list[MysqlSession]:
    """Sessions that all see the table as it is now, until they are closed. Raises ServerError, and NotAlikeError."""
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
            session.rows(f"SELECT 1 FROM {table_name(table)} LIMIT 1")  # from now on nobody can alter the table
    except ServerError:
        guard.abort()
        raise
    guard.run("UNLOCK TABLES")  # fails if the lock was lost in the meantime
    return readers


def _server(session: MysqlSession) -> tuple[object, ...]:
    """The identity of a server: several may be behind one address."""
    return session.one("SELECT @@hostname, @@port, @@server_id, @@datadir")
