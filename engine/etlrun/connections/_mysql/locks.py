"""One writer for each table and period: the server's named lock, which it releases by itself when the session ends."""

from __future__ import annotations

from etlrun.connections._mysql.errors import LOCK_WAIT, ServerError
from etlrun.connections._mysql.ledger import find_writer, lock_name, note_writer
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.words import text
from etlrun.failures import RunFailure
from etlrun.spec.database import Load


def take_lock(session: Session, load: Load, label: str) -> None:
    """Take the lock of what `load` owns. Raises RunFailure, which says who has it and since when."""
    lock = lock_name(session, load)
    whole = lock_name(session, load, is_whole=True)
    if whole != lock:
        _refuse_holder(session, load, label, whole)
    if not _get(session, lock, 0):
        _refuse_holder(session, load, label, lock)
        seconds = int(session.one("SELECT @@innodb_lock_wait_timeout")[0])
        if not _get(session, lock, seconds):  # held by a line of this very run that broke, and that the server has not noticed yet
            raise ServerError(LOCK_WAIT, "an earlier connection of this run still holds the table")
    note_writer(session, load, lock)


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
    shown = [f"session {row[0]} of {row[1]}@{row[2]}, {row[5]} s" for row in session.rows("SHOW PROCESSLIST") if int(row[0]) in threads]
    return f"; open transactions: {'; '.join(shown)} (KILL and the number ends one)" if shown else ""


def _get(session: Session, lock: str, seconds: int) -> bool:
    return bool(session.one(f"SELECT GET_LOCK({text(lock)}, {seconds})")[0])


def _refuse_holder(session: Session, load: Load, label: str, lock: str) -> None:
    """Raises RunFailure where another run has the lock."""
    holder = session.one(f"SELECT IS_USED_LOCK({text(lock)})")[0]
    if holder is None or int(holder) == session.thread:
        return
    writer = find_writer(session, lock, int(holder))
    if writer is not None and writer.run_id == load.run_id:
        return
    known = f"by {writer.run_id} since {writer.since} on {writer.host}, " if writer else "by "
    raise RunFailure("sink", "table-busy", f"the table `{load.table}` of connection `{label}` is held {known}session {holder} of the server",
                     f"wait until it is done; if that run is dead, KILL {holder} on the server frees the table")  # fmt: skip
