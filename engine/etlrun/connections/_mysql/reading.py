"""Reads tables as Arrow batches in the declared types; a large table over several connections, by ranges of its key.

Threads of one process are enough: almost all work on a row happens without Python's global lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from etlrun.connections._mysql.ranges import CUT, Cutter, KeyRange
from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.snapshots import NotAlikeError, open_alike
from etlrun.connections._mysql.tables import MysqlTable
from etlrun.connections._mysql.types import MysqlColumn
from etlrun.connections._mysql.words import name, table_name
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.warehouse.access import Parallel
from etlrun.warehouse.inspection import masked_value, sample_key
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.server import ServerError

RANGES = 4  # per reader: a reader that finishes early takes another

CALENDAR = ("date", "datetime", "timestamp")


def share_out(
    parallel: Parallel, sessions: OpenSessions[MysqlSession], there: MysqlTable
) -> tuple[list[MysqlSession], tuple[str, ...], str]:
    """Sessions with the same snapshot, and conditions that divide the rows between them; one of each if that is not possible.

    The text is the reason why not, if the user can change it.
    """
    first = sessions.open()
    if not _is_worth(parallel, first, there):
        return [first], ("",), ""
    why = ""
    try:
        readers = open_alike(sessions, there.table, parallel.count)
        return readers, Cutter(readers[0], there).cut(RANGES * len(readers)), ""
    except NotAlikeError:
        pass
    except ServerError as error:
        why = _without_right(there.table) if error.kind == "denied" else ""
    sessions.abort(but=first)  # a new one may be refused until the server has noticed that the others are closed
    return [first], ("",), why


def ranges_of(parallel: Parallel, session: MysqlSession, there: MysqlTable) -> tuple[str, ...]:
    """Conditions that divide all keys, now and later, between sessions on other machines; a single one for a small table."""
    if not _is_worth(parallel, session, there):
        return ("",)
    found, count = Cutter(session, there).cut(parallel.count), parallel.count
    groups = (found[len(found) * number // count : len(found) * (number + 1) // count] for number in range(count))
    return tuple(" OR ".join(f"({condition})" for condition in group) for group in groups if group)


def _is_worth(parallel: Parallel, session: MysqlSession, there: MysqlTable) -> bool:
    """Whether several connections should read a table."""
    return parallel.count > 1 and _may_be_cut(there) and Cutter(session, there).estimate(KeyRange()) >= parallel.least


def read_batches(
    session: MysqlSession, there: MysqlTable, columns: Columns, condition: str
) -> Iterator[pa.RecordBatch]:
    """The rows that fulfil a condition on the key, or all. Raises RunFailure for a value of another type."""
    by_key = f" FORCE INDEX (PRIMARY) WHERE {condition}" if condition else ""
    stored = [found for item in columns if (found := there.column(item.name)) is not None]
    schema = arrow_schema(columns)
    for page in session.pages(f"SELECT {', '.join(map(_selected, stored))} FROM {table_name(there.table)}{by_key}"):
        rows = _Page(there, columns, tuple(stored), page)
        arrays = [rows.array(position) for position in range(len(page))]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


@dataclass(frozen=True)
class _Page:
    """A page of rows in the server's text format, column by column."""

    there: MysqlTable
    columns: Columns
    stored: tuple[MysqlColumn, ...]
    values: list[pa.BinaryArray]

    def array(self, position: int) -> pa.Array:
        """Convert a column to its declared type. Raises RunFailure with the first value that does not fit, and its row."""
        found = self.values[position]
        wanted = arrow_schema(Columns((self.columns.items[position],))).field(0).type
        try:
            return _cast(found, wanted)
        except pa.ArrowInvalid as error:
            row = next(index for index in range(len(found)) if not _can_cast(found[index : index + 1], wanted))
            raise self.unlike(position, row) from error

    def unlike(self, position: int, row: int) -> RunFailure:
        """The failure of a value that is not of the declared type."""
        item, stored, table = self.columns.items[position], self.stored[position], self.there.table
        value, key = self.text(position, row) or "", self.key(row)
        where = f", e.g. where {key}" if key else ""
        if stored.kind not in CALENDAR:
            return RunFailure(
                "source",
                "wrong-columns",
                f"the column `{item.name}` of the table `{table}` ({stored.written}) has values that are not of the type {item.type}, such as "
                f"{masked_value(value)}{where}",
                "declare the type that the table has",
            )
        column = name(stored.name)
        bad = f"YEAR({column}) = 0 OR MONTH({column}) = 0 OR DAY({column}) = 0"
        return RunFailure(
            "source",
            "wrong-columns",
            f"the column `{item.name}` of the table `{table}` holds {value}, which does not exist as a {item.type}{where}",
            f"find such rows: SELECT * FROM {table_name(table)} WHERE {bad}; correct them there, or declare `{item.name}: string` and "
            f"make them null in a step: try_cast({item.name} as {item.type})",
        )

    def key(self, row: int) -> str:
        """The primary key of a row, masked; empty if it is not among the columns."""
        names = [column.name for column in self.stored]
        if not set(self.there.key) <= set(names):
            return ""
        return sample_key(self.there.key, tuple(self.text(names.index(key), row) for key in self.there.key))

    def text(self, position: int, row: int) -> str | None:
        found = self.values[position][row].as_py()
        return None if found is None else found.decode(errors="replace")


def _may_be_cut(there: MysqlTable) -> bool:
    """Whether several connections can read parts of the same snapshot of the table."""
    first = there.column(there.key[0]) if there.key else None
    return first is not None and first.kind in CUT and there.is_table and there.engine.lower() == "innodb"


def _without_right(table: str) -> str:
    return (
        f"the table `{table}` is read over one connection, because several need the right LOCK TABLES to see one state of it: "
        "GRANT LOCK TABLES ON database.* TO the account, or set `readers: 1`"
    )


def _selected(column: MysqlColumn) -> str:
    """The column in SELECT. MySQL shows only six digits of a FLOAT unless it is part of a sum."""
    return f"{name(column.name)} + 0e0" if column.kind == "float" else name(column.name)


def _cast(found: pa.BinaryArray, wanted: pa.DataType) -> pa.Array:
    return found if wanted == pa.binary() else found.cast(pa.string()).cast(wanted)


def _can_cast(found: pa.BinaryArray, wanted: pa.DataType) -> bool:
    try:
        _cast(found, wanted)
    except pa.ArrowInvalid:
        return False
    return True
