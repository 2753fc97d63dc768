"""Implements the publish protocol's `Server` for a DuckDB file: every publish is one transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import duckdb
import pyarrow as pa
from sqlglot import exp

from etlrun.connections._duckdb.errors import DAMAGED, detail_of, is_full, kind_of, restore
from etlrun.connections._duckdb.session import DuckdbServerSession
from etlrun.connections._duckdb.tables import (
    DuckdbColumn,
    declared_type,
    describe_table,
    mismatches,
    qualified,
    schema_and_name,
)
from etlrun.contracts.connection import Load
from etlrun.contracts.health import HealthFinding
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.language.duckdb_words import name, text, type_name
from etlrun.warehouse.faults import point
from etlrun.warehouse.inspection import sample_key
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.refusals import CHANGE_ROWS, REFERRED, is_duplicate, not_published, refused_rows
from etlrun.warehouse.server import LoadRefused, Rule, Server, ServerError
from etlrun.warehouse.stage import Encoding, Stage, StageField
from etlrun.warehouse.tables import Definition, OwnTable

FEW = 10_000  # rows that are summed before `pyarrow.compute` is loaded
BATCHES = 6  # of the stage, in one INSERT: a row group of DuckDB


@dataclass(frozen=True)
class DuckdbLoader:
    """Sends rows as Arrow tables. DuckDB cannot replace a row by one of the same key in one transaction, so keys are compared here."""

    key: tuple[str, ...]
    notice: str = ""

    def encoding(self, fields: tuple[StageField, ...]) -> Encoding:
        return Encoding(tuple(each.staged for each in fields), _hash(each.staged for each in fields), _sum)

    def load(
        self,
        session: DuckdbServerSession,
        table: str,
        fields: tuple[StageField, ...],
        batches: Iterator[pa.RecordBatch],
    ) -> int:
        names = ", ".join(name(each.name) for each in fields)
        loaded = 0
        while some := list(islice(batches, BATCHES)):
            point("loading")
            with session.seeing(some) as rows:
                session.run(f"INSERT INTO {qualified(table)} ({names}) SELECT * FROM {rows}")
            loaded += sum(batch.num_rows for batch in some)
        keys = ", ".join(map(name, self.key))
        shown = ", ".join(f"CAST({name(key)} AS VARCHAR)" for key in self.key)
        twice = f"SELECT {shown} FROM {qualified(table)} GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
        for row in session.rows(twice) if keys else []:
            raise LoadRefused(sample_key(self.key, row), is_duplicate=True)
        return loaded


@dataclass(frozen=True)
class DuckdbServer(Server[DuckdbServerSession, Definition[DuckdbColumn]]):
    """An open DuckDB file."""

    path: Path
    connection: duckdb.DuckDBPyConnection

    product = "DuckDB"
    row_locks = ""
    is_embedded = True
    lock_seconds = 0

    @property
    def place(self) -> str:  # type: ignore[override]
        return self.path.name

    @property
    def now(self) -> str:  # type: ignore[override]
        return text(datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def open(self) -> DuckdbServerSession:
        return DuckdbServerSession(self.connection)

    def name(self, text: str) -> str:
        return name(text)

    def text(self, value: str) -> str:
        return text(value)

    def literal(self, field: StageField) -> str:
        return f"CAST({field.staged} AS VARCHAR)"

    def condition(self, node: exp.Expr) -> str:
        return duckdb_sql(node)

    def describe(self, session: DuckdbServerSession, table: str) -> Definition[DuckdbColumn] | None:
        return describe_table(session, table)

    def missing_schema(self, session: DuckdbServerSession, table: str) -> str:
        schema = schema_and_name(table)[0]
        known = f"SELECT 1 FROM duckdb_schemas() WHERE lower(schema_name) = {text(schema.lower())} AND database_name = current_database()"
        return "" if session.rows(known) else f"CREATE SCHEMA {name(schema)}"

    def unfit(self, columns: Columns) -> Iterator[str]:
        return iter(())

    def mismatches(
        self, load: Load, there: Definition[DuckdbColumn], exact: frozenset[str]
    ) -> Iterator[tuple[str, str]]:
        return mismatches(load, there, exact)

    def create_statement(self, load: Load, exact: frozenset[str]) -> str:
        declared = ", ".join(f"{name(item.name)} {declared_type(item.type)}" for item in load.columns)
        comments = [
            f"COMMENT ON COLUMN {qualified(load.table)}.{name(item.name)} IS {text(item.description)}"
            for item in load.columns
            if item.description
        ]
        return "; ".join((f"CREATE TABLE {qualified(load.table)} ({declared})", *comments))

    def own_table(self, table: OwnTable) -> str:
        kinds = (f"{column} {'BIGINT' if length is None else 'VARCHAR'} NOT NULL" for column, length in table.columns)
        return f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(kinds)})"

    def lock_owner(self, session: DuckdbServerSession, table: str) -> str:
        return ".".join(schema_and_name(table)).lower()

    def identity(self, session: DuckdbServerSession) -> str:
        (file,) = session.one("SELECT path FROM duckdb_databases() WHERE database_name = current_database()")
        return str(Path(file).resolve())

    def rules(self, stage: Stage, there: Definition[DuckdbColumn]) -> Iterator[Rule]:
        return iter(())

    def loader(self, session: DuckdbServerSession, load: Load) -> DuckdbLoader:
        return DuckdbLoader(load.key)

    def fingerprint(self, fields: tuple[StageField, ...]) -> str:
        return _hash(name(each.name) for each in fields)

    def delete_keys(
        self, session: DuckdbServerSession, table: str, fields: tuple[StageField, ...], stage: Stage
    ) -> None:
        staged = tuple(each.staged for each in fields)
        same = " AND ".join(f"old.{name(each.name)} IS NOT DISTINCT FROM new.{each.staged}" for each in fields)
        for batch in stage.batches(", ".join(staged), ()):
            with session.seeing([batch]) as rows:
                session.run(f"DELETE FROM {qualified(table)} AS old USING {rows} AS new WHERE {same}")

    def explain(self, error: ServerError) -> tuple[str, str]:
        if error.code == "ConstraintException" and "still referenced" in error.detail:
            return REFERRED
        if error.code == "ConstraintException":
            return f"a constraint of the table is violated ({self.masked(error)})", CHANGE_ROWS
        if is_full(error.detail):
            return (
                f"there is not enough disk space for the files of DuckDB ({error.detail})",
                "free space on the disk of the file",
            )
        if DAMAGED.match(error.detail):
            return f"the file is damaged ({error.detail})", restore(self.path)
        return f"DuckDB fails ({error.detail})", "check the disk of the file, and whether another program writes to it"

    def refusal(
        self, stage: Stage, there: Definition[DuckdbColumn], error: ServerError | LoadRefused
    ) -> RunFailure | None:
        if not is_duplicate(error):
            return None
        if isinstance(error, ServerError):
            message = "two rows are equal in a PRIMARY KEY, a UNIQUE constraint or a unique index of the table"
            fix = (
                "reduce such rows to one row first, or drop the constraint or index if it should not apply; "
                "`SELECT * FROM duckdb_constraints()` and `duckdb_indexes()` list them"
            )
            return RunFailure("sink", "key-exists", f"{not_published(stage)}: {message} ({self.masked(error)})", fix)
        if stage.load.write == "merge":
            message = f"rows that are already in the table, and are not replaced, have the same key: {error}"
            return RunFailure(
                "sink", "key-exists", f"{not_published(stage)}: {message}", "delete all but one of them first"
            )
        failure = refused_rows(stage, error, "")
        return RunFailure("sink", failure.code, f"{failure.message}: {error}", failure.fix)

    def masked(self, error: ServerError) -> str:
        return error.detail.removeprefix("Constraint Error: ")

    def readers(
        self, sessions: OpenSessions[DuckdbServerSession], there: Definition[DuckdbColumn], notices: list[str]
    ) -> tuple[list[DuckdbServerSession], tuple[str, ...]]:
        return [sessions.open()], ("",)

    def batches(
        self, session: DuckdbServerSession, there: Definition[DuckdbColumn], columns: Columns, condition: str
    ) -> Iterator[pa.RecordBatch]:
        values = ", ".join(
            f"CAST({name(item.name)} AS {type_name(item.type)}) AS {name(item.name)}" for item in columns
        )
        try:
            rows = session.cursor.sql(f"SELECT {values} FROM {qualified(there.table)}").to_arrow_reader(100_000)
            yield from rows.cast(arrow_schema(columns))
        except duckdb.Error as error:
            if DAMAGED.match(detail_of(error)):
                raise ServerError(type(error).__name__, detail_of(error), kind_of(error)) from error
            raise RunFailure(
                "source",
                "wrong-columns",
                f"the table `{there.table}` has values that are not of the declared types ({detail_of(error)})",
                "declare its own",
            ) from error

    def examine(self, session: DuckdbServerSession) -> Iterator[HealthFinding]:
        (tables,) = session.one("SELECT count(*) FROM duckdb_tables()")
        yield HealthFinding("ok", "duckdb", f"version {duckdb.__version__}, {counted(tables, 'table')}")


def _hash(values: Iterator[str]) -> str:
    """A hash of 48 bits of a row, so that the sum over a batch has at most 63 bits."""
    return f"CAST(hash({', '.join(values)}) >> 16 AS BIGINT)"


def _sum(hashes: pa.Array) -> int:
    if len(hashes) < FEW:
        return sum(hashes.to_pylist())
    import pyarrow.compute as pc

    return int(pc.sum(hashes).as_py())
