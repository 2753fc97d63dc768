"""The work inside the transaction: delete the old rows, load the new ones, and compare the rows on the server with the stage."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from etlrun.contracts.connection import Load
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.warehouse.faults import point
from etlrun.warehouse.inspection import Facts
from etlrun.warehouse.prefetch import Prefetcher
from etlrun.warehouse.proof import NOTHING, State, count, state_of
from etlrun.warehouse.proving import Prover
from etlrun.warehouse.server import AnyServer, Loader, LoadRefused, ServerSession
from etlrun.warehouse.slices import WHOLE, cut
from etlrun.warehouse.stage import ColumnSum, Stage
from etlrun.warehouse.tables import Definition, StoredColumn

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Prepared:
    """A load whose table exists and whose rows were inspected."""

    server: AnyServer
    load: Load
    stage: Stage
    there: Definition[StoredColumn]
    facts: Facts
    loader: Loader[ServerSession]


class Transfer:
    """Sends the rows of a stage to their table."""

    def __init__(self, prepared: Prepared) -> None:
        self.server = server = prepared.server
        self.load = prepared.load
        self.stage = stage = prepared.stage
        self.there = prepared.there
        self.table = prepared.there.table
        self.facts = prepared.facts
        self.loader = prepared.loader
        self.encoding = self.loader.encoding(self.facts.fields)
        self.sent = ColumnSum()
        key = prepared.there.key or ((self.load.key or self.load.columns.names) if server.is_embedded else ())
        self.order = tuple(stage.staged(column) for column in key if column in self.load.columns)
        fields = (field for staged in self.order for field in self.facts.fields if field.staged == staged)
        self.slices = cut(server, stage, tuple(fields), self.facts.ends) if not server.is_embedded else (WHOLE,)
        self.rows: Prefetcher[pa.RecordBatch | tuple[()]] | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Context in which the stage is sorted and written as text in the background."""
        with Prefetcher(self.read(), self.stage.interrupt) as self.rows:
            yield

    def read(self) -> Generator[pa.RecordBatch | tuple[()], None, None]:
        """The rows of one slice after the other, with an empty item at the end of each."""
        for part in self.slices:
            yield from self.stage.rows_to_send(self.encoding, self.order, self.sent, part.staged)
            yield ()

    def read_and_run(self, session: ServerSession) -> None:
        """Like `run`, if the stage is not being read yet."""
        with self.reading():
            self.run(session)

    def run(self, session: ServerSession) -> None:
        """Replace the rows and verify them. Raises RunFailure, LoadRefused, ServerError."""
        self.remove(session)
        point("deleted")
        owned = self.owned()
        self.add(
            session, owned, NOTHING if self.load.write in ("replace", "replace_where") else self.state(session, owned)
        )

    def add(self, session: ServerSession, owned: str, before: State = NOTHING) -> None:
        """Load the rows and verify them: they must equal the rows added to the part `owned` of the table since `before`. Raises like `run`."""
        assert self.rows is not None
        rows, loaded = iter(self.rows), 0
        in_slices = len(self.slices) > 1 and before == NOTHING and bool(self.server.dirty_reads)
        with Prover(self.server, self.table, self.facts.fields, owned) as prover:
            with self.server.filling(session, self.there):
                for part in self.slices:
                    loaded += self.loader.load(session, self.table, self.facts.fields, takewhile(len, rows))
                    if in_slices:
                        prover.prove(part)
            if loaded != self.load.rows:
                raise LoadRefused(f"{loaded:,} of {counted(self.load.rows, 'row')} were accepted")
            point("loaded")
            # counted while the last slice is being proved
            is_proved = (
                in_slices
                and count(self.server, session, self.table, owned) == self.load.rows
                and prover.state() == self.wanted()
            )
        if not is_proved:
            self.server.settle(session, self.table)
            self.prove(self.state(session, owned) - before)
        point("proved")

    def remove(self, session: ServerSession) -> None:
        """Delete the rows that the load replaces."""
        if self.load.write == "replace":
            session.run(f"DELETE FROM {self.server.table(self.table)}")
        elif self.load.write == "replace_where":
            session.run(f"DELETE FROM {self.server.table(self.table)} WHERE {self.owned()}")
        elif self.load.merges:
            fields = tuple(
                field for key in self.load.key for field in self.facts.fields if field.staged == self.stage.staged(key)
            )
            self.server.delete_keys(session, self.table, fields, self.stage)

    def owned(self) -> str:
        """The part of the table with the new rows: a condition, or empty for the whole table."""
        if self.load.condition is not None:
            return str(self.server.condition(self.load.condition))
        if self.load.write == "replace" or not self.facts.ends:
            return ""
        first = self.stage.staged(self.load.key[0])
        low, high = self.facts.ends[first]
        key = next(field.name for field in self.facts.fields if field.staged == first)
        return f"{self.server.name(key)} BETWEEN {low} AND {high}"

    def state(self, session: ServerSession, owned: str) -> State:
        return state_of(self.server, session, self.table, self.facts.fields, owned)

    def wanted(self) -> State:
        """The expected state: the rows that were sent."""
        return State(self.sent.rows, self.sent.fingerprint)

    def prove(self, arrived: State) -> None:
        """Compare the rows on the server with those that were sent. Raises RunFailure if they differ."""
        if arrived == self.wanted() and arrived.rows == self.load.rows:
            return
        named = f"the table `{self.load.table}` was not published"
        if arrived.rows != self.load.rows:
            fix = (
                "the rows must fulfil the condition of `replace_where`"
                if self.load.write == "replace_where"
                else "look for a trigger or a rule of the table that drops or adds rows; if another program writes to the table, run again"
            )
            raise RunFailure(
                "sink",
                "rows-differ",
                f"{named}: the server received {counted(arrived.rows, 'row')} of {self.load.rows:,}",
                fix,
            )
        raise RunFailure(
            "sink",
            "values-differ",
            f"{named}: the server stored other values than the run computed",
            "look for a trigger or a default that changes rows",
        )
