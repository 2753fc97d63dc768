"""The protocol: one transaction per table and period, proved before COMMIT, with its ledger row; tried again as a whole.

The transaction replaces rows, or the pointer to them where they were loaded before it.

Any failure ends in a rollback, and another try starts with a new connection: InnoDB rolls back only the statement that waited too
long for a lock, so a COMMIT after it would keep half of the work. Where the reply to COMMIT is lost, the next try finds this very
run in the ledger, or does not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Literal

from etlrun.connections._mysql.address import Address
from etlrun.connections._mysql.errors import FAILOVER, NO_LOCAL_FILES, ServerError, explain
from etlrun.connections._mysql.inspect import Facts, inspect
from etlrun.connections._mysql.ledger import find_entries, period_key, record
from etlrun.connections._mysql.loaders import LoadRefused
from etlrun.connections._mysql.locks import blockers, take_lock
from etlrun.connections._mysql.pointer import Pointing
from etlrun.connections._mysql.preparing import prepare
from etlrun.connections._mysql.refusals import refusal
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.stage import Stage
from etlrun.connections._mysql.tables import Definition
from etlrun.connections._mysql.transfer import Transfer
from etlrun.connections._mysql.versions import Kept
from etlrun.failures import RunFailure
from etlrun.spec.database import Load, Published
from etlrun.stopping import cancelling, finishing
from etlrun.warehouse.faults import point
from etlrun.warehouse.fencing import is_published
from etlrun.warehouse.retry import RetryPolicy

Loader = Literal["auto", "insert", "load_data"]
FAILOVER_TRIES = 2


@dataclass
class Publisher:
    """Publishes loads over sessions of one connection; what a person should know of a publish that went well is in `notices`."""

    label: str
    address: Address
    open_session: Callable[[], Session]
    loader: Loader = "auto"
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)
    notices: list[str] = field(default_factory=list)

    def publish(self, load: Load) -> Published:
        """Publish, and try again what may go better then. Raises RunFailure; then nothing has changed, unless it says that this is unknown."""
        beside = load.files[0].parent if load.files else None
        with tempfile.TemporaryDirectory(prefix=".publish-", dir=beside, ignore_cleanup_errors=True) as spill:
            stage = Stage(load, Path(spill))
            try:
                return _Publish(self, load, stage).run()
            finally:
                stage.close()


class _Publish:
    """One publish under way."""

    def __init__(self, publisher: Publisher, load: Load, stage: Stage) -> None:
        self.publisher = publisher
        self.load = load
        self.stage = stage
        self.loader = publisher.loader
        self.there: Definition | None = None
        self.facts: Facts | None = None
        self.is_in_doubt = False  # a COMMIT was sent, and nobody knows what became of it
        self.blocked_by = ""
        self.uploaded: Kept | None = None  # by a try before this one, where the load is published by pointer

    def run(self) -> Published:
        pauses = self.publisher.retry_policy.pauses()
        for number in count(1):
            try:
                return self.attempt()
            except ServerError as error:
                pause = next(pauses, None) if self.may_try_again(error, number) else None
                if pause is None:
                    raise self.failure(error) from error
                self.note(f"publishing `{self.load.table}` again: {explain(error, self.publisher.address)[0]}")
                self.publisher.retry_policy.sleep(pause)
        raise AssertionError

    def may_try_again(self, error: ServerError, number: int) -> bool:
        if error.code in NO_LOCAL_FILES and self.publisher.loader == "auto" and self.loader != "insert":
            self.loader = "insert"
            return True
        return error.is_transient and (error.code not in FAILOVER or number < FAILOVER_TRIES)

    def attempt(self) -> Published:
        session = self.publisher.open_session()
        try:
            with cancelling(session.cut):
                published = self.work(session)
        except (RunFailure, ServerError, LoadRefused) as error:
            self.give_up(session, error)
            refused = None if isinstance(error, RunFailure) else self.refusal(error)
            if refused is not None:
                raise refused from error
            raise
        except BaseException:
            session.hang_up()
            raise
        session.close()
        return published

    def refusal(self, error: ServerError | LoadRefused) -> RunFailure | None:
        """The failure that tells of rows which the table does not take; None for an error that is not about rows."""
        return refusal(self.stage, self.there, error) if self.there is not None else None

    def work(self, session: Session) -> Published:
        point("connected")
        self.there = prepare(session, self.load, self.publisher.label)
        if self.facts is None:
            self.facts = inspect(self.stage, self.there)
        point("prepared")
        take_lock(session, self.load, self.publisher.label)
        point("locked")
        parts = (
            self.load,
            self.stage,
            self.there,
            self.facts,
            self.chosen_loader(session),
            self.publisher.open_session,
        )
        if self.load.publish == "pointer":
            return self.move_pointer(session, Pointing(*parts))
        transfer = Transfer(*parts)
        with transfer.reading():
            return self.transact(session, transfer.run)

    def move_pointer(self, session: Session, pointing: Pointing) -> Published:
        if self.is_done(session):
            return Published(self.load.rows, was_there=True)
        self.uploaded = new = pointing.upload(session, self.uploaded)
        published = self.transact(session, lambda session: pointing.show(session, new))
        try:
            pointing.tidy(session)
        except ServerError as error:
            self.note(
                f"rows that `{self.load.table}` held before are there still ({explain(error, self.publisher.address)[0]}); the next publish removes them"
            )
        return published

    def transact(self, session: Session, change: Callable[[Session], None]) -> Published:
        session.run("START TRANSACTION")
        point("begun")
        if self.is_done(session):
            session.run("ROLLBACK")
            return Published(self.load.rows, was_there=True)
        point("ledger-read")
        change(session)
        record(session, self.load)
        point("recorded")
        with finishing():
            self.is_in_doubt = True
            session.run("COMMIT")
            self.is_in_doubt = False
        point("committed")
        return Published(self.load.rows)

    def is_done(self, session: Session) -> bool:
        """Whether this very run is in the table. Raises RunFailure where a later one is."""
        found = find_entries(session, self.load)
        self.is_in_doubt = False
        return is_published(self.load, period_key(self.load.period), found)

    def chosen_loader(self, session: Session) -> Literal["insert", "load_data"]:
        if self.loader == "auto":
            is_allowed = bool(session.one("SELECT @@GLOBAL.local_infile")[0])
            self.loader = "load_data" if is_allowed else "insert"
            if not is_allowed:
                self.note(
                    f"`{self.load.table}` is published with INSERT, which is slower: the server has local_infile=OFF"
                )
        return self.loader

    def give_up(self, session: Session, error: Exception) -> None:
        """Roll back. The line may be gone; then the server does it."""
        try:
            if session.is_open:
                session.run("ROLLBACK")
            if session.is_open and isinstance(error, ServerError):
                self.blocked_by = blockers(session, error)
        except ServerError:
            session.hang_up()
        session.close()

    def note(self, text: str) -> None:
        self.publisher.notices.append(text)

    def failure(self, error: ServerError) -> RunFailure:
        what, fix = explain(error, self.publisher.address)
        named = f"the table `{self.load.table}` of connection `{self.publisher.label}` ({self.publisher.address.place})"
        if self.is_in_doubt:
            return RunFailure(
                "sink",
                "publish-unknown",
                f"whether {named} was published is not known: the server went away while it committed ({what})",
                "publish this run again when it is back: if the rows are there already, nothing happens",
            )
        return RunFailure(
            "sink",
            "publish-failed",
            f"{named} was not published, its old rows are untouched: {what}{self.blocked_by}",
            fix,
        )
