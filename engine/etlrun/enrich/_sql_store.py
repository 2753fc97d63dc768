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
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from etlrun.contracts.connection import ServerAccess
from etlrun.contracts.job_client import JobState
from etlrun.enrich._owner import LIFE, Owner, this_process
from etlrun.enrich._sql_jobs import drop_job, end_job, forget_in_jobs, insert_job, jobs_of, name_job, open_ids
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
    NO_LABEL,
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
Item = TypeVar("Item")
AT_ONCE = 500  # keys in one `in (...)`
MOST_VALUES = 900  # in one statement; every SQLite takes 999
SCAN = 5_000  # keys for which one pass over all answers, or a join, may be quicker than looking each up
SAMPLE = 500  # requests whose tokens are averaged
MAPPED = 2**31  # bytes of a file that one pass over all of it reads in place, which is quicker than a copy of each page
ATTEMPTS = 5  # of a transaction that another process's transaction got in the way of


class SqlStore(Store):
    """A label store that SQLAlchemy reaches."""

    def __init__(self, where: Path | ServerAccess) -> None:
        self.owner: Owner = this_process()
        self.engine = sqlite_engine(where) if isinstance(where, Path) else server_engine(where)
        self.place = str(where) if isinstance(where, Path) else f"{where.place},"
        self._explain = _explain_file if isinstance(where, Path) else where.explain
        self._write(METADATA.create_all)
        self._write(lambda connection: check_form(connection, self.place.rstrip(",")))
        self._write(create_view)  # apart: a server may undo all of a transaction in which one statement fails

    def _write(self, work: Callable[[sa.Connection], Made]) -> Made:
        """Do `work` in one transaction; again, where another process's transaction got in its way. Raises RunFailure."""
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
        """A transaction that changes nothing. Raises RunFailure."""
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
                self._replace(connection, QUESTIONS, [row])

        self._write(work)

    def known(self, question: str, keys: Sequence[str]) -> dict[str, StoredAnswer]:
        names = ("key", "status", "answer", "reason")
        with self._reading() as connection:
            source = self._source(connection, question)
            rows = self._many_of(connection, names, question, keys) if len(keys) > SCAN else None
            if rows is None:
                rows = (row for part in _parts(keys) for row in self._among(connection, ANSWERS, names, question, part))
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

    def _many_of(
        self, connection: sa.Connection, names: Sequence[str], question: str, keys: Sequence[str]
    ) -> Iterator[Any] | None:
        """The rows of many keys: by one pass over all answers of the question, or where it has many more of them than keys, by a join in
        a file; None where neither is quicker than looking them up."""
        count = connection.scalar(sa.select(sa.func.count()).where(ANSWERS.c.question == question)) or 0
        if count <= 5 * len(keys):
            wanted = set(keys)
            statement = sa.select(*(ANSWERS.c[name] for name in names)).where(ANSWERS.c.question == question)
            rows = connection.execution_options(yield_per=10_000).execute(statement)
            return (row for row in rows if row[0] in wanted)
        return self._joined(connection, names, question, keys) if self.engine.dialect.name == "sqlite" else None

    def _joined(
        self, connection: sa.Connection, names: Sequence[str], question: str, keys: Sequence[str]
    ) -> Iterator[Any]:
        """The rows of keys by a join in their order, so that each page of the file is read once."""
        connection.exec_driver_sql("create temp table if not exists wanted (key text primary key) without rowid")
        connection.exec_driver_sql("delete from temp.wanted")
        connection.exec_driver_sql("insert into temp.wanted values (?)", [(key,) for key in sorted(set(keys))])
        columns = ", ".join(f'found."{name}"' for name in names)
        statement = (
            f"select {columns} from temp.wanted as wanted cross join {ANSWERS.name} as found on found.question = ?"
            ' and found."key" = wanted.key'
        )
        return iter(connection.exec_driver_sql(statement, (question,)))

    def _among(
        self, connection: sa.Connection, table: sa.Table, names: Sequence[str], question: str, keys: Sequence[str]
    ) -> Sequence[Any]:
        """The rows of a few keys. Written out, since an `in (...)` of hundreds takes longer to build than to answer."""
        quote = connection.dialect.identifier_preparer.quote
        marks = ", ".join([self._mark] * len(keys))
        columns = ", ".join(map(quote, names))
        statement = f"select {columns} from {table.name} where question = {self._mark} and {quote('key')} in ({marks})"
        return connection.exec_driver_sql(statement, (question, *keys)).all()

    def lease(self, question: str, keys: Sequence[str], also: Sequence[str] = ()) -> Leased:
        return self._write(lambda connection: self._lease(connection, question, keys, also))

    def _lease(self, connection: sa.Connection, question: str, keys: Sequence[str], also: Sequence[str]) -> Leased:
        held: dict[str, str] = {}
        settled: set[str] = set()
        for part in _parts(keys):
            held.update((row[0], row[1]) for row in self._among(connection, LEASES, ("key", "owner"), question, part))
            for asked in (question, *also):
                found = self._among(connection, ANSWERS, ("key", "status"), asked, part)
                settled.update(row[0] for row in found if row[1] in SETTLED)
        living = self._living(connection) if held else set()
        jobs = open_ids(connection) if held else set()
        self._expire(connection, set(held.values()) - living - jobs - {self.owner.id})
        taken = {key for key, owner in held.items() if owner in living or owner in jobs}
        others = tuple(key for key in keys if key in taken and key not in settled and held[key] not in jobs)
        at_work = tuple(key for key in keys if key in taken and key not in settled and held[key] in jobs)
        ours = [key for key in keys if key not in settled and key not in taken]
        mine = [key for key in ours if held.get(key) != self.owner.id]
        self._insert(connection, LEASES, sorted((question, key, self.owner.id) for key in mine))
        return Leased(tuple(ours), tuple(key for key in keys if key in settled), others, at_work)

    def _living(self, connection: sa.Connection) -> set[str]:
        """The other processes whose leases count."""
        now = time.time()
        owners = [Owner(row.id, row.host, row.pid, row.until) for row in connection.execute(sa.select(OWNERS))]
        return {owner.id for owner in owners if owner.is_alive(now) and owner.id != self.owner.id}

    def _expire(self, connection: sa.Connection, dead: set[str]) -> None:
        if dead:
            connection.execute(sa.delete(LEASES).where(LEASES.c.owner.in_(dead)))
            connection.execute(sa.delete(OWNERS).where(OWNERS.c.id.in_(dead)))

    def heartbeat(self) -> None:
        row = (self.owner.id, self.owner.host, self.owner.pid, time.time() + LIFE)
        self._write(lambda connection: self._replace(connection, OWNERS, [row]))

    def release(self) -> None:
        def work(connection: sa.Connection) -> None:
            connection.execute(sa.delete(OWNERS).where(OWNERS.c.id == self.owner.id))
            leases = sa.delete(LEASES)
            # Alone in a file, whose writers take turns: all of them, which is much quicker than one by one.
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
        self._replace(connection, ANSWERS, answers)
        sent = [_request_row(number, question, run, at, entry.sent) for number, entry in requests]
        self._insert(connection, REQUESTS, sent)

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

    def _replace(self, connection: sa.Connection, table: sa.Table, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows in the place of those of equal key."""
        if self.engine.dialect.name != "postgresql":
            self._insert(connection, table, rows, "replace")
        elif rows:  # its INSERT ... ON CONFLICT needs the right to UPDATE
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(table.name))))  # one at a time
            width = len(table.primary_key.columns)
            quote = connection.dialect.identifier_preparer.quote
            same = " and ".join(f"{quote(column.name)} = {self._mark}" for column in table.primary_key.columns)
            connection.exec_driver_sql(f"delete from {table.name} where {same}", [row[:width] for row in rows])
            self._insert(connection, table, rows)

    def _insert(
        self,
        connection: sa.Connection,
        table: sa.Table,
        rows: list[tuple[Any, ...]],
        verb: Literal["insert", "replace"] = "insert",
    ) -> None:
        """Insert rows, which go to the driver as they are. Both SQLite and MySQL know the word `replace`."""
        if not rows:
            return
        columns = ", ".join(connection.dialect.identifier_preparer.quote(column.name) for column in table.columns)
        marks = f"({', '.join([self._mark] * len(table.columns))})"
        head = f"{verb} into {table.name} ({columns}) values "
        if self.engine.dialect.name != "sqlite":
            connection.exec_driver_sql(head + marks, rows)
            return
        # Many rows a statement: after each one this thread would wait for its turn behind a loop that is never idle.
        for part in _parts(rows, MOST_VALUES // len(table.columns)):
            values = tuple(chain.from_iterable(part))
            connection.exec_driver_sql(head + ", ".join([marks] * len(part)), values)

    @property
    def _mark(self) -> str:
        return "?" if self.engine.dialect.paramstyle == "qmark" else "%s"

    def _outranked(self, connection: sa.Connection, question: str, results: Sequence[Result]) -> set[str]:
        """Keys of `results` of which the store knows something better."""
        worth: dict[str, int] = {}
        for part in _parts([result.key for result in results]):
            worth.update(
                (row[0], WORTH.get(row[1], -1))
                for row in self._among(connection, ANSWERS, ("key", "status"), question, part)
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
            if self.engine.dialect.name == "sqlite":
                connection.exec_driver_sql(f"pragma mmap_size = {MAPPED}")
            # In one pass, in the order of the primary key: a group by question and status sorts the answers.
            each = [sa.func.count(sa.case((ANSWERS.c.status == status, 1))) for status in NO_LABEL]
            answers = sa.select(ANSWERS.c.question, sa.func.count(), *each).group_by(ANSWERS.c.question)
            counted = {question: counts for question, *counts in connection.execute(answers)}
            sums = (
                sa.func.count(),
                *(sa.func.sum(REQUESTS.c[name]) for name in ("input_tokens", "output_tokens", "usd")),
            )
            spent = {
                row[0]: tuple(row)[1:]
                for row in connection.execute(
                    sa.select(REQUESTS.c.question, *sums, sa.func.max(REQUESTS.c.at)).group_by(REQUESTS.c.question)
                )
            }
            asked = connection.execute(sa.select(QUESTIONS).order_by(QUESTIONS.c.at.desc(), QUESTIONS.c.id)).all()
        found = []
        for row in asked:
            total, *counts = counted.get(row.id, [0] * (1 + len(NO_LABEL)))
            by_status: dict[str, int] = {"ok": total - sum(counts), **dict(zip(NO_LABEL, counts))}
            statuses = {status: count for status, count in by_status.items() if count}
            sums_of = spent.get(row.id, (0, 0, 0, 0.0, row.at))
            requests, taken, given, usd, last = (sums_of[index] for index in range(5))
            found.append(
                Cost(row.id, row.prompt, row.source, statuses, requests, int(taken), int(given), float(usd), last)
            )
        return found

    def counted(self, questions: Sequence[str]) -> Counted:
        names = ("asked", "answered", "input_tokens", "output_tokens")
        sample = (
            sa.select(*(REQUESTS.c[name] for name in names))
            .where(REQUESTS.c.question.in_(questions), REQUESTS.c.input_tokens > 0)
            .order_by(REQUESTS.c.id)  # which is random
            .limit(SAMPLE)
            .subquery()
        )
        with self._reading() as connection:
            sums = sa.select(sa.func.count(), *(sa.func.sum(sample.c[name]) for name in names)).select_from(sample)
            return Counted(*(int(value or 0) for value in connection.execute(sums).one()))

    def forget(self, question: str, keys: Sequence[str]) -> int:
        def work(connection: sa.Connection) -> int:
            forget_in_jobs(connection, question, set(keys))
            return sum(
                connection.execute(sa.delete(ANSWERS).where(_of(ANSWERS, question, part))).rowcount
                for part in _parts(keys)
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
    """Whether an error may be gone at the next attempt: a deadlock, a lock not got in time, a row or table that another process was first to make."""
    words = ("deadlock", "lock wait", "lock timeout", "locked", "already exists", "concurrent")
    return isinstance(error, sa.exc.IntegrityError) or any(word in str(error.orig).lower() for word in words)


def _of(table: sa.Table, question: str, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.question == question, table.c.key.in_(keys))


def _parts(items: Sequence[Item], size: int = AT_ONCE) -> Iterator[Sequence[Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


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
