"""Implements the publish protocol's session of a server with a cursor of an open DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import duckdb
import pyarrow as pa

from etlrun.connections._duckdb.errors import as_server_error


class DuckdbServerSession:
    """A cursor of the open file."""

    thread = 0

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.cursor = connection.cursor()
        self.is_open = True

    def run(self, statement: str) -> int:
        with as_server_error():
            self.cursor.execute(statement)
        return 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with as_server_error():
            return self.cursor.execute(query).fetchall()

    def one(self, query: str) -> tuple[Any, ...]:
        (row,) = self.rows(query)
        return row

    @contextmanager
    def seeing(self, batches: list[pa.RecordBatch]) -> Iterator[str]:
        """In this block, statements can read the rows under the given name."""
        self.cursor.register("etlrun_rows", pa.Table.from_batches(batches))
        yield "etlrun_rows"
        self.cursor.unregister("etlrun_rows")

    def close(self) -> None:
        self.is_open = False
        self.cursor.close()

    abort = close

    def cut(self) -> None:
        with suppress(duckdb.ConnectionException):  # closed in the meantime
            self.cursor.interrupt()
