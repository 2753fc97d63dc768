"""The ledger: one row per table and period, written in the transaction that publishes it; and the runs that are publishing now."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from etlrun.contracts.connection import LEDGER, LedgerEntry, Load
from etlrun.warehouse.periods import are_disjoint
from etlrun.warehouse.server import AnyServer, ServerSession
from etlrun.warehouse.tables import OwnTable

WRITERS = "_etlrun_writers"  # who took the lock of a table last; the lock itself is the server's
LONGEST_PERIOD = 600
LONGEST_TABLE = 64
WITHOUT_CREATE = (
    f"the account lacks CREATE: the tables, and `{LEDGER}` and `{WRITERS}`, must exist before the first run"
)
LEDGER_TABLE = OwnTable(
    LEDGER,
    (
        ("tbl", LONGEST_TABLE),
        ("period", LONGEST_PERIOD),
        ("run_id", 64),
        ("pipeline", 255),
        ("write_mode", 16),
        ("row_count", None),
        ("checksum", 64),
        ("spec_hash", 64),
        ("finished_at", 20),
    ),
    ("tbl", "period", "run_id"),
    "what etlrun published: one row per table and period",
)
WRITERS_TABLE = OwnTable(
    WRITERS,
    (
        ("lock_name", 64),
        ("tbl", LONGEST_TABLE),
        ("period", LONGEST_PERIOD),
        ("run_id", 64),
        ("host", 255),
        ("pid", None),
        ("thread", None),
        ("since", 20),
    ),
    ("lock_name",),
    "which run of etlrun writes to a table, or did last",
)


class LedgerLine(Protocol):
    """A row of the ledger without its time."""

    @property
    def table(self) -> str: ...
    @property
    def period(self) -> str: ...
    @property
    def run_id(self) -> str: ...
    @property
    def pipeline(self) -> str: ...
    @property
    def write(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def checksum(self) -> str: ...
    @property
    def spec_hash(self) -> str: ...


@dataclass(frozen=True)
class Writer:
    """A run that is publishing to a table."""

    run_id: str
    host: str
    pid: int
    thread: int
    since: str

    @property
    def is_dead(self) -> bool:
        """Whether its process was on this machine and has ended; False for a process on another machine."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        return False


def period_key(period: str) -> str:
    """A period as the ledger stores it: a period that is too long is cut and ends in its digest."""
    return _cut(period, LONGEST_PERIOD)


def table_key(table: str) -> str:
    """A table name as the ledger stores it: a name that is too long is cut and ends in its digest."""
    return _cut(table, LONGEST_TABLE)


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most - 42]}… {hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()}"


def missing_tables(server: AnyServer, session: ServerSession) -> Iterator[str]:
    """The statements that create missing tables of the ledger."""
    for table in (LEDGER_TABLE,) if server.is_embedded else (LEDGER_TABLE, WRITERS_TABLE):
        if server.describe(session, table.name) is None:
            yield server.own_table(table)


def entries(server: AnyServer, session: ServerSession) -> list[LedgerEntry]:
    """The ledger, latest first."""
    if server.describe(session, LEDGER) is None:
        return []
    query = f"SELECT {LEDGER_TABLE.names} FROM {LEDGER} ORDER BY finished_at DESC, run_id DESC, tbl, period"
    return [LedgerEntry(*row) for row in session.rows(query)]


def find_entries(server: AnyServer, session: ServerSession, load: Load) -> list[tuple[str, str]]:
    """Period and run of the ledger rows for the rows that `load` replaces, which are locked, and for the whole table, which are not."""
    query = f"SELECT period, run_id FROM {LEDGER} WHERE tbl = {server.text(table_key(load.table))}"
    if load.write == "replace":
        return [(str(period), str(run)) for period, run in session.rows(f"{query}{server.row_locks}")]
    others = (
        f" AND (write_mode = 'replace' OR run_id = {server.text(load.run_id)})" if load.write == "append" else ""
    )  # appends do not replace each other
    own = session.rows(f"{query} AND period = {server.text(period_key(load.period))}{others}{server.row_locks}")
    whole = session.rows(f"{query} AND period = ''") if load.period else []
    return [(str(period), str(run)) for period, run in (*own, *whole)]


def find_same_append(server: AnyServer, session: ServerSession, load: Load) -> str:
    """The run of the last append of this pipeline with the same params, if it appended the same rows as `load`; empty otherwise."""
    pipeline = f"pipeline = {server.text(load.pipeline)} AND spec_hash = {server.text(load.spec_hash)}"
    found = session.rows(
        f"SELECT run_id, checksum, row_count FROM {LEDGER} WHERE tbl = {server.text(table_key(load.table))} "
        f"AND write_mode = 'append' AND {pipeline} ORDER BY finished_at DESC, run_id DESC LIMIT 1"
    )
    return next((str(run) for run, checksum, rows in found if (checksum, rows) == (load.checksum, load.rows)), "")


def forget(server: AnyServer, session: ServerSession, load: LedgerLine) -> None:
    """Remove the ledger rows that `load` replaces: of the whole table, or of a period. Rows about appends remain until the appended rows are replaced."""
    period = "" if load.write == "replace" else f" AND period = {server.text(period_key(load.period))}"
    kept = " AND write_mode <> 'append'" if load.write in ("merge", "scd2") else ""
    session.run(f"DELETE FROM {LEDGER} WHERE tbl = {server.text(table_key(load.table))}{period}{kept}")


def record(server: AnyServer, session: ServerSession, load: LedgerLine) -> None:
    """Write the ledger row of `load` in place of those whose rows it replaces."""
    if load.write != "append":
        forget(server, session, load)
    known = (table_key(load.table), period_key(load.period), load.run_id, load.pipeline, load.write)
    texts = ", ".join(map(server.text, known))
    hashes = f"{server.text(load.checksum)}, {server.text(load.spec_hash)}"
    session.run(f"INSERT INTO {LEDGER} ({LEDGER_TABLE.names}) VALUES ({texts}, {load.rows}, {hashes}, {server.now})")


def lock_name(server: AnyServer, session: ServerSession, load: Load, *, is_whole: bool = False) -> str:
    """The name of the lock for the rows that `load` replaces: the table, or a period of it unless `is_whole`. MySQL allows 64 characters."""
    period = f" where {load.period}" if load.write == "replace_where" and not is_whole else ""
    owned = f"{server.lock_owner(session, load.table)}{period}"
    return f"etlrun:{hashlib.sha1(owned.encode(), usedforsecurity=False).hexdigest()}"


def note_writer(server: AnyServer, session: ServerSession, load: Load, lock: str) -> None:
    """Record that the run of `load` has the lock."""
    known = (lock, table_key(load.table), period_key(load.period), load.run_id, socket.gethostname())
    texts = ", ".join(map(server.text, known))
    session.run(f"DELETE FROM {WRITERS} WHERE lock_name = {server.text(lock)}")
    session.run(
        f"INSERT INTO {WRITERS} ({WRITERS_TABLE.names}) VALUES ({texts}, {os.getpid()}, {session.thread}, {server.now})"
    )


def other_locks(server: AnyServer, session: ServerSession, load: Load, own: str) -> list[str]:
    """The locks of other runs that may write to the same rows: to the table, or to a period that is not surely disjoint."""
    others = f"tbl = {server.text(table_key(load.table))} AND lock_name <> {server.text(own)}"
    held = f"{server.holder('lock_name')} IS NOT NULL"
    found = session.rows(f"SELECT lock_name, period FROM {WRITERS} WHERE {others} AND {held}")
    periods = (
        str(lock) for lock, period in found if load.condition is None or not are_disjoint(load.condition, str(period))
    )
    whole = (
        [lock_name(server, session, load, is_whole=True)] if load.write == "replace_where" else []
    )  # also of one who has not noted it yet
    return list(dict.fromkeys([*whole, *periods]))


def find_writer(server: AnyServer, session: ServerSession, lock: str, thread: int) -> Writer | None:
    """The run that recorded the lock for session `thread`."""
    of = f"lock_name = {server.text(lock)} AND thread = {thread}"
    found = session.rows(f"SELECT run_id, host, pid, thread, since FROM {WRITERS} WHERE {of}")
    return Writer(*found[0]) if found else None
