"""Finds, inserts and replaces rows of the label store's tables by key, in the SQL of each database.

Statements are written as text: SQLAlchemy takes longer to build an `in (...)` of hundreds of keys than a database to answer it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal, TypeVar

import sqlalchemy as sa

from etlrun.enrich._tables import ANSWERS

Item = TypeVar("Item")
AT_ONCE = 500  # keys in one `in (...)`
MOST_VALUES = 900  # in one statement; every SQLite accepts 999


def find_many(
    connection: sa.Connection, names: Sequence[str], question: str, keys: Sequence[str]
) -> Iterator[Any] | None:
    """The rows of many keys: by one scan of the question's answers, or by a join (in a file) if it has many more answers than keys.

    None if single lookups are faster.
    """
    count = connection.scalar(sa.select(sa.func.count()).where(ANSWERS.c.question == question)) or 0
    if count <= 5 * len(keys):
        wanted = set(keys)
        statement = sa.select(*(ANSWERS.c[name] for name in names)).where(ANSWERS.c.question == question)
        rows = connection.execution_options(yield_per=10_000).execute(statement)
        return (row for row in rows if row[0] in wanted)
    return _joined(connection, names, question, keys) if connection.dialect.name == "sqlite" else None


def _joined(connection: sa.Connection, names: Sequence[str], question: str, keys: Sequence[str]) -> Iterator[Any]:
    """The rows of keys by a join in their order, so that each page of the file is read once."""
    connection.exec_driver_sql("create temp table if not exists wanted (key text primary key) without rowid")
    connection.exec_driver_sql("delete from temp.wanted")
    connection.exec_driver_sql("insert into temp.wanted values (?)", [(key,) for key in sorted(set(keys))])
    columns = ", ".join(f'found."{name}"' for name in names)
    statement = (
        f"select {columns} from temp.wanted as wanted cross join {ANSWERS.name} as found on found.question = ?"
        ' and found."key" = wanted.key'
    )
    return iter(connection.exec_driver_sql(statement, (question,)))


def find(
    connection: sa.Connection, table: sa.Table, names: Sequence[str], question: str, keys: Sequence[str]
) -> Sequence[Any]:
    """The rows of a few keys, at most `AT_ONCE`."""
    quote = connection.dialect.identifier_preparer.quote
    marks = ", ".join([_mark(connection)] * len(keys))
    columns = ", ".join(map(quote, names))
    statement = (
        f"select {columns} from {table.name} where question = {_mark(connection)} and {quote('key')} in ({marks})"
    )
    return connection.exec_driver_sql(statement, (question, *keys)).all()


def replace_rows(connection: sa.Connection, table: sa.Table, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows, replacing those with the same key."""
    if connection.dialect.name != "postgresql":
        insert(connection, table, rows, "replace")
    elif rows:  # its INSERT ... ON CONFLICT needs the right to UPDATE
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(table.name))))  # one at a time
        width = len(table.primary_key.columns)
        quote = connection.dialect.identifier_preparer.quote
        same = " and ".join(f"{quote(column.name)} = {_mark(connection)}" for column in table.primary_key.columns)
        connection.exec_driver_sql(f"delete from {table.name} where {same}", [row[:width] for row in rows])
        insert(connection, table, rows)


def insert(
    connection: sa.Connection,
    table: sa.Table,
    rows: list[tuple[Any, ...]],
    verb: Literal["insert", "replace"] = "insert",
) -> None:
    """Insert rows, passed to the driver unchanged. SQLite and MySQL both support REPLACE."""
    if not rows:
        return
    columns = ", ".join(connection.dialect.identifier_preparer.quote(column.name) for column in table.columns)
    marks = f"({', '.join([_mark(connection)] * len(table.columns))})"
    head = f"{verb} into {table.name} ({columns}) values "
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql(head + marks, rows)
        return
    # Many rows per statement: after each statement this thread waits for the busy event loop.
    for part in parts_of(rows, MOST_VALUES // len(table.columns)):
        values = tuple(chain.from_iterable(part))
        connection.exec_driver_sql(head + ", ".join([marks] * len(part)), values)


def _mark(connection: sa.Connection) -> str:
    return "?" if connection.dialect.paramstyle == "qmark" else "%s"


def parts_of(items: Sequence[Item], size: int = AT_ONCE) -> Iterator[Sequence[Item]]:
    """Items in parts that fit into one statement."""
    return (items[start : start + size] for start in range(0, len(items), size))
