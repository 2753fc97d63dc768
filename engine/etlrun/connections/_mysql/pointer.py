"""Publishing by pointer: rows go in beside those that readers see, are proved there, and one short transaction shows them.

The load commits as it goes, so that no transaction grows with the table. What a crash leaves of a load is hidden from readers, and
the next publish of its period removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from etlrun.connections._mysql import versions
from etlrun.connections._mysql.conditions import condition_columns, mysql_condition
from etlrun.connections._mysql.encode import Field
from etlrun.connections._mysql.inspect import Facts
from etlrun.connections._mysql.ledger import period_key
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.stage import Stage
from etlrun.connections._mysql.tables import Definition
from etlrun.connections._mysql.transfer import Transfer
from etlrun.connections._mysql.versions import NUMBER, Kept, data_table
from etlrun.connections._mysql.words import name
from etlrun.failures import RunFailure
from etlrun.language.columns import BIGINT
from etlrun.spec.database import Load
from etlrun.warehouse.faults import point
from etlrun.warehouse.periods import are_disjoint

ROWS_AT_ONCE = 10_000  # that one DELETE removes


class Pointing:
    """The versions of a table while a load becomes the current one. The lock of what the load owns is held."""

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
        self.there = there
        self.facts = facts
        self.loader = loader
        self.connect = connect

    def upload(self, session: Session, earlier: Kept | None) -> Kept:
        """The load's rows in the table of versions, proved and seen by nobody; those of an `earlier` try where they are there still."""
        kept = versions.find(session, self.load.table)
        if earlier is not None and earlier in kept:
            return earlier
        remove(session, [one for one in kept if one.state == "loading" and one.period == period_key(self.load.period)])
        new = versions.register(session, self.load)
        point("registered")
        number = Field(NUMBER, BIGINT, str(new.load), is_special=False, has_nulls=False)
        facts = replace(self.facts, fields=(number, *self.facts.fields))
        transfer = Transfer(self.load, self.stage, self.there, facts, self.loader, self.connect)
        with transfer.reading():
            transfer.add(session, f"{name(NUMBER)} = {new.load}")
        return new

    def show(self, session: Session, new: Kept) -> None:
        """Make `new` current, in a transaction that is open. Raises RunFailure where its rows and others that stay do not go together."""
        kept = versions.find(session, self.load.table, locked=True)
        changed = versions.publish(new, kept)
        replaced = {one.version for one in changed}
        for other in kept:
            if other.state == "current" and other.version not in replaced:
                self._compare(session, new, other)
        versions.write(session, changed)
        point("shown")

    def _compare(self, session: Session, new: Kept, other: Kept) -> None:
        """Raises RunFailure where another version that stays has rows of this period, or a key of the new rows."""
        assert self.load.condition is not None
        table = name(data_table(self.load.table))
        is_disjoint = are_disjoint(self.load.condition, other.period)
        named = f"the table `{self.load.table}` was not published"
        whose = f"the rows of run {other.run_id} ({other.period or 'the whole table'})"
        if not is_disjoint:
            owned = mysql_condition(self.load.condition)
            if session.rows(f"SELECT 1 FROM {table} WHERE {name(NUMBER)} = {other.load} AND {owned} LIMIT 1"):
                raise RunFailure(
                    "sink",
                    "periods-overlap",
                    f"{named}: {whose} and the new ones share a part of it",
                    "publish the whole table once with `write: replace`, or `etlrun rollback` what is in the way",
                )
        if is_disjoint and set(condition_columns(self.load.condition)) <= {key.lower() for key in self.load.key}:
            return
        same = " AND ".join(f"a.{name(key)} = b.{name(key)}" for key in self.load.key)
        if session.rows(
            f"SELECT 1 FROM {table} a JOIN {table} b ON {same} WHERE a.{name(NUMBER)} = {new.load} AND b.{name(NUMBER)} = {other.load} LIMIT 1"
        ):
            raise RunFailure(
                "sink",
                "key-exists",
                f"{named}: a key of the new rows is there already, in {whose}",
                "let the key tell the periods apart, or publish the whole table",
            )

    def tidy(self, session: Session) -> None:
        """Remove the versions that nobody goes back to; readers see none of them."""
        remove(session, versions.outlived(versions.find(session, self.load.table), self.load.keep))


def remove(session: Session, doomed: list[Kept]) -> None:
    """Remove versions, and rows that no other version shows. What an interruption leaves, the next publish removes."""
    versions.write(session, [replace(one, state="gone") for one in doomed])
    for one in doomed:
        shared = any(
            other.load == one.load and other.version != one.version for other in versions.find(session, one.table)
        )
        while not shared and session.run(
            f"DELETE FROM {name(data_table(one.table))} WHERE {name(NUMBER)} = {one.load} LIMIT {ROWS_AT_ONCE}"
        ):
            point("tidying")
        session.run(f"DELETE FROM {versions.VERSIONS} WHERE version = {one.version}")
