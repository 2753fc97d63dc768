"""Inside the transaction: the old rows go, the new ones come, and what the server then holds is compared with the stage."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, Literal

from etlrun.connections._mysql.conditions import mysql_condition
from etlrun.connections._mysql.inspect import Facts
from etlrun.connections._mysql.loaders import LoadRefused, insert, load_data
from etlrun.connections._mysql.proof import NOTHING, State, count, state_of
from etlrun.connections._mysql.proving import Prover
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.slices import cut
from etlrun.connections._mysql.stage import Stage, Sum
from etlrun.connections._mysql.tables import Definition
from etlrun.connections._mysql.words import name
from etlrun.failures import RunFailure
from etlrun.spec.database import Load
from etlrun.warehouse.faults import point
from etlrun.warehouse.prefetch import Prefetcher

KEYS_AT_ONCE = 500


class Transfer:
    """The rows of a stage on their way into their table."""

    def __init__(
        self,
        load: Load,
        stage: Stage,
        there: Definition,
        facts: Facts,
        loader: Literal["insert", "load_data"],
        connect: Callable[[], Session],
    ) -> None:
        self.load = load
        self.stage = stage
        self.table = there.table
        self.facts = facts
        self.loader = loader
        self.connect = connect
        self.sent = Sum()
        self.order = tuple(stage.staged(key) for key in there.key if key in load.columns)
        self.slices = cut(
            stage, tuple(field for staged in self.order for field in facts.fields if field.staged == staged)
        )
        self.rows: Prefetcher[Any] | None = None

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Inside, the stage is being sorted and written as text, whatever else happens."""
        with Prefetcher(self.read(), self.stage.interrupt) as self.rows:
            yield

    def read(self) -> Generator[Any, None, None]:
        """The rows of one slice after the other, with an empty item at the end of each."""
        read = self.stage.lines if self.loader == "load_data" else self.stage.tuples
        for part in self.slices:
            yield from read(self.facts.fields, self.order, self.sent, part.staged)
            yield ()

    def run(self, session: Session) -> None:
        """Replace and prove. Raises RunFailure, LoadRefused, ServerError."""
        self.remove(session)
        point("deleted")
        owned = self.owned()
        self.add(
            session, owned, NOTHING if self.load.write in ("replace", "replace_where") else self.state(session, owned)
        )

    def add(self, session: Session, owned: str, before: State = NOTHING) -> None:
        """Load the rows and prove them: they are what came to the part `owned` of the table since `before`. Raises as `run` does."""
        assert self.rows is not None
        take = load_data if self.loader == "load_data" else insert
        rows, loaded = iter(self.rows), 0
        in_slices = len(self.slices) > 1 and before == NOTHING
        with Prover(self.connect, self.table, self.facts.fields, owned) as prover:
            for part in self.slices:
                loaded += take(session, self.table, self.facts.fields, takewhile(len, rows))
                if in_slices:
                    prover.prove(part)
            if loaded != self.load.rows:
                raise LoadRefused(f"{loaded:,} of {self.load.rows:,} rows were taken")
            point("loaded")
            # counted while the last slice is being proved
            is_proved = (
                in_slices and count(session, self.table, owned) == self.load.rows and prover.state() == self.wanted()
            )
        if not is_proved:
            self.prove(self.state(session, owned) - before)
        point("proved")

    def remove(self, session: Session) -> None:
        """Delete what the load replaces."""
        if self.load.write == "replace":
            session.run(f"DELETE FROM {name(self.table)}")
        elif self.load.write == "replace_where":
            session.run(f"DELETE FROM {name(self.table)} WHERE {self.owned()}")
        elif self.load.write == "merge":
            fields = tuple(
                field for key in self.load.key for field in self.facts.fields if field.staged == self.stage.staged(key)
            )
            for keys in self.stage.keys(fields):
                for start in range(0, len(keys), KEYS_AT_ONCE):
                    same = " OR ".join(f"({key})" for key in keys[start : start + KEYS_AT_ONCE])
                    session.run(f"DELETE FROM {name(self.table)} WHERE {same}")

    def owned(self) -> str:
        """The part of the table in which the new rows are: as a condition, or nothing for all of it."""
        if self.load.condition is not None:
            return mysql_condition(self.load.condition)
        if self.load.write == "replace" or self.facts.first_key is None:
            return ""
        low, high = self.facts.first_key
        key = next(field.name for field in self.facts.fields if field.staged == self.stage.staged(self.load.key[0]))
        return f"{name(key)} BETWEEN {low} AND {high}"

    def state(self, session: Session, owned: str) -> State:
        return state_of(session, self.table, self.facts.fields, owned)

    def wanted(self) -> State:
        """What has left the stage."""
        return State(self.sent.rows, self.sent.crc)

    def prove(self, arrived: State) -> None:
        """Compare what the server holds with what left the stage. Raises RunFailure where they differ."""
        if arrived == self.wanted() and arrived.rows == self.load.rows:
            return
        named = f"the table `{self.load.table}` was not published"
        if arrived.rows != self.load.rows:
            fix = (
                "the rows must fulfil the condition of `replace_where`"
                if self.load.write == "replace_where"
                else "somebody else writes to it; run again"
            )
            raise RunFailure(
                "sink", "rows-differ", f"{named}: it would hold {arrived.rows:,} rows of {self.load.rows:,}", fix
            )
        raise RunFailure(
            "sink",
            "values-differ",
            f"{named}: it would hold other values than were computed",
            "look for a trigger or a default that changes rows",
        )
