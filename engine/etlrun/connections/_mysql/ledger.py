"""The ledger: one row per table and period, written in the transaction that publishes it; and who is publishing right now."""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from typing import Protocol

from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.words import name, text
from etlrun.spec.database import LEDGER, Entry, Load
from etlrun.warehouse.periods import are_disjoint

WRITERS = "_etlrun_writers"  # who took the lock of a table last; the lock itself is the server's
LONGEST_PERIOD = 600
COLUMNS = "tbl, period, run_id, pipeline, write_mode, row_count, checksum, spec_hash, finished_at"
NOW = "DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')"
DDL = {
    LEDGER: f"CREATE TABLE IF NOT EXISTS {LEDGER} (tbl VARCHAR(64) NOT NULL, period VARCHAR({LONGEST_PERIOD}) NOT NULL, run_id VARCHAR(64) NOT NULL, "
    "pipeline VARCHAR(255) NOT NULL, write_mode VARCHAR(16) NOT NULL, row_count BIGINT NOT NULL, checksum VARCHAR(64) NOT NULL, "
    "spec_hash VARCHAR(64) NOT NULL, finished_at VARCHAR(20) NOT NULL, PRIMARY KEY (tbl, period, run_id)) "
    "ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='what etlrun published: one row per table and period'",
    WRITERS: f"CREATE TABLE IF NOT EXISTS {WRITERS} (lock_name VARCHAR(64) NOT NULL, tbl VARCHAR(64) NOT NULL, period VARCHAR({LONGEST_PERIOD}) NOT NULL, "
    "run_id VARCHAR(64) NOT NULL, host VARCHAR(255) NOT NULL, pid BIGINT NOT NULL, thread BIGINT NOT NULL, since VARCHAR(20) NOT NULL, "
    "PRIMARY KEY (lock_name)) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='which run of etlrun writes to a table, or did last'",
}


class Line(Protocol):
    """What a row of the ledger tells, but for the time."""

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
    """A run at work on a table."""

    run_id: str
    host: str
    pid: int
    thread: int
    since: str

    @property
    def is_dead(self) -> bool:
        """Whether its process was on this machine and is gone; of another machine nobody can tell."""
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
    """A period as the ledger has it: one that is too long ends in its digest."""
    if len(period) <= LONGEST_PERIOD:
        return period
    return f"{period[: LONGEST_PERIOD - 42]}… {hashlib.sha1(period.encode(), usedforsecurity=False).hexdigest()}"


def missing_tables(session: Session) -> list[str]:
    """The statements that make what is missing of the ledger."""
    names = ", ".join(text(table) for table in DDL)
    found = session.rows(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN ({names})"
    )
    there = {str(row[0]) for row in found}
    return [statement for table, statement in DDL.items() if table not in there]


def has_ledger(session: Session) -> bool:
    return not any(LEDGER in statement.split("(", 1)[0] for statement in missing_tables(session))


def entries(session: Session) -> list[Entry]:
    """The ledger, latest first."""
    return [
        Entry(*row)
        for row in session.rows(f"SELECT {COLUMNS} FROM {LEDGER} ORDER BY finished_at DESC, run_id DESC, tbl, period")
    ]


def find_entries(session: Session, load: Load) -> list[tuple[str, str]]:
    """Period and run of what the ledger has for the rows that `load` owns, which is locked; and for the whole table, which is not."""
    here = f"tbl = {text(load.table)}"
    query = f"SELECT period, run_id FROM {LEDGER} WHERE {here}"
    if load.write == "replace":
        return [(str(period), str(run)) for period, run in session.rows(f"{query} FOR UPDATE")]
    others = (
        f" AND (write_mode = 'replace' OR run_id = {text(load.run_id)})" if load.write == "append" else ""
    )  # appends do not replace each other
    own = session.rows(f"{query} AND period = {text(period_key(load.period))}{others} FOR UPDATE")
    whole = session.rows(f"{query} AND period = ''") if load.period else []
    return [(str(period), str(run)) for period, run in (*own, *whole)]


def forget(session: Session, load: Line) -> None:
    """Remove the row of what `load` owns: of the whole table, or of a period. What was appended is known for as long as it is not replaced."""
    period = "" if load.write == "replace" else f" AND period = {text(period_key(load.period))}"
    kept = " AND write_mode <> 'append'" if load.write == "merge" else ""
    session.run(f"DELETE FROM {LEDGER} WHERE tbl = {text(load.table)}{period}{kept}")


def record(session: Session, load: Line) -> None:
    """Write the row of `load`, in place of those whose rows it replaced."""
    period = period_key(load.period)
    if load.write != "append":
        forget(session, load)
    texts = ", ".join(text(value) for value in (load.table, period, load.run_id, load.pipeline, load.write))
    session.run(
        f"INSERT INTO {LEDGER} ({COLUMNS}) VALUES ({texts}, {load.rows}, {text(load.checksum)}, {text(load.spec_hash)}, {NOW})"
    )


def lock_name(session: Session, load: Load, *, is_whole: bool = False) -> str:
    """The name of the lock for what `load` owns: the table, or a period of it unless `is_whole`. MySQL takes 64 characters."""
    database = session.one("SELECT DATABASE()")[0]
    owned = f"{database}.{load.table}" + (
        f" where {load.period}" if load.write == "replace_where" and not is_whole else ""
    )
    return f"etlrun:{hashlib.sha1(owned.encode(), usedforsecurity=False).hexdigest()}"


def note_writer(session: Session, load: Load, lock: str) -> None:
    """Say that the run of `load` holds the lock."""
    texts = ", ".join(
        text(value) for value in (lock, load.table, period_key(load.period), load.run_id, socket.gethostname())
    )
    session.run(f"REPLACE INTO {name(WRITERS)} VALUES ({texts}, {os.getpid()}, {session.thread}, {NOW})")


def other_locks(session: Session, load: Load, own: str) -> list[str]:
    """The locks that are held at this moment by others who may write to what `load` owns: to the table, or to a period that is not plainly apart."""
    held = f"tbl = {text(load.table)} AND lock_name <> {text(own)} AND IS_USED_LOCK(lock_name) IS NOT NULL"
    found = session.rows(f"SELECT lock_name, period FROM {name(WRITERS)} WHERE {held}")
    periods = [
        (str(lock), str(period))
        for lock, period in found
        if load.condition is None or not are_disjoint(load.condition, str(period))
    ]
    whole = (
        [lock_name(session, load, is_whole=True)] if load.write == "replace_where" else []
    )  # also of one who has not noted it yet
    return list(dict.fromkeys([*whole, *(lock for lock, _ in periods)]))


def find_writer(session: Session, lock: str, thread: int) -> Writer | None:
    """Who noted that session `thread` holds the lock."""
    found = session.rows(
        f"SELECT run_id, host, pid, thread, since FROM {name(WRITERS)} WHERE lock_name = {text(lock)} AND thread = {thread}"
    )
    return Writer(*found[0]) if found else None
