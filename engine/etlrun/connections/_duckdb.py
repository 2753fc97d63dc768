"""A DuckDB file as a warehouse: one transaction a publish, ledger row included."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from etlrun.failures import RunFailure, without_personal
from etlrun.language.arrow import arrow_schema, type_of_arrow, write_parquet
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.language.duckdb_words import name, text, type_name
from etlrun.spec.database import LEDGER, Copy, Database, Entry, Finding, Load, Published
from etlrun.stopping import cancelling, finishing, pause
from etlrun.warehouse.fencing import is_published

WAIT_SECONDS = 10.0  # for another process that has the file open
COLUMNS = ("tbl", "period", "run_id", "pipeline", "write_mode", "row_count", "checksum", "spec_hash", "finished_at")
DDL = (
    f"CREATE TABLE IF NOT EXISTS {LEDGER} (tbl VARCHAR NOT NULL, period VARCHAR NOT NULL, run_id VARCHAR NOT NULL, pipeline VARCHAR NOT NULL, "
    "write_mode VARCHAR NOT NULL, row_count BIGINT NOT NULL, checksum VARCHAR NOT NULL, spec_hash VARCHAR NOT NULL, finished_at VARCHAR NOT NULL)"
)


def open_warehouse(connection: str, path: Path, *, writing: bool) -> DuckdbWarehouse:
    """Open the file at `path`, which is made for writing where it is missing. Raises RunFailure."""
    if not writing and not path.exists():
        raise RunFailure(
            "connection",
            "connection-missing",
            f"connection `{connection}`: there is no file {path}",
            "publish something there first",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            opened = duckdb.connect(str(path), read_only=not writing)
            return DuckdbWarehouse(connection, opened)
        except duckdb.IOException as error:
            if "lock" not in str(error).lower() or time.monotonic() > deadline:
                raise _cannot_open(connection, path, error) from error
            pause(0.2)
        except duckdb.Error as error:
            raise _cannot_open(connection, path, error) from error


def _cannot_open(connection: str, path: Path, error: Exception) -> RunFailure:
    said = str(error).split("\n", 1)[0]
    if "lock" in said.lower():
        holder = said[said.find("held in") :].split(" See also")[0] if "held in" in said else "by another process"
        return RunFailure(
            "connection",
            "connection-busy",
            f"connection `{connection}`: {path} is {holder.replace('held in', 'held by')}",
            "wait until that process is done, or close it",
        )
    return RunFailure(
        "connection",
        "connection-failed",
        f"connection `{connection}`: {path} cannot be opened ({said})",
        "check the path and its permissions",
    )


class DuckdbWarehouse(Database):
    """An open DuckDB file."""

    def __init__(self, label: str, connection: duckdb.DuckDBPyConnection) -> None:
        self.label = label
        self.connection = connection

    def columns(self, table: str) -> Columns | None:
        if not self._one("SELECT count(*) FROM duckdb_tables() WHERE table_name = ? AND schema_name = 'main'", table)[
            0
        ]:
            return None
        schema = self.connection.sql(f"SELECT * FROM {name(table)} LIMIT 0").to_arrow_table().schema
        kinds = ((field.name, type_of_arrow(field.type)) for field in schema)
        return Columns(tuple(Column(column, kind) for column, kind in kinds if kind is not None))

    def verify(self, table: str, columns: Columns) -> None:
        there = self.columns(table)
        if there is None:
            raise RunFailure(
                "source", "missing-table", f"connection `{self.label}` has no table `{table}`", "check the name"
            )
        missing = [item.name for item in columns if item.name not in there]
        if missing:
            raise RunFailure(
                "source",
                "missing-column",
                f"the table `{table}` has no column {', '.join(f'`{found}`' for found in missing)}",
                f"it has {', '.join(there.names)}",
            )

    def copy(self, table: str, columns: Columns, folder: Path) -> Copy:
        self.verify(table, columns)
        values = ", ".join(
            f"CAST({name(item.name)} AS {type_name(item.type)}) AS {name(item.name)}" for item in columns
        )
        path = folder / "rows.parquet"
        try:
            reader = self.connection.sql(f"SELECT {values} FROM {name(table)}").to_arrow_reader(100_000)
            return Copy((path,), write_parquet(path, columns, reader.cast(arrow_schema(columns))))
        except duckdb.Error as error:
            raise RunFailure(
                "source",
                "wrong-columns",
                f"the table `{table}` does not hold the declared types ({_said(error)})",
                "declare its own",
            ) from error

    def interrupt(self) -> None:
        with suppress(duckdb.ConnectionException):  # closed meanwhile
            self.connection.interrupt()

    def mismatches(self, load: Load) -> Sequence[tuple[str, str]]:
        there = self.columns(load.table)
        if there is None:
            return []
        query = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = ? AND schema_name = 'main' ORDER BY column_index"
        return list(_mismatches(load, there, dict(self.connection.execute(query, [load.table]).fetchall())))

    def publish(self, load: Load) -> Published:
        problems = self.mismatches(load)
        if problems:
            why = "; ".join(problem for problem, _ in problems)
            fix = "run: " + " ".join(f"{statement};" for _, statement in problems)
            raise RunFailure(
                "sink",
                "table-mismatch",
                f"the table `{load.table}` of connection `{self.label}` does not fit: {why}",
                fix,
            )
        self._run(DDL)
        with self._transaction(load):
            if is_published(load, load.period, self._found(load)):
                return Published(load.rows, was_there=True)
            with cancelling(self.interrupt):
                self._write(load)
                self._prove(load)
                self._record(load)
        return Published(load.rows)

    def _write(self, load: Load) -> None:
        table, rows = name(load.table), _rows(load)
        if self.columns(load.table) is None:
            declared = ", ".join(f"{name(item.name)} {type_name(item.type)}" for item in load.columns)
            self._run(f"CREATE TABLE {table} ({declared})")
        names = ", ".join(name(item.name) for item in load.columns)
        if load.write == "replace":
            self._run(f"DELETE FROM {table}")
        elif load.write == "replace_where" and load.condition is not None:
            self._run(f"DELETE FROM {table} WHERE {duckdb_sql(load.condition)}")
        elif load.write == "merge":
            same = " AND ".join(f"{table}.{name(key)} IS NOT DISTINCT FROM new.{name(key)}" for key in load.key)
            self._run(f"DELETE FROM {table} USING ({rows}) AS new WHERE {same}")
        order = f" ORDER BY {', '.join(name(key) for key in load.key)}" if load.key else " ORDER BY ALL"
        self._run(f"INSERT INTO {table} ({names}) SELECT {names} FROM ({rows}){order}")

    def _prove(self, load: Load) -> None:
        """Compare the table with the stage before COMMIT: the number of rows, and that no two share a key."""
        owned = (
            f" WHERE {duckdb_sql(load.condition)}"
            if load.write == "replace_where" and load.condition is not None
            else ""
        )
        (counted,) = self._one(f"SELECT count(*) FROM {name(load.table)}{owned}")
        if load.write in ("replace", "replace_where") and counted != load.rows:
            raise RunFailure(
                "sink",
                "rows-differ",
                f"the table `{load.table}` would hold {counted:,} rows of {load.rows:,}",
                "the rows must fulfil the condition of `replace_where`" if owned else "",
            )
        if not load.key:
            return
        keys = ", ".join(name(key) for key in load.key)
        query = (
            f"SELECT {keys}, count(*) FROM {name(load.table)} GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
        )
        for double in self.connection.execute(query).fetchall():
            shown = ", ".join(f"{key} = {value!r}" for key, value in zip(load.key, double, strict=False))
            raise RunFailure(
                "sink",
                "key-not-unique",
                f"the table `{load.table}` would hold {double[-1]} rows of {shown}",
                "make them one first, with `top`, `dedupe` or `aggregate`",
            )

    def _found(self, load: Load) -> list[tuple[str, str]]:
        """Period and run of what the ledger has for the rows that `load` would replace or add to."""
        query = f"SELECT period, run_id FROM {LEDGER} WHERE tbl = ?"
        if load.write == "replace":
            return self.connection.execute(query, [load.table]).fetchall()
        others = (
            " AND (write_mode = 'replace' OR run_id = ?)" if load.write == "append" else ""
        )  # appends do not replace each other
        own = [load.run_id] if others else []
        return self.connection.execute(
            f"{query} AND period IN (?, ''){others}", [load.table, load.period, *own]
        ).fetchall()

    def _record(self, load: Load) -> None:
        if load.write != "append":
            owned = (
                " AND period = ?" if load.write != "replace" else ""
            )  # a run of the whole table replaces what others published of it
            kept = (
                " AND write_mode <> 'append'" if load.write == "merge" else ""
            )  # what was appended stays known until it is replaced
            self.connection.execute(
                f"DELETE FROM {LEDGER} WHERE tbl = ?{owned}{kept}", [load.table, *([load.period] if owned else [])]
            )
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        values = [
            load.table,
            load.period,
            load.run_id,
            load.pipeline,
            load.write,
            load.rows,
            load.checksum,
            load.spec_hash,
            now,
        ]
        self.connection.execute(
            f"INSERT INTO {LEDGER} ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(values))})", values
        )

    def _run(self, statement: str) -> None:
        self.connection.execute(statement)

    def _one(self, query: str, *values: str) -> tuple[Any, ...]:
        """The only row of a query."""
        (row,) = self.connection.execute(query, list(values)).fetchall()
        return row

    @contextmanager
    def _transaction(self, load: Load) -> Iterator[None]:
        self._run("BEGIN TRANSACTION")
        try:
            yield
            with finishing():
                self._run("COMMIT")
        except duckdb.Error as error:
            self._roll_back()
            raise RunFailure(
                "sink",
                "publish-failed",
                f"the table `{load.table}` was not published ({_said(error)})",
                "the old rows are untouched",
            ) from error
        except BaseException:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            self._run("ROLLBACK")
        except duckdb.Error:  # a failed statement may have ended the transaction already
            return

    def entries(self) -> list[Entry]:
        if self.columns(LEDGER) is None:
            return []
        rows = self.connection.execute(
            f"SELECT {', '.join(COLUMNS)} FROM {LEDGER} ORDER BY finished_at DESC, run_id DESC"
        ).fetchall()
        return [Entry(*row) for row in rows]

    def examine(self) -> Sequence[Finding]:
        tables = [
            row[0] for row in self.connection.execute("SELECT table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        ]
        return (Finding("ok", "duckdb", f"version {duckdb.__version__}, {len(tables)} tables"),)

    def close(self) -> None:
        self.connection.close()


def _rows(load: Load) -> str:
    paths = ", ".join(text(str(path)) for path in load.files)
    values = ", ".join(
        f"CAST({name(item.name)} AS {type_name(item.type)}) AS {name(item.name)}" for item in load.columns
    )
    return f"SELECT {values} FROM read_parquet([{paths}])"


def _mismatches(load: Load, there: Columns, declared: dict[str, str]) -> Iterator[tuple[str, str]]:
    """What does not fit, and the statement that mends it; `declared` has every column of the table, with types that pipelines do not know too."""
    table = name(load.table)
    names = {column.lower(): column for column in declared}
    for item in load.columns:
        found, column = there.get(item.name), names.get(item.name.lower())
        if column is None:
            yield (
                f"it has no column `{item.name}`",
                f"ALTER TABLE {table} ADD COLUMN {name(item.name)} {type_name(item.type)}",
            )
        elif found is None or found.type != item.type:
            yield (
                f"`{column}` is {found.type if found is not None else declared[column]}, and {item.type} is published",
                f"ALTER TABLE {table} ALTER COLUMN {name(column)} TYPE {type_name(item.type)}",
            )
    for column in declared:
        if column not in load.columns:
            yield f"it has a column `{column}` that is not published", f"ALTER TABLE {table} DROP COLUMN {name(column)}"


def _said(error: Exception) -> str:
    return without_personal(str(error).split("\n", 1)[0])
