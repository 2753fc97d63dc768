"""`publish: pointer`: new rows are loaded next to the current ones and verified; then one short transaction makes them current.

If a transaction would grow with the table, the load commits in steps. Rows that a crash leaves are hidden from readers, and
the next publish of its period removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from etlrun.failures import RunFailure
from etlrun.language.columns import BIGINT
from etlrun.warehouse import versions
from etlrun.warehouse.faults import point
from etlrun.warehouse.ledger import period_key
from etlrun.warehouse.periods import are_disjoint
from etlrun.warehouse.preparing import condition_columns
from etlrun.warehouse.references import refuse_changes
from etlrun.warehouse.server import AnyServer, ServerSession
from etlrun.warehouse.stage import StageField
from etlrun.warehouse.transfer import Prepared, Transfer
from etlrun.warehouse.versions import NUMBER, TableVersion, data_table

ROWS_AT_ONCE = 10_000  # that one DELETE removes


class PointerPublish:
    """Publishes one load as a new version of a table. The lock for its rows is held."""

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        self.load = prepared.load
        self.server = prepared.server

    def upload(self, session: ServerSession, earlier: TableVersion | None) -> TableVersion:
        """Load the rows into the table of versions and verify them, not yet visible; reuses those of an `earlier` try if they still exist."""
        kept = versions.find(self.server, session, self.load.table)
        if earlier is not None and earlier in kept:
            return earlier
        remove(
            self.server,
            session,
            [one for one in kept if one.state == "loading" and one.period == period_key(self.load.period)],
        )
        new = versions.register(self.server, session, self.load)
        point("registered")
        number = StageField(NUMBER, BIGINT, str(new.load), is_special=False, has_nulls=False)
        facts = replace(self.prepared.facts, fields=(number, *self.prepared.facts.fields))
        transfer = Transfer(replace(self.prepared, facts=facts))
        with transfer.reading(), self._together(session):
            transfer.add(session, f"{self.server.name(NUMBER)} = {new.load}")
        return new

    @contextmanager
    def _together(self, session: ServerSession) -> Iterator[None]:
        """Context in which rows are added in one transaction, if that is better for the server. Raises RunFailure if other tables change too."""
        if not self.server.loads_in_transaction:
            yield
            return
        session.run("START TRANSACTION")
        known = self.server.changed(session) | {self.server.lock_owner(session, data_table(self.load.table))}
        yield
        refuse_changes(self.load, self.server.changed(session) - known)
        session.run("COMMIT")

    def show(self, session: ServerSession, new: TableVersion) -> None:
        """Make `new` current, inside an open transaction. Raises RunFailure if its rows conflict with rows that stay."""
        kept = versions.find(self.server, session, self.load.table, locked=True)
        changed = versions.publish(new, kept)
        replaced = {one.version for one in changed}
        for other in kept:
            if other.state == "current" and other.version not in replaced:
                self._compare(session, new, other)
        versions.write(self.server, session, changed)
        point("shown")

    def _compare(self, session: ServerSession, new: TableVersion, other: TableVersion) -> None:
        """Raises RunFailure if another version that stays has rows of this period, or a key of the new rows."""
        assert self.load.condition is not None
        table, number = self.server.table(data_table(self.load.table)), self.server.name(NUMBER)
        is_disjoint = are_disjoint(self.load.condition, other.period)
        named = f"the table `{self.load.table}` was not published"
        other_rows = f"the rows of run {other.run_id} ({other.period or 'the whole table'})"
        if not is_disjoint:
            owned = self.server.condition(self.load.condition)
            if session.rows(f"SELECT 1 FROM {table} WHERE {number} = {other.load} AND {owned} LIMIT 1"):
                raise RunFailure(
                    "sink",
                    "periods-overlap",
                    f"{named}: its new rows overlap with {other_rows}",
                    "publish the whole table once with `write: replace`, or undo the other publish with `etlrun rollback`",
                )
        if is_disjoint and set(condition_columns(self.load.condition)) <= {key.lower() for key in self.load.key}:
            return
        same = " AND ".join(f"a.{self.server.name(key)} = b.{self.server.name(key)}" for key in self.load.key)
        if session.rows(
            f"SELECT 1 FROM {table} a JOIN {table} b ON {same} WHERE a.{number} = {new.load} AND b.{number} = {other.load} LIMIT 1"
        ):
            raise RunFailure(
                "sink",
                "key-exists",
                f"{named}: a key of the new rows is already in the table, in {other_rows}",
                "add the column of `replace_where` to `key`, or publish the whole table with `write: replace`",
            )

    def tidy(self, session: ServerSession) -> None:
        """Remove the versions that are no longer kept; readers see none of them."""
        remove(
            self.server,
            session,
            versions.outlived(versions.find(self.server, session, self.load.table), self.load.keep),
        )


def remove(server: AnyServer, session: ServerSession, doomed: list[TableVersion]) -> None:
    """Remove versions, and rows that no other version uses. After an interruption the next publish removes the rest."""
    versions.write(server, session, [replace(one, state="gone") for one in doomed])
    for one in doomed:
        shared = any(
            other.load == one.load and other.version != one.version
            for other in versions.find(server, session, one.table)
        )
        while not shared and session.run(
            server.delete_some(data_table(one.table), f"{server.name(NUMBER)} = {one.load}", ROWS_AT_ONCE)
        ):
            point("tidying")
        session.run(f"DELETE FROM {versions.VERSIONS} WHERE version = {one.version}")
