"""Reads tables as Arrow batches in the declared types, by COPY; a large table over several connections, each of which reads some pages.

All of them see the snapshot that the first connection exports, even while others write to the table.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyarrow import csv

from etlrun.connections._postgres.session import PostgresSession
from etlrun.connections._postgres.tables import PostgresTable, StoredValue
from etlrun.connections._postgres.words import name, table_name, text
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import BINARY, Column, Columns
from etlrun.warehouse.access import Parallel
from etlrun.warehouse.inspection import masked_value
from etlrun.warehouse.open_sessions import OpenSessions

RANGES = 4  # per reader: a reader that finishes early takes another
PAGE = 8 << 20  # bytes
WITH_RANGES = 140_000  # the first version that can read a range of pages alone
SPECIAL = ("NaN", "Infinity", "-Infinity", "infinity", "-infinity")  # of numeric, date and timestamp


def share_out(
    parallel: Parallel, sessions: OpenSessions[PostgresSession], there: PostgresTable
) -> tuple[list[PostgresSession], tuple[str, ...]]:
    """Sessions with the same snapshot, and conditions that divide the rows between them; one of each for a small table."""
    first = sessions.open()
    snapshot, conditions = share(parallel, RANGES, first, there)
    others = [sessions.open() for _ in range(parallel.count - 1)] if snapshot else []
    for session in others:
        join(session, snapshot)
    return [first, *others], conditions


def share(
    parallel: Parallel, ranges: int, session: PostgresSession, there: PostgresTable
) -> tuple[str, tuple[str, ...]]:
    """A snapshot that others can join while `session` is open, and conditions that divide the rows into `ranges` for each.

    No snapshot, and one condition, for a small table.
    """
    if parallel.count == 1 or there.kind != "r" or session.line.info.server_version < WITH_RANGES:
        return "", ("",)
    of = text(table_name(there.table))
    rows, pages = session.one(
        f"SELECT reltuples::bigint, pg_relation_size(oid) / current_setting('block_size')::int FROM pg_class WHERE oid = {of}::regclass"
    )
    if rows < parallel.least:
        return "", ("",)
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    (snapshot,) = session.one("SELECT pg_export_snapshot()")
    step = max(1, -(-int(pages) // (ranges * parallel.count)))
    starts = range(0, max(1, int(pages)), step)
    ends = (f" AND ctid < '({start + step},0)'::tid" for start in starts[:-1])
    bounds = [*ends, ""]  # the last one is open: pages may have been added since
    return snapshot, tuple(f"ctid >= '({start},0)'::tid{end}" for start, end in zip(starts, bounds, strict=True))


def join(session: PostgresSession, snapshot: str) -> None:
    """Let a new session read a snapshot that another one has exported, from any machine."""
    session.run("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    session.run(f"SET TRANSACTION SNAPSHOT {text(snapshot)}")


def read_batches(
    session: PostgresSession, there: PostgresTable, columns: Columns, condition: str
) -> Iterator[pa.RecordBatch]:
    """The rows that fulfil a condition, or all. Raises RunFailure for a value of another type."""
    stored = [found for item in columns if (found := there.column(item.name)) is not None]
    where = f" WHERE {condition}" if condition else ""
    query = f"SELECT {', '.join(map(_selected, stored))} FROM {table_name(there.table)}{where}"
    for page in _pages(session.receive(f"COPY ({query}) TO STDOUT (FORMAT csv)")):
        yield _batch(there, columns, page)


def _pages(rows: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of rows, some megabytes at a time."""
    page: list[bytes] = []
    size = 0
    for row in rows:
        page.append(row)
        size += len(row)
        if size >= PAGE:
            yield b"".join(page)
            page, size = [], 0
    if page:
        yield b"".join(page)


def _batch(there: PostgresTable, columns: Columns, page: bytes) -> pa.RecordBatch:
    names = [str(number) for number in range(len(columns))]
    found = csv.read_csv(
        pa.BufferReader(page),
        csv.ReadOptions(column_names=names, block_size=max(PAGE, len(page)) * 2),
        csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    ).combine_chunks()
    arrays = [_array(there, item, values.combine_chunks()) for item, values in zip(columns, found.columns, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns))


def _array(there: PostgresTable, item: Column, found: pa.Array) -> pa.Array:
    wanted = arrow_schema(Columns((item,))).field(0).type
    stored = there.column(item.name)
    try:
        if item.type == BINARY and stored is not None and stored.kind == "bytea":
            return pa.array([None if value is None else bytes.fromhex(value) for value in found.to_pylist()], wanted)
        return found.cast(wanted)
    except pa.ArrowInvalid as error:
        value = next(one.as_py() for one in found if not _can_cast(one, wanted))
        fix = "declare the type that the table has"
        if value in SPECIAL:
            fix = f"declare `{item.name}: string`, and make such values null in a step: try_cast({item.name} as {item.type})"
        raise RunFailure(
            "source",
            "wrong-columns",
            f"the column `{item.name}` of the table `{there.table}` has values that are not of the type {item.type}, such as "
            f"{value if value in SPECIAL else masked_value(value)}",
            fix,
        ) from error


def _can_cast(value: pa.Scalar, kind: pa.DataType) -> bool:
    try:
        value.cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _selected(column: StoredValue) -> str:
    quoted = name(column.name)
    if column.kind == "bytea":
        return f"encode({quoted}, 'hex')"
    if column.kind == "bool":
        return f"{quoted}::int"
    return f"{quoted} AT TIME ZONE 'UTC'" if column.kind == "timestamptz" else quoted
