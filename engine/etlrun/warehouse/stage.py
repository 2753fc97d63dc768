"""The staged rows of a load: inspected before anything is sent, then read in the order of the primary key, with bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import duckdb
import pyarrow as pa

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from etlrun.language.columns import Column, Type
from etlrun.language.duckdb_words import name, parquet, type_name
from etlrun.warehouse.prefetch import Prefetcher

if TYPE_CHECKING:
    from etlrun.warehouse.server import AnyServer

MEMORY = "192MB"  # for sorting, of all stages of a publish; what is more goes to a file beside the first
BATCH = 20_000
KEYS_AT_ONCE = 500


@dataclass(frozen=True)
class StageField:
    """A column that is sent: its name in the table, its type, and its name in the stage.

    `is_special` says that a text of the stage holds a character that a line escapes, `has_nulls` that one of its values is NULL.
    """

    name: str
    type: Type
    staged: str
    is_special: bool
    has_nulls: bool


@dataclass(frozen=True)
class Encoding:
    """How rows leave the stage: DuckDB expressions for what is sent of a row, and for what its fingerprint is taken of.

    `fingerprint` adds up the fingerprints of a batch.
    """

    sent: tuple[str, ...]
    proved: str
    fingerprint: Callable[[pa.Array], int]


@dataclass
class ColumnSum:
    """The checksum of the rows sent so far: their number, and the sum of their fingerprints."""

    rows: int = 0
    fingerprint: int = 0


def open_stages(spill: Path) -> duckdb.DuckDBPyConnection:
    """One DuckDB database for all stages of a publish: a separate one for each would need 5 MB and nine threads."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "temp_directory": str(spill),
        "preserve_insertion_order": False,
    }
    return duckdb.connect(config=settings)


class Stage:
    """The rows of a load. Column number N of the load is `cN` here."""

    def __init__(self, load: Load, stages: duckdb.DuckDBPyConnection) -> None:
        self.load = load
        self._places = {item.name.lower(): place for place, item in enumerate(load.columns)}
        self._schema = f"stage_{uuid4().hex}"
        stages.execute(f"CREATE SCHEMA {self._schema}")
        self._connection = self._cursor(stages)
        self._connection.execute(f"CREATE VIEW stage AS {self._query()}")

    def _cursor(self, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        """A connection in which `stage` is the stage of this load."""
        cursor = connection.cursor()
        cursor.execute(f"SET schema = '{self._schema}'")
        return cursor

    def _query(self) -> str:
        files, columns = self.load.files, self.load.columns
        values_ = (
            (name(item.name) if files else "NULL", type_name(item.type), self.staged(item.name)) for item in columns
        )
        shown = ", ".join(f"CAST({value} AS {kind}) AS {staged}" for value, kind, staged in values_)
        return f"SELECT {shown} FROM {parquet(files)}" if files else f"SELECT {shown} WHERE false"

    def staged(self, column: str) -> str:
        """The name of a column of the load in the stage."""
        return f"c{self._places[column.lower()]}"

    def column(self, name: str) -> Column:
        """The column of the load with this name, ignoring case."""
        return self.load.columns.items[self._places[name.lower()]]

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query over `stage`. Raises RunFailure where the files cannot be read."""
        (row,) = self.rows(query)
        return row

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, run in a separate thread: DuckDB would block Ctrl-C in this one."""

        def answer() -> Generator[list[tuple[Any, ...]], None, None]:
            try:
                yield self._connection.execute(query).fetchall()
            except duckdb.Error as error:
                raise _damaged(error) from error

        with Prefetcher(answer(), self.interrupt) as prefetched:
            (rows,) = prefetched
        return rows

    def rows_to_send(
        self, encoding: Encoding, order: tuple[str, ...], so_far: ColumnSum, where: str = ""
    ) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil `where`, or all, as they are sent, sorted by the columns `order`."""
        sent = encoding.sent
        has_own_proof = sent != (encoding.proved,)
        values = ", ".join((*sent, encoding.proved) if has_own_proof else sent)
        for batch in self._batches(self._connection, values, order, where):
            yield batch.select(range(len(sent)))
            so_far.fingerprint += encoding.fingerprint(batch.column(len(sent) if has_own_proof else 0))
            so_far.rows += batch.num_rows

    def keys(self, server: AnyServer, fields: tuple[StageField, ...]) -> Iterator[list[str]]:
        """The keys of the rows as conditions of the server, in batches. May be read at the same time as the rows."""
        parts = ", ' AND ', ".join(map(server.equality, fields))
        for batch in self.batches(f"concat('(', {parts}, ')')", tuple(field.staged for field in fields)):
            keys = batch.column(0).to_pylist()
            yield from (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))

    def batches(self, values: str, order: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        """Values of all rows in an order; may be read at the same time as others."""
        with self._cursor(self._connection) as cursor:
            batches = self._batches(cursor, values, order)
            with Prefetcher(batches, cursor.interrupt) as prefetched:  # or Ctrl-C would wait until they are sorted
                yield from prefetched

    def interrupt(self) -> None:
        """Interrupt the query for which another thread waits."""
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    @staticmethod
    def _batches(
        connection: duckdb.DuckDBPyConnection, values_: str, order: tuple[str, ...], where: str = ""
    ) -> Generator[pa.RecordBatch, None, None]:
        """The values of rows in batches, which are never empty."""
        only = f" WHERE {where}" if where else ""
        by = f" ORDER BY {', '.join(order)}" if order else ""
        try:
            with connection.sql(f"SELECT {values_} FROM (SELECT * FROM stage{only}{by})").to_arrow_reader(
                BATCH
            ) as batches:
                yield from (batch for batch in batches if batch.num_rows)
        except duckdb.Error as error:
            raise _damaged(error) from error


def _damaged(error: Exception) -> RunFailure:
    detail = str(error).split("\n", 1)[0]
    return RunFailure("sink", "stage-damaged", f"the staged rows cannot be read ({detail})", "run the pipeline again")
