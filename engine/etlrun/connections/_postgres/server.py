"""Implements the publish protocol's `Server` for PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
from sqlglot import exp

from etlrun.connections._postgres.conditions import CONDITIONS
from etlrun.connections._postgres.encode import encoding, fingerprint, literal
from etlrun.connections._postgres.errors import LOCK_WAIT, explain, masked, meaning
from etlrun.connections._postgres.health import examine
from etlrun.connections._postgres.reading import join, read_batches, share, share_out
from etlrun.connections._postgres.references import changed_tables, references_to
from etlrun.connections._postgres.rights import require_rights
from etlrun.connections._postgres.session import PostgresSession
from etlrun.connections._postgres.tables import (
    LONGEST_NAME,
    PostgresTable,
    create_statement,
    describe,
    mismatches,
    schema_of,
    unfit,
)
from etlrun.connections._postgres.words import name, table_name, text
from etlrun.contracts.connection import Load
from etlrun.contracts.health import HealthFinding
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.warehouse.access import Parallel, SessionSettings
from etlrun.warehouse.address import Address
from etlrun.warehouse.faults import point
from etlrun.warehouse.inspection import day_rule, null_rule
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.references import Reference
from etlrun.warehouse.refusals import not_published, refused_rows
from etlrun.warehouse.server import LoadRefused, Rule, Server, ServerError
from etlrun.warehouse.stage import Encoding, Stage, StageField
from etlrun.warehouse.tables import OwnTable
from etlrun.warehouse.text_lines import bytes_of
from etlrun.warehouse.versions import VERSIONS


class CopyLoader:
    """Sends rows by COPY."""

    notice = ""

    def encoding(self, fields: tuple[StageField, ...]) -> Encoding:
        return encoding(fields)

    def load(
        self, session: PostgresSession, table: str, fields: tuple[StageField, ...], batches: Iterator[pa.RecordBatch]
    ) -> int:
        names = ", ".join(name(each.name) for each in fields)
        session.run("SET LOCAL statement_timeout = 0")  # how long it takes depends on the rows
        quoted = ".".join(map(name, table.split(".")))
        return session.send(f"COPY {quoted} ({names}) FROM STDIN", _chunks(batches))


@dataclass(frozen=True)
class PostgresServer(Server[PostgresSession, PostgresTable]):
    """A database on a PostgreSQL server."""

    address: Address
    settings: SessionSettings
    parallel: Parallel = field(default_factory=Parallel)

    product = "PostgreSQL"
    now = "to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    ends_session = "SELECT pg_terminate_backend({})"
    row_locks = ""  # they need the right to UPDATE; the lock is held by the session that publishes, and ends with it
    shared_moments = ("one", "each")
    keeps_versions = True
    loads_in_transaction = True
    views_hold_columns = True
    view_right = "CREATE"

    @property
    def place(self) -> str:  # type: ignore[override]
        return self.address.place

    def open(self) -> PostgresSession:
        return PostgresSession(self.address, self.settings)

    def name(self, text: str) -> str:
        return name(text)

    def text(self, value: str) -> str:
        return text(value)

    def literal(self, field: StageField) -> str:
        return literal(field)

    def condition(self, node: exp.Expr) -> str:
        return CONDITIONS.write(node)

    def describe(self, session: PostgresSession, table: str) -> PostgresTable | None:
        return describe(session, table)

    def missing_schema(self, session: PostgresSession, table: str) -> str:
        schema, _, _ = table.rpartition(".")
        wanted = f"SELECT 1 FROM pg_namespace WHERE nspname = {text(schema)}"
        return f"CREATE SCHEMA {name(schema)}" if schema and not session.rows(wanted) else ""

    def is_too_long(self, plain: str) -> bool:
        return len(plain.encode()) > LONGEST_NAME

    def unfit(self, columns: Columns) -> Iterator[str]:
        return unfit(columns)

    def mismatches(self, load: Load, there: PostgresTable, exact: frozenset[str]) -> Iterator[tuple[str, str]]:
        return mismatches(load, there, exact)

    def require_rights(self, session: PostgresSession, load: Load) -> None:
        require_rights(session, load)

    def references_to(self, session: PostgresSession, table: str) -> tuple[Reference, ...]:
        return references_to(session, table)

    def changed(self, session: PostgresSession) -> frozenset[str]:
        return changed_tables(session)

    def settle(self, session: PostgresSession, table: str) -> None:
        found = session.rows(
            "SELECT n.nspname, g.tgname FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
            f"WHERE c.oid = to_regclass({text(table_name(table))}) AND g.tgdeferrable AND NOT g.tgisinternal"
        )
        if found:
            triggers = ", ".join(f"{name(schema)}.{name(trigger)}" for schema, trigger in found)
            session.run(f"SET CONSTRAINTS {triggers} IMMEDIATE")

    def create_statement(self, load: Load, exact: frozenset[str]) -> str:
        return create_statement(load)

    def replace_view(self, session: PostgresSession, load: Load) -> Iterator[str]:
        if self.describe(session, load.table) is not None:  # a view with different columns cannot be replaced
            yield f"DROP VIEW {self.table(load.table)}"
        yield from super().replace_view(session, load)

    def own_table(self, table: OwnTable) -> str:
        kinds = (
            f"{column} {'bigint' if length is None else f'varchar({length})'} NOT NULL"
            for column, length in table.columns
        )
        return (
            f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(kinds)}, PRIMARY KEY ({', '.join(table.key)})); "
            f"COMMENT ON TABLE {table.name} IS {text(table.purpose)}"
        )

    def versions_table(self) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, tbl text NOT NULL, "
            "period text NOT NULL, load_id bigint NOT NULL, state text NOT NULL, replaced_by bigint, run_id text NOT NULL, pipeline text NOT NULL, "
            "write_mode text NOT NULL, row_count bigint NOT NULL, checksum text NOT NULL, spec_hash text NOT NULL); "
            f"CREATE INDEX IF NOT EXISTS {VERSIONS}_tbl ON {VERSIONS} (tbl, state); "
            f"COMMENT ON TABLE {VERSIONS} IS 'what views of etlrun show, and what they showed before'"
        )

    def insert_version(self, session: PostgresSession, statement: str) -> int:
        return int(session.one(f"{statement} RETURNING version")[0])

    def replace_versions(self, table: str, columns: str, rows: Mapping[int, str]) -> str:
        numbers, values = ", ".join(map(str, rows)), ", ".join(rows.values())
        return f"DELETE FROM {table} WHERE version IN ({numbers}); INSERT INTO {table} ({columns}) VALUES {values}"

    def lock_versions(self, session: PostgresSession, table: str) -> None:
        lock = text(f"etlrun versions of {self.lock_owner(session, table)}")
        session.rows(f"SELECT pg_advisory_xact_lock({_number(lock)})")

    def delete_some(self, table: str, condition: str, most: int) -> str:
        quoted = self.table(table)
        return (
            f"DELETE FROM {quoted} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {quoted} WHERE {condition} LIMIT {most}))"
        )

    def lock_owner(self, session: PostgresSession, table: str) -> str:
        return f"{schema_of(session, table)}.{table.rpartition('.')[2]}"

    def identity(self, session: PostgresSession) -> str:
        return " ".join(map(str, session.one("SELECT system_identifier, current_database() FROM pg_control_system()")))

    def try_lock(self, session: PostgresSession, lock: str) -> bool:
        return bool(session.one(f"SELECT pg_try_advisory_lock({_number(text(lock))})")[0])

    def holder(self, lock: str) -> str:
        return (
            "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
            f"AND (classid::bigint << 32) | objid::bigint = {_number(lock)} LIMIT 1)"
        )

    def busy(self, detail: str) -> ServerError:
        return ServerError(LOCK_WAIT, detail, "lock-wait")

    def blockers(self, session: PostgresSession, error: ServerError) -> str:
        if error.kind != "lock-wait":
            return ""
        found = session.rows(
            "SELECT DISTINCT a.pid, a.usename, extract(epoch FROM now() - a.xact_start)::int FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid "
            "WHERE a.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND a.datname = current_database() AND l.locktype = 'transactionid'"
        )
        shown = "; ".join(f"session {pid} of {user}, {seconds} s" for pid, user, seconds in found)
        return f"; open transactions: {shown} (SELECT pg_terminate_backend(...) ends one)" if shown else ""

    @property
    def lock_seconds(self) -> int:
        return self.settings.lock_timeout

    def rules(self, stage: Stage, there: PostgresTable) -> Iterator[Rule]:
        keys = {key.lower() for key in stage.load.key}
        for item in stage.load.columns:
            staged, stored = stage.staged(item.name), there.column(item.name)
            assert stored is not None
            if not stored.is_nullable or item.name.lower() in keys:
                yield null_rule(stage, item)
            if item.type.name == "string":
                why = "holds the character NUL, which PostgreSQL cannot store"
                yield Rule(item.name, f"contains({staged}, chr(0))", why, "remove it with `replace`")
                if stored.limit is not None:
                    fix = f"make the column of the table wider; it is {stored.written}"
                    bad = f"length({staged}) > {stored.limit}"
                    yield Rule(item.name, bad, f"is longer than {stored.limit:,} characters", fix)
            if item.type.name in ("date", "timestamp", "timestamptz"):
                yield day_rule(stage, item)

    @contextmanager
    def filling(self, session: PostgresSession, there: PostgresTable) -> Iterator[None]:
        if not there.is_new or not there.key:
            yield
            return
        table = table_name(there.table)
        of_key = f"conrelid = to_regclass({text(table)}) AND contype = 'p'"
        constraint = name(session.one(f"SELECT conname FROM pg_constraint WHERE {of_key}")[0])
        session.run(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        yield
        session.run(f"ALTER TABLE {table} ADD CONSTRAINT {constraint} PRIMARY KEY ({self.names(there.key)})")

    def loader(self, session: PostgresSession, load: Load) -> CopyLoader:
        return CopyLoader()

    def fingerprint(self, fields: tuple[StageField, ...]) -> str:
        return fingerprint(fields)

    def explain(self, error: ServerError) -> tuple[str, str]:
        return explain(error)

    def refusal(self, stage: Stage, there: PostgresTable, error: ServerError | LoadRefused) -> RunFailure | None:
        detail = masked(error.detail if isinstance(error, ServerError) else str(error))
        return _second_key(stage, there, detail) or refused_rows(stage, error, detail, meaning(error))

    def masked(self, error: ServerError) -> str:
        return masked(error.detail)

    def readers(
        self, sessions: OpenSessions[PostgresSession], there: PostgresTable, notices: list[str]
    ) -> tuple[list[PostgresSession], tuple[str, ...]]:
        return share_out(self.parallel, sessions, there)

    def share(self, session: PostgresSession, there: PostgresTable) -> tuple[str, tuple[str, ...]]:
        return share(self.parallel.on_executors, 1, session, there)

    def join(self, session: PostgresSession, snapshot: str) -> None:
        join(session, snapshot)

    def batches(
        self, session: PostgresSession, there: PostgresTable, columns: Columns, condition: str
    ) -> Iterator[pa.RecordBatch]:
        return read_batches(session, there, columns, condition)

    def examine(self, session: PostgresSession) -> Iterator[HealthFinding]:
        return examine(session)


def _second_key(stage: Stage, there: PostgresTable, detail: str) -> RunFailure | None:
    """The failure of rows that violate a unique key other than the primary key; None if the server names no such key."""
    found = re.search(r'unique constraint "(.*)"', detail)
    kind = dict(there.unique).get(found[1]) if found else None
    if found is None or kind is None:
        return None
    schema = there.table.rpartition(".")[0]
    drop = f"ALTER TABLE {table_name(there.table)} DROP CONSTRAINT {name(found[1])}"
    if kind == "INDEX":
        drop = f"DROP INDEX {table_name(f'{schema}.{found[1]}') if schema else name(found[1])}"
    return RunFailure(
        "sink",
        "key-exists",
        f"{not_published(stage)}: a new row is equal in the unique {kind.lower()} `{found[1]}` of the table to another new row, "
        "or to a row that is not replaced",
        f"reduce such rows to one row first, or look for that row in the table; if the {kind.lower()} should not apply, run: {drop}",
    )


def _chunks(batches: Iterator[pa.RecordBatch]) -> Iterator[memoryview]:
    for batch in batches:
        point("loading")
        yield bytes_of(batch.column(0))


def _number(lock: str) -> str:
    """The number of an advisory lock, as an SQL expression over its name."""
    return f"('x' || substr(md5({lock}), 1, 16))::bit(64)::bigint"
