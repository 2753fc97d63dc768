"""One writer for each table and period: the server's named lock, which it releases by itself when the session ends."""

from __future__ import annotations

import time
from collections.abc import Container

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from etlrun.stopping import pause
from etlrun.warehouse.ledger import Writer, find_writer, lock_name, note_writer, other_locks
from etlrun.warehouse.server import AnyServer, ServerSession

EVERY_SECONDS = 0.1  # a look at a lock that is waited for


def take_lock(server: AnyServer, session: ServerSession, load: Load, label: str, earlier: Container[int] = ()) -> None:
    """Take the lock for the rows that `load` replaces. Raises RunFailure with the run that has it or an overlapping lock, and since when.

    `earlier` are sessions of this run that broke, of which one may hold the lock and not have noted that.
    """
    lock = lock_name(server, session, load)
    while not server.try_lock(session, lock):
        _wait_for_the_dead(server, session, load, label, lock, earlier)
    note_writer(
        server, session, load, lock
    )  # before the others are looked at: of two that come at once, one sees the other
    for other in other_locks(server, session, load, lock):
        _wait_for_the_dead(server, session, load, label, other, earlier)


def _wait_for_the_dead(
    server: AnyServer, session: ServerSession, load: Load, label: str, lock: str, earlier: Container[int]
) -> None:
    """Wait until no other session has the lock.

    Only a session is waited for whose client is gone, which the server has not noticed yet: one of this very run that broke, or of
    a process that was killed. Raises RunFailure where another run has the lock, ServerError where this one has it for too long.
    """
    deadline = time.monotonic() + server.lock_seconds
    while (holder := server.lock_holder(session, lock)) is not None and holder != session.thread:
        writer = find_writer(server, session, lock, holder)
        is_ours = holder in earlier or (writer is not None and writer.run_id == load.run_id)
        is_late = time.monotonic() > deadline
        if is_ours and is_late:
            raise server.busy("an earlier connection of this run still locks the table")
        if not is_ours and (is_late or writer is None or not writer.is_dead):
            raise _busy(server, load, label, writer, holder)
        pause(EVERY_SECONDS)


def _busy(server: AnyServer, load: Load, label: str, writer: Writer | None, holder: int) -> RunFailure:
    known = f"by {writer.run_id} since {writer.since} on {writer.host}, " if writer else "by "
    return RunFailure(
        "sink",
        "table-busy",
        f"the table `{load.table}` of connection `{label}` is locked {known}session {holder} of the server",
        f"wait until it has ended; if that run no longer exists, run {server.ends_session.format(holder)} on the server to unlock the table",
    )
