"""The staged rows of a load: looked at before anything is sent, then read in the order of the primary key, in bounded memory."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from etlrun.connections._mysql.encode import Field, equality, line, proof_line, values
from etlrun.failures import RunFailure
from etlrun.language.duckdb_words import name, text, type_name
from etlrun.spec.database import Load
from etlrun.warehouse.prefetch import Prefetcher

MEMORY = "192MB"  # for sorting; what is more goes to a file beside the stage
BATCH = 20_000


@dataclass
class Sum:
    """What has left the stage so far: the number of rows, and the sum of the CRC-32 of their lines."""

    rows: int = 0
    crc: int = 0


class Stage:
    """The rows of a load. Column number N of the load is `cN` here."""

    def __init__(self, load: Load, spill: Path) -> None:
        self.load = load
        self._connection = duckdb.connect(config={"memory_limit": MEMORY, "temp_directory": str(spill)})
        self._connection.execute("SET preserve_insertion_order = false")
        self._connection.execute(f"CREATE VIEW stage AS {self._query()}")

    def _query(self) -> str:
        files, columns = self.load.files, self.load.columns
        values_ = (
            (name(item.name) if files else "NULL", type_name(item.type), self.staged(item.name)) for item in columns
        )
        shown = ", ".join(f"CAST({value} AS {kind}) AS {staged}" for value, kind, staged in values_)
        paths = ", ".join(text(str(path)) for path in files)
        return f"SELECT {shown} FROM read_parquet([{paths}])" if files else f"SELECT {shown} WHERE false"

    def staged(self, column: str) -> str:
        """What a column of the load is called here."""
        return f"c{[item.name.lower() for item in self.load.columns].index(column.lower())}"

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query over `stage`. Raises RunFailure where the files cannot be read."""
        (row,) = self.rows(query)
        return row

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query, in a thread of its own: DuckDB would not let Ctrl-C through to this one."""

        def answer() -> Generator[list[tuple[Any, ...]], None, None]:
            try:
                yield self._connection.execute(query).fetchall()
            except duckdb.Error as error:
                raise _damaged(error) from error

        with Prefetcher(answer(), self.interrupt) as prefetched:
            (rows,) = prefetched
        return rows

    def lines(
        self, fields: tuple[Field, ...], order: tuple[str, ...], so_far: Sum, where: str = ""
    ) -> Iterator[memoryview]:
        """The rows that fulfil `where`, or all, as lines for LOAD DATA, sorted by the columns `order`."""
        sent, proved = line(fields), proof_line(fields)
        proof = "" if sent == proved else f", {proved}"
        for batch in self._batches(self._connection, f"{sent}{proof}", order, where):
            yield _bytes_of(batch.column(0))
            _add(so_far, batch.column(batch.num_columns - 1))

    def tuples(
        self, fields: tuple[Field, ...], order: tuple[str, ...], so_far: Sum, where: str = ""
    ) -> Iterator[list[bytes]]:
        """The rows that fulfil `where`, or all, as `(1,'a')` for INSERT, sorted by the columns `order`."""
        for batch in self._batches(
            self._connection, f"concat('(', {values(fields)}, ')'), {proof_line(fields)}", order, where
        ):
            yield batch.column(0).cast(pa.binary()).to_pylist()
            _add(so_far, batch.column(1))

    def keys(self, fields: tuple[Field, ...]) -> Iterator[list[str]]:
        """The keys of the rows as conditions of the server. May be read while the rows are."""
        parts = ", ' AND ', ".join(equality(field) for field in fields)
        with self._connection.cursor() as cursor:
            batches = self._batches(cursor, f"concat({parts})", tuple(field.staged for field in fields))
            with Prefetcher(batches, cursor.interrupt) as prefetched:  # or Ctrl-C would wait until the keys are sorted
                for batch in prefetched:
                    yield batch.column(0).to_pylist()

    def interrupt(self) -> None:
        """End the query that another thread waits for."""
        self._connection.interrupt()

    def close(self) -> None:
        self._connection.close()

    @staticmethod
    def _batches(
        connection: duckdb.DuckDBPyConnection, values_: str, order: tuple[str, ...], where: str = ""
    ) -> Generator[pa.RecordBatch, None, None]:
        """The values of rows, some at a time, and never none."""
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
    said = str(error).split("\n", 1)[0]
    return RunFailure("sink", "stage-damaged", f"the staged rows cannot be read ({said})", "run the pipeline again")


def _bytes_of(column: pa.Array) -> memoryview:
    """The texts of a column, one after the other, without a copy."""
    _, offsets, data = column.buffers()
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[column.offset] : ends[column.offset + len(column)]]


def _add(so_far: Sum, lines: pa.Array) -> None:
    so_far.crc += sum(map(zlib.crc32, lines.cast(pa.binary()).to_pylist()))
    so_far.rows += len(lines)
