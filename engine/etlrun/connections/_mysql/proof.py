"""What the server holds of a part of a table: the number of rows, and the sum of the CRC-32 of their lines."""

from __future__ import annotations

from dataclasses import dataclass

from etlrun.connections._mysql.encode import Field, server_line
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.words import name


@dataclass(frozen=True)
class State:
    """Equal states hold equal rows, in any order."""

    rows: int
    crc: int

    def __sub__(self, before: State) -> State:
        """The rows that came since `before`: sums of lines can be subtracted."""
        return State(self.rows - before.rows, self.crc - before.crc)


NOTHING = State(0, 0)


def count(session: Session, table: str, where: str) -> int:
    """The number of the rows that fulfil `where`, or of all rows where it is empty."""
    return int(session.one(f"SELECT COUNT(*) FROM {name(table)}{_part(where)}")[0])


def state_of(session: Session, table: str, fields: tuple[Field, ...], where: str) -> State:
    """The state of the rows that fulfil `where`, or of all rows where it is empty."""
    rows, crc = session.one(
        f"SELECT COUNT(*), COALESCE(SUM(CRC32({server_line(fields)})), 0) FROM {name(table)}{_part(where)}"
    )
    return State(int(rows), int(crc))


def _part(where: str) -> str:
    return f" WHERE {where}" if where else ""
