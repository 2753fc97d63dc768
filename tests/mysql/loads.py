"""Loads made of literal rows, and a database to publish them to."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from etlrun.connections._mysql.server import MysqlServer
from etlrun.contracts.connection import Load, Write
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import parse
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import check_expression
from etlrun.secrets import Secret
from etlrun.warehouse.access import Parallel, SessionSettings, tls_warnings
from etlrun.warehouse.address import Address
from etlrun.warehouse.database import Warehouse
from etlrun.warehouse.retry import RetryPolicy

from .server import Server

Rows = Sequence[tuple[Any, ...]]
COLUMNS = {"month": "string", "contract": "string", "seconds": "bigint"}


def columns_of(declared: Mapping[str, str]) -> Columns:
    return Columns(tuple(Column(name, parse_type(kind)) for name, kind in declared.items()))


def condition_of(text: str, columns: Columns) -> exp.Expr | None:
    return check_expression(parse(text), (("", columns),), text) if text else None


def make_load(
    folder: Path,
    rows: Rows,
    declared: Mapping[str, str] | None = None,
    *,
    key: tuple[str, ...] = ("month", "contract"),
    write: Write = "replace",
    where: str = "",
    run_id: str = "20220501T000000Z-000001",
    table: str = "profile",
    description: str = "",
    parts: int = 2,
) -> Load:
    """A load of `rows`, staged in `folder` as Parquet files in no order, with a hidden column besides."""
    columns = columns_of(declared or COLUMNS)
    stage = folder / run_id
    stage.mkdir(parents=True, exist_ok=True)
    files = []
    for part in range(parts):
        some = list(rows)[part::parts][::-1]
        schema = arrow_schema(columns)
        arrays = [pa.array([row[index] for row in some], kind.type) for index, kind in enumerate(schema)]
        hidden = pa.array(range(len(some)), pa.int64())
        files.append(stage / f"part-{part}.parquet")
        pq.write_table(
            pa.table([*arrays, hidden], schema=schema.append(pa.field("__etlrun_sum", pa.int64()))), files[-1]
        )
    condition = condition_of(where, columns)
    period = condition.sql(dialect="spark") if condition is not None else ""
    kind: Write = "replace_where" if where else write
    return Load(
        table,
        columns,
        key,
        kind,
        condition,
        period,
        tuple(files),
        len(rows),
        hashlib.sha256(repr(sorted(map(repr, rows))).encode()).hexdigest()[:16],
        run_id,
        "interaction",
        "0123",
        description,
    )


@dataclass
class Place:
    """A database of its own on a server, reached through `port`; `slept` collects the pauses that a publish would have made."""

    server: Server
    database: str
    port: int
    slept: list[float] = field(default_factory=list)
    pause: float = 0.0

    def warehouse(
        self,
        *,
        loader: Any = "auto",
        user: str = "root",
        password: str = "",
        parallel: Parallel | None = None,
        **settings: Any,
    ) -> Warehouse:
        address = Address("127.0.0.1", self.port, "", self.database, user, Secret(password))
        given = SessionSettings(**{"lock_timeout": 1, "timeout": 20, "connect_timeout": 5, **settings})
        server = MysqlServer("warehouse", address, given, loader, parallel or Parallel())
        notices = tuple(tls_warnings("warehouse", address, given))
        return Warehouse("warehouse", server, notices, RetryPolicy(sleep=self._sleep))

    def through(self, port: int) -> Place:
        return replace(self, port=port, slept=[])

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.server.run(*statements, database=self.database)

    def rows(self, table: str = "profile", columns: str = "*") -> list[tuple[Any, ...]]:
        """The rows of a table in the order of their bytes."""
        return sorted(self.run(f"SELECT {columns} FROM `{table}`"), key=repr)

    def ledger(self) -> list[tuple[str, str, int]]:
        """Period, run and rows of every entry."""
        return sorted(self.run("SELECT period, run_id, row_count FROM _etlrun_loads"))

    def _sleep(self, seconds: float) -> None:
        import time

        self.slept.append(seconds)
        time.sleep(self.pause)


def many(month: str, count: int, seconds: int = 1) -> list[tuple[Any, ...]]:
    """Rows of a month: contracts C000000 and on."""
    return [(month, f"C{number:06}", seconds) for number in range(count)]
