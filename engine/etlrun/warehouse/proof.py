"""The checksum of a part of a table on the server: the number of rows, and the sum of their fingerprints."""

from __future__ import annotations

from dataclasses import dataclass

from etlrun.warehouse.server import AnyServer, ServerSession
from etlrun.warehouse.stage import StageField


@dataclass(frozen=True)
class State:
    """A checksum of rows: equal states have equal rows, in any order."""

    rows: int
    fingerprint: int

    def __sub__(self, before: State) -> State:
        """The state of the rows that were added since `before`."""
        return State(self.rows - before.rows, self.fingerprint - before.fingerprint)


NOTHING = State(0, 0)


def count(server: AnyServer, session: ServerSession, table: str, where: str) -> int:
    """The number of rows that fulfil `where`, or of all rows if it is empty."""
    return int(session.one(f"SELECT COUNT(*) FROM {server.table(table)}{_part(where)}")[0])


def state_of(
    server: AnyServer, session: ServerSession, table: str, fields: tuple[StageField, ...], where: str
) -> State:
    """The state of the rows that fulfil `where`, or of all rows if it is empty."""
    rows, fingerprint = session.one(
        f"SELECT COUNT(*), COALESCE(SUM({server.fingerprint(fields)}), 0) FROM {server.table(table)}{_part(where)}"
    )
    return State(int(rows), int(fingerprint))


def _part(where: str) -> str:
    return f" WHERE {where}" if where else ""
