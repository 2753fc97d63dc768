"""The label store in a database, through SQLAlchemy: SQLite, MySQL, MariaDB, PostgreSQL."""

from __future__ import annotations

import json
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from etlrun.contracts.connection import ServerAccess
from etlrun.contracts.job_client import JobState
from etlrun.enrich._owner import LIFE, Owner, this_process
from etlrun.enrich._sql_costs import costs_of, token_counts
from etlrun.enrich._sql_jobs import drop_job, end_job, forget_in_jobs, insert_job, jobs_of, name_job, open_ids
from etlrun.enrich._sql_rows import find, find_many, insert, parts_of, replace_rows
from etlrun.enrich._tables import (
    ANSWERS,
    JOBS,
    LEASES,
    METADATA,
    OWNERS,
    QUESTIONS,
    REQUESTS,
    check_form,
    create_view,
    server_engine,
    sqlite_engine,
)
from etlrun.enrich.jobs import Job, JobSheet
from etlrun.enrich.questions import Question
from etlrun.enrich.store import (
    SETTLED,
    WORTH,
    Cost,
    Counted,
    Leased,
    RequestEntry,
    Result,
    Sent,
    Status,
    Store,
    StoredAnswer,
)
from etlrun.failures import RunFailure

Made = TypeVar("Made")
SCAN = 5_000  # from so many keys on, one scan of all answers, or a join, may be faster than single lookups
ATTEMPTS = 5  # attempts of a transaction that conflicts with another process


class SqlStore(Store):
    """A label store in a database, through SQLAlchemy."""

    def __init__(self, where: Path | ServerAccess) -> None:
        self.owner: Owner = this_process()
        self.engine = sqlite_engine(where) if isinstance(where, Path) else server_engine(where)
        self.place = str(where) if isinstance(where, Path) else f"{where.place},"
        self._explain = _explain_file if isinstance(where, Path) else where.explain
        self._write(METADATA.create_all)
        self._write(lambda connection: check_form(connection, self.place.rstrip(",")))
        # In a separate transaction: a server may roll back the whole transaction if one statement fails.
        self._write(create_view)

    def _write(self, work: Callable[[sa.Connection], Made]) -> Made:
        """Do `work` in one transaction; try again after a conflict with another process. Raises RunFailure."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with self.engine.execution_options(etlrun_writes=True).begin() as connection:
                    return work(connection)
            except sa.exc.DBAPIError as error:
                if attempt == ATTEMPTS or not _is_passing(error):
                    raise self._failure(error) from None
                time.sleep(random.uniform(0, 0.02 * 2**attempt))
        raise AssertionError

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        """A read-only transaction. Raises RunFailure."""
        try:
            with self.engine.begin() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise self._failure(error) from None

    def _failure(self, error: sa.exc.DBAPIError) -> RunFailure:
        original = error.orig
        assert isinstance(original, Exception)
        what, fix = self._explain(original)
        return RunFailure("connection", "label-store", f"the label store in {self.place} fails: {what}", fix)

    def add_question(self, question: Question, source: str) -> None:
        outputs = json.dumps([output.name for output in question.prompt.outputs])
        row = (question.id, question.prompt.name, source[:200], question.system, outputs, _now())

        def work(connection: sa.Connection) -> None:
            if connection.execute(sa.select(QUESTIONS.c.id).where(QUESTIONS.c.id == question.id)).first() is None:
                replace_rows(connection, QUESTIONS, [row])

        self._write(work)

    def known(self, question: str, keys: Sequence[str]) -> dict[str, StoredAnswer]:
        names = ("key", "status", "answer", "reason")
        with self._reading() as connection:
            source = self._source(connection, question)
            rows = find_many(connection, names, question, keys) if len(keys) > SCAN else None
            if rows is None:
                rows = (row for part in parts_of(keys) for row in find(connection, ANSWERS, names, question, part))
            shared: dict[tuple[str, str, str], StoredAnswer] = {}  # a million keys share a few answers
            found: dict[str, StoredAnswer] = {}
            for key, status, answer, reason in rows:
                detail = (status, answer, reason)
                found[key] = shared.get(detail) or shared.setdefault(
                    detail, StoredAnswer(status, answer, reason, source)
                )
            return found

    def _source(self, connection: sa.Connection, question: str) -> str:
        return connection.scalar(sa.select(QUESTIONS.c.source).where(QUESTIONS.c.id == question)) or ""

    def lease(self, question: str, keys: Sequence[str], also: Sequence[str] = ()) -> Leased:
        return self._write(lambda connection: self._lease(connection, question, keys, also))

    def _lease(self, connection: sa.Connection, question: str, keys: Sequence[str], also: Sequence[str]) -> Leased:
        held: dict[str, str] = {}
        settled: set[str] = set()
        for part in parts_of(keys):
            held.update((row[0], row[1]) for row in find(connection, LEASES, ("key", "owner"), question, part))
            for asked in (question, *also):
                found = find(connection, ANSWERS, ("key", "status"), asked, part)
                settled.update(row[0] for row in found if row[1] in SETTLED)
        living = self._living(connection) if held else set()
        jobs = open_ids(connection) if held else set()
        self._expire(connection, set(held.values()) - living - jobs - {self.owner.id})
        taken = {key for key, owner in held.items() if owner in living or owner in jobs}
        others = tuple(key for key in keys if key in taken and key not in settled and held[key] not in jobs)
        at_work = tuple(key for key in keys if key in taken and key not in settled and held[key] in jobs)
        ours = [key for key in keys if key not in settled and key not in taken]
        mine = [key for key in ours if held.get(key) != self.owner.id]
        insert(connection, LEASES, sorted((question, key, self.owner.id) for key in mine))
        return Leased(tuple(ours), tuple(key for key in keys if key in settled), others, at_work)

    def _living(self, connection: sa.Connection) -> set[str]:
        """The other processes whose leases are valid."""
        now = time.time()
        owners = [Owner(row.id, row.host, row.pid, row.until) for row in connection.execute(sa.select(OWNERS))]
        return {owner.id for owner in owners if owner.is_alive(now) and owner.id != self.owner.id}

    def _expire(self, connection: sa.Connection, dead: set[str]) -> None:
        if dead:
            connection.execute(sa.delete(LEASES).where(LEASES.c.owner.in_(dead)))
            connection.execute(sa.delete(OWNERS).where(OWNERS.c.id.in_(dead)))

    def heartbeat(self) -> None:
        row = (self.owner.id, self.owner.host, self.owner.pid, time.time() + LIFE)
        self._write(lambda connection: replace_rows(connection, OWNERS, [row]))

    def release(self) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(OWNERS).where(OWNERS.c.id == self.owner.id))
            leases = sa.delete(LEASES)
            # Without other writers in a file: all keys at once, which is much faster than one by one.
            is_sqlite = self.engine.dialect.name == "sqlite"
            is_alone = is_sqlite and not self._living(connection) and not open_ids(connection)
            connection.execute(leases if is_alone else leases.where(LEASES.c.owner == self.owner.id))

        self._write(work)

    def record(self, question: str, run: str, entries: Sequence[RequestEntry]) -> None:
        self._write(lambda connection: self._record(connection, question, run, entries))

    def _record(self, connection: sa.Connection, question: str, run: str, entries: Sequence[RequestEntry]) -> None:
        requests = [(secrets.randbits(62), entry) for entry in entries]
        at = _now()
        unsure = [result for entry in entries for result in entry.results if result.status != "ok"]
        outranked = self._outranked(connection, question, unsure)
        answers = sorted(
            (question, result.key, result.shown, result.status, result.answer, result.reason[:200], number)
            for number, entry in requests
            for result in entry.results
            if result.key not in outranked
        )
        replace_rows(connection, ANSWERS, answers)
        sent = [_request_row(number, question, run, at, entry.sent) for number, entry in requests]
        insert(connection, REQUESTS, sent)

    def jobs(self, questions: Sequence[str] | None = None) -> list[Job]:
        with self._reading() as connection:
            return jobs_of(connection, questions)

    def intend_job(self, question: str, run: str, sheets: Sequence[JobSheet]) -> Job:
        return self._write(lambda connection: insert_job(connection, question, run, self.owner.id, sheets))

    def name_job(self, job: str, name: str) -> None:
        self._write(lambda connection: name_job(connection, job, name))

    def drop_job(self, job: str) -> None:
        self._write(lambda connection: drop_job(connection, job))

    def is_intended_elsewhere(self, job: Job) -> bool:
        with self._reading() as connection:
            return job.owner in self._living(connection)

    def collect_job(
        self, job: str, state: JobState, spent: float, run: str, entries: Mapping[str, Sequence[RequestEntry]]
    ) -> bool:
        def work(connection: sa.Connection) -> bool:
            if not end_job(connection, job, state, spent):
                return False
            for question, found in entries.items():
                self._record(connection, question, run, found)
            return True

        return self._write(work)

    def _outranked(self, connection: sa.Connection, question: str, results: Sequence[Result]) -> set[str]:
        """Keys of `results` for which the store has a better answer."""
        worth: dict[str, int] = {}
        for part in parts_of([result.key for result in results]):
            worth.update(
                (row[0], WORTH.get(row[1], -1)) for row in find(connection, ANSWERS, ("key", "status"), question, part)
            )
        return {result.key for result in results if worth.get(result.key, -1) > WORTH[result.status]}

    def rows(self, question: str) -> Iterator[tuple[str, str, StoredAnswer]]:
        columns = (ANSWERS.c.key, ANSWERS.c.shown, ANSWERS.c.status, ANSWERS.c.answer, ANSWERS.c.reason)
        with self._reading() as connection:
            source = self._source(connection, question)
            statement = sa.select(*columns).where(ANSWERS.c.question == question).order_by(ANSWERS.c.key)
            for row in connection.execution_options(yield_per=10_000).execute(statement):
                yield row.key, row.shown, StoredAnswer(row.status, row.answer, row.reason, source)

    def costs(self) -> list[Cost]:
        with self._reading() as connection:
            return costs_of(connection)

    def counted(self, questions: Sequence[str]) -> Counted:
        with self._reading() as connection:
            return token_counts(connection, questions)

    def forget(self, question: str, keys: Sequence[str]) -> int:
        def work(connection: sa.Connection) -> int:
            forget_in_jobs(connection, question, set(keys))
            return sum(
                connection.execute(sa.delete(ANSWERS).where(_of(ANSWERS, question, part))).rowcount
                for part in parts_of(keys)
            )

        return self._write(work)

    def forget_status(self, question: str, statuses: Sequence[Status]) -> int:
        of_status = sa.and_(ANSWERS.c.question == question, ANSWERS.c.status.in_(statuses))
        return self._write(lambda connection: connection.execute(sa.delete(ANSWERS).where(of_status)).rowcount)

    def forget_question(self, question: str) -> int:
        def work(connection: sa.Connection) -> int:
            for table in (LEASES, REQUESTS, JOBS):
                connection.execute(sa.delete(table).where(table.c.question == question))
            connection.execute(sa.delete(QUESTIONS).where(QUESTIONS.c.id == question))
            return connection.execute(sa.delete(ANSWERS).where(ANSWERS.c.question == question)).rowcount

        return self._write(work)

    def holding(self, text: str) -> list[str]:
        with self._reading() as connection:
            has_text = ANSWERS.c.key.contains(text, autoescape=True)
            found = connection.execute(sa.select(ANSWERS.c.key).where(has_text).distinct().order_by(ANSWERS.c.key))
            waiting = (key for job in jobs_of(connection, None) for key in job.held if text in key)
            return sorted({*(row.key for row in found), *waiting})

    def compact(self) -> None:
        if self.engine.dialect.name != "sqlite":
            return
        try:
            with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                raw = connection.connection.dbapi_connection
                assert isinstance(raw, sqlite3.Connection)
                for statement in ("vacuum", "pragma wal_checkpoint(truncate)"):
                    is_blocked = next(iter(raw.execute(statement)), (0,))[0]
                if is_blocked:
                    raise sqlite3.OperationalError("database is locked")
        except (sqlite3.Error, sa.exc.DBAPIError) as error:
            what, fix = (
                str(error),
                "run it again when no other process uses the store; the keys are already removed from the store",
            )
            message = f"the label store in {self.place} was not rewritten: {what}; parts of the file may still contain the removed keys"
            raise RunFailure("connection", "label-store", message, fix) from None

    def close(self) -> None:
        self.engine.dispose()


def _explain_file(error: Exception) -> tuple[str, str]:
    return str(error), "check the path, its permissions and the space on the disk"


def _is_passing(error: sa.exc.DBAPIError) -> bool:
    """Whether a retry may succeed: after a deadlock, a lock timeout, or if another process was first to create a row or table."""
    words = ("deadlock", "lock wait", "lock timeout", "locked", "already exists", "concurrent")
    return isinstance(error, sa.exc.IntegrityError) or any(word in str(error.orig).lower() for word in words)


def _of(table: sa.Table, question: str, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.question == question, table.c.key.in_(keys))


def _request_row(number: int, question: str, run: str, at: str, sent: Sent) -> tuple[Any, ...]:
    counts = (
        sent.keys,
        sent.answered,
        sent.outcome[:40],
        sent.input_tokens,
        sent.output_tokens,
        sent.cached_tokens,
        sent.usd,
        sent.seconds,
    )
    return (number, question, run, sent.batch, *counts, sent.version[:100], at)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
