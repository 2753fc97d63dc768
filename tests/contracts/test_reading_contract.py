"""What a connection promises of the tables that are read from it: every row once, as it is, or a failure that says why.

A connection that is published to keeps the whole contract (`test_connection_contract.py`); one that is only read from keeps this one. Give
it a place in `READ`: a function that makes the tables `sales`, with the rows of `SALES`, and `no_sales`, with the same columns and no row,
and gives the connection to them. It may start a server, and stop it after its `yield`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.connections.duckdb import Duckdb
from etlrun.contracts.connection import Connection, Copy, Database
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.reading.rows import RowWriter
from mysql.loads import columns_of

Rows = list[tuple[Any, ...]]
SALES: Rows = [("A", 3), ("b 'x' \"q\" \\ é😀", -(2**31)), (None, None), ("A", 3), ("", 2**31 - 1)]
WRONG = [{"shop": "bigint"}, {"units": "smallint"}, {"units": "date"}]
COLUMNS = {"shop": "string", "units": "bigint"}


@contextmanager
def _duckdb(folder: Path) -> Iterator[Connection]:
    with duckdb.connect(folder / "shop.duckdb") as shop:
        for table in ("sales", "no_sales"):
            shop.execute(f"CREATE TABLE {table} (shop VARCHAR, units BIGINT)")
        shop.executemany("INSERT INTO sales VALUES (?, ?)", SALES)
    yield Duckdb("shop.duckdb")


READ: dict[str, Callable[[Path], AbstractContextManager[Connection]]] = {"duckdb": _duckdb}
each = pytest.mark.parametrize("kind", sorted(READ))


@contextmanager
def opened(kind: str, folder: Path) -> Iterator[Database]:
    """The tables behind a connection of a kind."""
    (folder / "copies").mkdir(parents=True)
    with READ[kind](folder) as connection:
        database = connection.open("shop", folder, str, writing=False)
        yield database
        database.close()


def copied(database: Database, table: str, columns: Columns, folder: Path) -> tuple[Copy, Rows]:
    """What `copy` says, and the rows that it wrote in the declared types."""
    copy = database.copy(table, columns, folder / "copies")
    tables = [pq.read_table(path) for path in copy.files]
    assert all(table.schema.types == arrow_schema(columns).types for table in tables)
    return copy, [tuple(row.values()) for table in tables for row in table.to_pylist()]


@each
def test_every_row_is_read_once_as_it_is(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as database:
        copy, rows = copied(database, "sales", columns_of(COLUMNS), tmp_path)
    assert sorted(rows, key=repr) == sorted(SALES, key=repr)
    assert copy.rows == len(SALES)


@each
def test_columns_come_as_they_are_declared_whatever_their_order_in_the_table(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as database:
        _, rows = copied(database, "sales", columns_of({"units": "int", "shop": "string"}), tmp_path)
    assert sorted(rows, key=repr) == sorted(((units, shop) for shop, units in SALES), key=repr)


@each
def test_a_table_without_rows_gives_none(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as database:
        copy, rows = copied(database, "no_sales", columns_of(COLUMNS), tmp_path)
    assert (copy.rows, rows) == (0, [])


@each
def test_a_table_says_its_columns_and_what_is_missing_is_named(kind: str, tmp_path: Path) -> None:
    with opened(kind, tmp_path) as database:
        there = database.columns("sales")
        assert there is not None and there.names == ("shop", "units")
        database.verify("sales", columns_of({"units": "bigint"}))
        assert database.columns("sale") is None
        with pytest.raises(RunFailure, match="connection `shop` has no table `sale`"):
            database.verify("sale", columns_of(COLUMNS))
        with pytest.raises(RunFailure, match="has no column `price`"):
            database.verify("sales", columns_of({"price": "bigint"}))


@each
@pytest.mark.parametrize("declared", WRONG)
def test_a_value_of_another_type_ends_the_read(kind: str, declared: dict[str, str], tmp_path: Path) -> None:
    with opened(kind, tmp_path) as database, pytest.raises(RunFailure):
        copied(database, "sales", columns_of(declared), tmp_path)


WRONG_VALUES = [
    ("int", 3.5),
    ("int", 3.0),
    ("int", True),
    ("bigint", "3"),
    ("double", True),
    ("decimal(3,1)", 0.1),
    ("string", b"a"),
    ("binary", "a"),
    ("date", 3),
    ("date", datetime.datetime(2022, 4, 30, 1)),
    ("timestamp", datetime.date(2022, 4, 30)),
    ("timestamp", 3),
    ("boolean", 1),
]


@pytest.mark.parametrize(("declared", "value"), WRONG_VALUES)
def test_a_row_of_another_type_is_refused_not_converted(declared: str, value: Any, tmp_path: Path) -> None:
    with (
        pytest.raises(pa.ArrowTypeError, match="is not a value of the type"),
        RowWriter(tmp_path / "rows.parquet", columns_of({"a": declared})) as writer,
    ):
        writer.add((None,))
        writer.add((value,))
