"""The label store in a database, through SQLAlchemy: SQLite, MySQL, MariaDB."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from etlrun.enrich._owner import LIFE, Owner, this_process
from etlrun.enrich._tables import ANSWERS, LEASES, METADATA, OWNERS, QUESTIONS, REQUESTS, sqlite_engine
from etlrun.enrich.questions import Question
from etlrun.enrich.store import SETTLED, WORTH, Cost, Entry, Leased, Result, Store, Stored
from etlrun.failures import RunFailure
from etlrun.spec.secrets import Secret

AT_ONCE = 500  # keys in one `in (...)`
ATTEMPTS = 5  # of a transaction that another process's transaction got in the way of


class SqlStore(Store):
    """A label store that SQLAlchemy reaches."""

    def __init__(self, where: Path | Secret) -> None:
        self.owner: Owner = this_process()
        self.engine = sqlite_engine(where) if isinstance(where, Path) else sa.create_engine(where.reveal(), hide_parameters=True)
        try:
            with self.writing() as connection:
                METADATA.create_all(connection)
        except sa.exc.DBAPIError as error:
            place = str(where) if isinstance(where, Path) else "the database"
            fix = "check the path and its permissions" if isinstance(where, Path) else "check the URL, the password and the account's rights"
            raise RunFailure("connection", "label-store", f"the label store in {place} cannot be opened: {error.orig}", fix) from None

    def writing(self) -> AbstractContextManager[sa.Connection]:
        return self.engine.execution_options(etlrun_writes=True).begin()

    def add_question(self, question: Question, source: str) -> None:
        row = {
            "id": question.id, "prompt": question.prompt.name, "source": source, "rules": question.system,
            "outputs": json.dumps([output.name for output in question.prompt.outputs]), "at": _now(),
        }  # fmt: skip
        with self.writing() as connection:
            if connection.execute(sa.select(QUESTIONS.c.id).where(QUESTIONS.c.id == question.id)).first() is None:
                connection.execute(sa.insert(QUESTIONS), row)

    def known(self, question: str, keys: Sequence[str]) -> dict[str, Stored]:
        columns = (ANSWERS.c.key, ANSWERS.c.status, ANSWERS.c.answer, ANSWERS.c.reason, ANSWERS.c.source)
        found: dict[str, Stored] = {}
        with self.engine.begin() as connection:
            for part in _parts(keys):
                rows = connection.execute(sa.select(*columns).where(_among(ANSWERS, question, part))).all()
                found.update((key, Stored(status, answer, reason, source)) for key, status, answer, reason, source in rows)
        return found

    def lease(self, question: str, keys: Sequence[str]) -> Leased:
        for attempt in range(ATTEMPTS):
            try:
                return self._lease(question, keys)
            except (sa.exc.IntegrityError, sa.exc.OperationalError):  # another process leased one of them between our look and our word
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _lease(self, question: str, keys: Sequence[str]) -> Leased:
        held: dict[str, str] = {}
        settled: set[str] = set()
        with self.writing() as connection:
            for part in _parts(keys):
                leases = connection.execute(sa.select(LEASES.c.key, LEASES.c.owner).where(_among(LEASES, question, part)))
                held.update({row.key: row.owner for row in leases})
                is_settled = ANSWERS.c.status.in_(SETTLED)
                settled.update(connection.scalars(sa.select(ANSWERS.c.key).where(_among(ANSWERS, question, part), is_settled)))
            living = self._bury_the_dead(connection) if held else {self.owner.id}
            taken = {key for key, owner in held.items() if owner in living}
            ours = [key for key in keys if key not in settled and (key not in taken or held[key] == self.owner.id)]
            fresh = [{"question": question, "key": key, "owner": self.owner.id} for key in ours if key not in taken]
            if fresh:
                connection.execute(sa.insert(LEASES), fresh)
        mine = set(ours)
        others = tuple(key for key in keys if key not in mine and key not in settled)
        return Leased(tuple(ours), tuple(key for key in keys if key in settled), others)

    def _bury_the_dead(self, connection: sa.Connection) -> set[str]:
        """Remove the leases of processes that are gone; gives those that live."""
        now = time.time()
        owners = [Owner(row.id, row.host, row.pid, row.until) for row in connection.execute(sa.select(OWNERS))]
        living = {owner.id for owner in owners if owner.is_alive(now)} | {self.owner.id}
        connection.execute(sa.delete(LEASES).where(LEASES.c.owner.not_in(living)))
        connection.execute(sa.delete(OWNERS).where(OWNERS.c.id.not_in(living)))
        return living

    def beat(self) -> None:
        row = {"id": self.owner.id, "host": self.owner.host, "pid": self.owner.pid, "until": time.time() + LIFE}
        with self.writing() as connection:
            connection.execute(sa.delete(OWNERS).where(OWNERS.c.id == self.owner.id))
            connection.execute(sa.insert(OWNERS), row)

    def release(self) -> None:
        with self.writing() as connection:
            connection.execute(sa.delete(LEASES).where(LEASES.c.owner == self.owner.id))
            connection.execute(sa.delete(OWNERS).where(OWNERS.c.id == self.owner.id))

    def record(self, question: str, source: str, run: str, entries: Sequence[Entry]) -> None:
        results = [(entry, result) for entry in entries for result in entry.results]
        with self.writing() as connection:
            keys = [result.key for _, result in results]
            outranked = self._outranked(connection, question, [result for _, result in results if result.status != "ok"])
            for part in _parts([key for key in keys if key not in outranked]):
                connection.execute(sa.delete(ANSWERS).where(_among(ANSWERS, question, part)))
            at = _now()
            rows = [
                {
                    "question": question, "key": result.key, "shown": result.shown, "status": result.status, "answer": result.answer,
                    "reason": result.reason[:200], "source": source, "version": entry.sent.version[:100] if entry.sent else "",
                    "tokens": result.tokens, "usd": result.usd, "run": run, "at": at,
                }
                for entry, result in results
                if result.key not in outranked
            ]  # fmt: skip
            if rows:
                connection.execute(sa.insert(ANSWERS), rows)
            sent = [_request_row(question, run, at, entry) for entry in entries if entry.sent]
            if sent:
                connection.execute(sa.insert(REQUESTS), sent)

    def _outranked(self, connection: sa.Connection, question: str, results: Sequence[Result]) -> set[str]:
        """Keys of `results` of which the store knows something better."""
        worth: dict[str, int] = {}
        for part in _parts([result.key for result in results]):
            rows = connection.execute(sa.select(ANSWERS.c.key, ANSWERS.c.status).where(_among(ANSWERS, question, part)))
            worth.update((key, WORTH[status]) for key, status in rows)
        return {result.key for result in results if worth.get(result.key, -1) > WORTH[result.status]}

    def rows(self, question: str) -> Iterator[tuple[str, str, Stored]]:
        columns = (ANSWERS.c.key, ANSWERS.c.shown, ANSWERS.c.status, ANSWERS.c.answer, ANSWERS.c.reason, ANSWERS.c.source)
        with self.engine.begin() as connection:
            statement = sa.select(*columns).where(ANSWERS.c.question == question).order_by(ANSWERS.c.key)
            for row in connection.execution_options(yield_per=10_000).execute(statement):
                yield row.key, row.shown, Stored(row.status, row.answer, row.reason, row.source)

    def costs(self) -> list[Cost]:
        statuses: dict[str, dict[str, int]] = defaultdict(dict)
        with self.engine.begin() as connection:
            counted = sa.select(ANSWERS.c.question, ANSWERS.c.status, sa.func.count()).group_by(ANSWERS.c.question, ANSWERS.c.status)
            for question, status, count in connection.execute(counted):
                statuses[question][status] = count
            sums = (sa.func.count(), *(sa.func.sum(REQUESTS.c[name]) for name in ("input_tokens", "output_tokens", "usd")))
            spent = {row[0]: tuple(row)[1:] for row in connection.execute(
                sa.select(REQUESTS.c.question, *sums, sa.func.max(REQUESTS.c.at)).group_by(REQUESTS.c.question))}  # fmt: skip
            asked = connection.execute(sa.select(QUESTIONS).order_by(QUESTIONS.c.at.desc(), QUESTIONS.c.id)).all()
        found = []
        for row in asked:
            sums_of = spent.get(row.id, (0, 0, 0, 0.0, row.at))
            requests, taken, given, usd, last = (sums_of[index] for index in range(5))
            found.append(Cost(row.id, row.prompt, row.source, statuses[row.id], requests, int(taken), int(given), float(usd), last))
        return found

    def forget(self, question: str, keys: Sequence[str]) -> int:
        with self.writing() as connection:
            return sum(connection.execute(sa.delete(ANSWERS).where(_among(ANSWERS, question, part))).rowcount for part in _parts(keys))

    def close(self) -> None:
        self.engine.dispose()


def _among(table: sa.Table, question: str, keys: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.question == question, table.c.key.in_(keys))


def _parts(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))


def _request_row(question: str, run: str, at: str, entry: Entry) -> dict[str, Any]:
    sent = entry.sent
    assert sent is not None
    return {
        "question": question, "run": run, "at": at, "batch": sent.batch, "keys": sent.keys, "answered": sent.answered,
        "outcome": sent.outcome[:40], "input_tokens": sent.input_tokens, "output_tokens": sent.output_tokens,
        "cached_tokens": sent.cached_tokens, "usd": sent.usd, "seconds": sent.seconds, "version": sent.version[:100],
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
