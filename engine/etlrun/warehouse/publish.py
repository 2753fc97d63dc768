"""The publish protocol: one transaction for the loads of a connection and their ledger rows, verified before COMMIT and retried as a whole.

The transaction replaces rows, or the pointer to them where they were loaded before it.

Any failure ends in a rollback, and another try starts with a new session: InnoDB rolls back only the statement that waited too
long for a lock, so a COMMIT after it would keep half of the work. Where the reply to COMMIT is lost, the next try finds this very
run in the ledger, or does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.contracts.connection import Load, Published
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.stopping import cancelling, finishing
from etlrun.warehouse.denied import missing_rights
from etlrun.warehouse.faults import point
from etlrun.warehouse.fencing import is_published
from etlrun.warehouse.inspection import Facts, inspect
from etlrun.warehouse.ledger import LEDGER_TABLE, WRITERS, find_entries, find_same_append, period_key, record
from etlrun.warehouse.locks import take_lock
from etlrun.warehouse.pointer import PointerPublish
from etlrun.warehouse.preparing import is_by_pointer, prepare, refuse_shared
from etlrun.warehouse.references import refuse_changes
from etlrun.warehouse.refusals import equal_keys, is_about_rows, refused_rows
from etlrun.warehouse.retry import RetryPolicy
from etlrun.warehouse.server import AnyServer, LoadRefused, ServerError, ServerSession
from etlrun.warehouse.stage import Stage, open_stages
from etlrun.warehouse.tables import Definition, StoredColumn
from etlrun.warehouse.transfer import Prepared, Transfer
from etlrun.warehouse.versions import VERSIONS, TableVersion, data_table

if TYPE_CHECKING:
    import duckdb

FAILOVER_TRIES = 2


@dataclass
class Publisher:
    """Publishes loads over sessions of one connection; `notices` are lines for the user about a successful publish."""

    label: str
    server: AnyServer
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    notices: list[str] = field(default_factory=list)

    def publish(self, loads: Sequence[Load]) -> list[Published]:
        """Publish, with retries after temporary errors. Raises RunFailure; then nothing has changed, unless its code says that this is not known."""
        with ExitStack() as stack:
            stages = stack.enter_context(_stages(loads))
            works = [_Work(load, stack.enter_context(closing(Stage(load, stages)))) for load in loads]
            return _Publish(self, works).run()

    def note(self, text: str) -> None:
        if text not in self.notices[-1:]:
            self.notices.append(text)


@contextmanager
def _stages(loads: Sequence[Load]) -> Iterator[duckdb.DuckDBPyConnection]:
    beside = next((load.files[0].parent for load in loads if load.files), None)
    with (
        tempfile.TemporaryDirectory(prefix=".publish-", dir=beside, ignore_cleanup_errors=True) as spill,
        closing(open_stages(Path(spill))) as stages,
    ):
        yield stages


@dataclass
class _Work:
    """A load, and the results of its earlier tries."""

    load: Load
    stage: Stage
    there: Definition[StoredColumn] | None = None
    facts: Facts | None = None
    uploaded: TableVersion | None = None  # where the load is published by pointer
    change: Callable[[ServerSession], None] | None = None  # what it does in the transaction of this try


class _Publish:
    """One attempt to publish."""

    def __init__(self, publisher: Publisher, works: list[_Work]) -> None:
        self.publisher = publisher
        self.server = publisher.server
        self.works = works
        self.current = works[0]  # which a failure is about
        self.is_in_doubt = False  # a COMMIT was sent, and nobody knows what became of it
        self.blocked_by = ""
        self.lacking: tuple[str, str] | None = None  # the rights that a statement needed
        self.threads: set[int] = set()  # of the sessions of its attempts

    def run(self) -> list[Published]:
        pauses = self.publisher.retry_policy.pauses()
        for number in count(1):
            try:
                return self.attempt()
            except ServerError as error:
                pause = next(pauses, None) if self.may_try_again(error, number) else None
                if pause is None:
                    raise self.failure(error) from error
                self.publisher.notices.append(
                    f"publishing `{self.current.load.table}` again: {self.server.explain(error)[0]}"
                )
                self.publisher.retry_policy.sleep(pause)
        raise AssertionError

    def may_try_again(self, error: ServerError, number: int) -> bool:
        fallback = self.server.fallback(error)
        if fallback is not None:
            self.server = fallback
            return True
        return error.is_transient and (error.kind != "failover" or number < FAILOVER_TRIES)

    def attempt(self) -> list[Published]:
        session: ServerSession = self.server.open()
        try:
            with cancelling(session.cut), ExitStack() as reading:
                published = self.work(session, reading)
        except (RunFailure, ServerError, LoadRefused) as error:
            self.give_up(session, error)
            if isinstance(error, RunFailure):
                error.subject = error.subject or self.current.load.table
                raise
            refused = self.refusal(error)
            if refused is not None:
                refused.subject = self.current.load.table
                raise refused from error
            raise
        except BaseException:
            session.abort()
            raise
        session.close()
        return published

    def work(self, session: ServerSession, reading: ExitStack) -> list[Published]:
        point("connected")
        prepared = [self.prepare(session, work) for work in self.each()]
        refuse_shared(self.server, session, [work.load for work in self.works])
        point("prepared")
        for work in self.each():
            if not self.server.is_embedded:
                self.threads.add(session.thread)
                take_lock(self.server, session, work.load, self.publisher.label, self.threads)
        point("locked")
        pointers = [self.plan(session, work, ready, reading) for work, ready in zip(self.each(), prepared, strict=True)]
        published = self.transact(session)
        for pointer in pointers:
            self.tidy(session, pointer)
        return published

    def each(self) -> Iterator[_Work]:
        """The works one after the other; a failure is about the current one."""
        for work in self.works:
            self.current = work
            yield work

    def prepare(self, session: ServerSession, work: _Work) -> Prepared:
        work.there = there = prepare(self.server, session, work.load, self.publisher.label)
        if work.facts is None:
            work.facts = inspect(self.server, work.stage, there)
        loader = self.server.loader(session, work.load)
        if loader.notice:
            self.publisher.note(f"`{work.load.table}` {loader.notice}")
        return Prepared(self.server, work.load, work.stage, there, work.facts, loader)

    def plan(self, session: ServerSession, work: _Work, ready: Prepared, reading: ExitStack) -> PointerPublish | None:
        """Decide what a load does in the transaction, and do the work before it."""
        if not is_by_pointer(self.server, work.load):
            transfer = Transfer(ready)
            work.change = transfer.read_and_run
            if work is self.works[0]:
                reading.enter_context(transfer.reading())  # sorts, whatever else happens
                work.change = transfer.run
            return None
        pointer = PointerPublish(ready)
        if not self.holder(session, work.load):
            work.uploaded = new = pointer.upload(session, work.uploaded)
            work.change = lambda session: pointer.show(session, new)
        return pointer

    def transact(self, session: ServerSession) -> list[Published]:
        session.run("START TRANSACTION")
        point("begun")
        done = [self.holder(session, work.load) for work in self.each()]
        if all(done):
            session.run("ROLLBACK")
            return self.published(done)
        point("ledger-read")
        known = self.own_tables(session)
        for work, run in zip(self.each(), done, strict=True):
            if not run and work.change is not None:
                work.change(session)
                changed = self.server.changed(session) - known
                refuse_changes(work.load, changed)
                known |= changed
                record(self.server, session, work.load)
        point("recorded")
        with finishing():
            self.is_in_doubt = True
            session.run("COMMIT")
            self.is_in_doubt = False
        point("committed")
        return self.published(done)

    def published(self, done: Sequence[str]) -> list[Published]:
        return [
            Published(work.load.rows, bool(run), run if run != work.load.run_id else "")
            for work, run in zip(self.works, done, strict=True)
        ]

    def own_tables(self, session: ServerSession) -> frozenset[str]:
        """The tables of which this transaction changes rows."""
        tables = [work.load.table for work in self.works]
        tables += [data_table(work.load.table) for work in self.works if is_by_pointer(self.server, work.load)]
        return frozenset(
            self.server.lock_owner(session, table) for table in (*tables, LEDGER_TABLE.name, WRITERS, VERSIONS)
        )

    def holder(self, session: ServerSession, load: Load) -> str:
        """The run that already published the rows: this run, or one that appended the same rows. Raises RunFailure if a later run has published."""
        found = find_entries(self.server, session, load)
        self.is_in_doubt = False
        if is_published(load, period_key(load.period), found):
            return load.run_id
        if load.follows is not None and tuple(sorted(run for _, run in found)) != load.follows:
            raise RunFailure(
                "sink",
                "table-changed",
                f"the table `{load.table}` was published by another run after its versions were read",
                "run the pipeline again",
            )
        same = find_same_append(self.server, session, load) if load.write == "append" else ""
        if same:
            self.publisher.note(
                f"nothing was appended to `{load.table}`: run {same} of this pipeline has already appended the same {counted(load.rows, 'row')}; "
                "to append them once more, change the pipeline, for example a comment in it"
            )
        return same

    def tidy(self, session: ServerSession, pointer: PointerPublish | None) -> None:
        try:
            if pointer is not None:
                pointer.tidy(session)
        except ServerError as error:
            why = self.server.explain(error)[0]
            table = pointer.load.table if pointer is not None else ""
            self.publisher.note(f"old rows of `{table}` could not be removed ({why}); the next publish removes them")

    def give_up(self, session: ServerSession, error: Exception) -> None:
        """Roll back. If the connection is lost, the server does it."""
        try:
            if session.is_open:
                session.run("ROLLBACK")
            if session.is_open and isinstance(error, ServerError):
                self.blocked_by = self.server.blockers(session, error)
                self.lacking = missing_rights(self.server, session, self.current.load, error)
        except ServerError:
            session.abort()
        session.close()

    def refusal(self, error: ServerError | LoadRefused) -> RunFailure | None:
        """The failure for rows that the table rejects; None for an error that is not about rows."""
        work = self.current
        if not is_about_rows(error) or work.there is None:
            return None
        detail = self.server.masked(error) if isinstance(error, ServerError) else str(error)
        known = equal_keys(work.stage) or self.server.refusal(work.stage, work.there, error)
        return known or refused_rows(work.stage, error, detail)

    def failure(self, error: ServerError) -> RunFailure:
        what, fix = self.lacking or self.server.explain(error)
        table = self.current.load.table
        named = f"the table `{table}` of connection `{self.publisher.label}` ({self.server.place})"
        if self.is_in_doubt:
            failure = RunFailure(
                "sink",
                "publish-unknown",
                f"it is not known whether {named} was published: the commit failed ({what})",
                f"{fix}; rows that are already published are not published twice",
            )
        else:
            failure = RunFailure(
                "sink",
                "publish-failed",
                f"{named} was not published, its old rows are unchanged: {what}{self.blocked_by}",
                fix,
            )
        failure.subject = table
        return failure
