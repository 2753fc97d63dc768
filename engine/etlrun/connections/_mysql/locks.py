"""One writer for each table and period: the server's named lock, which it releases by itself when the session ends."""

from __future__ import annotations

import time

from etlrun.connections._mysql.errors import LOCK_WAIT, ServerError
from etlrun.connections._mysql.ledger import Writer, find_writer, lock_name, note_writer, other_locks
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.words import text
from etlrun.failures import RunFailure
from etlrun.spec.database import Load
from etlrun.stopping import pause

EVERY_SECONDS = 0.1  # a look at a lock that is waited for


def take_lock(session: Session, load: Load, label: str) -> None:
    """Take the lock of what `load` owns. Raises RunFailure, which says who has it, or one that overlaps it, and since when."""
    lock = lock_name(session, load)
    while not _get(session, lock):
        _wait_for_the_dead(session, load, label, lock)
    note_writer(session, load, lock)  # before the others are looked at: of two that come at once, one sees the other
    for other in other_locks(session, load, lock):
        _wait_for_the_dead(session, load, label, other)


def blockers(session: Session, error: ServerError) -> str:
    """Who else has locks after a wait that was too long, as the end of a sentence."""
    if error.code != LOCK_WAIT:
        return ""
    try:
        found = session.rows(
            "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_rows_locked > 0 AND trx_mysql_thread_id <> CONNECTION_ID()"
        )
    except ServerError:
        return "; which one, this account may not see (it lacks PROCESS)"
    threads = {int(row[0]) for row in found}
    shown = [
        f"session {row[0]} of {row[1]}@{row[2]}, {row[5]} s"
        for row in session.rows("SHOW PROCESSLIST")
        if int(row[0]) in threads
    ]
    return f"; open transactions: {'; '.join(shown)} (KILL and the number ends one)" if shown else ""


def _get(session: Session, lock: str) -> bool:
    return bool(session.one(f"SELECT GET_LOCK({text(lock)}, 0)")[0])


def _wait_for_the_dead(session: Session, load: Load, label: str, lock: str) -> None:
    """Come back once nobody else has the lock.

    Only a session is waited for whose client is gone, which the server has not noticed yet: one of this very run that broke, or of
    a process that was killed. Raises RunFailure where another run has the lock, ServerError where this one has it for too long.
    """
    deadline = time.monotonic() + int(session.one("SELECT @@innodb_lock_wait_timeout")[0])
    while (holder := session.one(f"SELECT IS_USED_LOCK({text(lock)})")[0]) is not None and int(
        holder
    ) != session.thread:
        writer = find_writer(session, lock, int(holder))
        is_ours = writer is not None and writer.run_id == load.run_id
        is_late = time.monotonic() > deadline
        if is_ours and is_late:
            raise ServerError(LOCK_WAIT, "an earlier connection of this run still holds the table")
        if not is_ours and (is_late or writer is None or not writer.is_dead):
            raise _busy(load, label, writer, int(holder))
        pause(EVERY_SECONDS)


def _busy(load: Load, label: str, writer: Writer | None, holder: int) -> RunFailure:
    known = f"by {writer.run_id} since {writer.since} on {writer.host}, " if writer else "by "
    return RunFailure(
        "sink",
        "table-busy",
        f"the table `{load.table}` of connection `{label}` is held {known}session {holder} of the server",
        f"wait until it is done; if that run is dead, KILL {holder} on the server frees the table",
    )
