"""Implements the publish protocol's `Server` for MySQL and MariaDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from sqlglot import exp

from etlrun.connections._mysql.conditions import CONDITIONS
from etlrun.connections._mysql.encode import equality, literal, server_line
from etlrun.connections._mysql.errors import LOCK_WAIT, MysqlError, explain, masked
from etlrun.connections._mysql.health import examine
from etlrun.connections._mysql.inspect import rules
from etlrun.connections._mysql.loaders import Insert, LoadData
from etlrun.connections._mysql.reading import ranges_of, read_batches, share_out
from etlrun.connections._mysql.references import references_to, triggers_of
from etlrun.connections._mysql.refusals import refusal
from etlrun.connections._mysql.rights import require_rights
from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.tables import MysqlTable, create_statement, mismatches, read_definition, unfit
from etlrun.connections._mysql.words import name, text
from etlrun.contracts.connection import Load
from etlrun.contracts.health import HealthFinding
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.warehouse.access import Parallel, SessionSettings
from etlrun.warehouse.address import Address
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.references import Reference
from etlrun.warehouse.server import Loader, LoadRefused, Rule, Server, ServerError
from etlrun.warehouse.stage import Stage, StageField
from etlrun.warehouse.tables import OwnTable
from etlrun.warehouse.versions import VERSIONS

if TYPE_CHECKING:
    import pyarrow as pa

LoaderName = Literal["auto", "insert", "load_data"]
LONGEST_NAME = 64  # characters
OPTIONS = "ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"


@dataclass(frozen=True)
class MysqlServer(Server[MysqlSession, MysqlTable]):
    """A database on a MySQL or MariaDB server."""

    label: str
    address: Address
    settings: SessionSettings
    loads_by: LoaderName = "auto"
    parallel: Parallel = field(default_factory=Parallel)

    product = "MySQL"
    now = "DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')"
    dirty_reads = "SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED"
    schema = "DATABASE()"
    clock_of_instants = "datetime(6)"
    shared_moments = ("each",)
    keeps_versions = True

    @property
    def place(self) -> str:  # type: ignore[override]
        return self.address.place

    def open(self) -> MysqlSession:
        return MysqlSession(self.address, self.settings)

    def name(self, text: str) -> str:
        return name(text)

    def text(self, value: str) -> str:
        return text(value)

    def literal(self, field: StageField) -> str:
        return literal(field)

    def equality(self, field: StageField) -> str:
        return equality(field)

    def condition(self, node: exp.Expr) -> str:
        return CONDITIONS.write(node)

    def describe(self, session: MysqlSession, table: str) -> MysqlTable | None:
        return read_definition(session, table)

    def missing_schema(self, session: MysqlSession, table: str) -> str:
        *schema, _ = table.split(".")
        wanted = f"SELECT 1 FROM information_schema.schemata WHERE schema_name = {text(schema[0])}" if schema else ""
        return f"CREATE DATABASE {name(schema[0])}" if wanted and not session.rows(wanted) else ""

    def require_rights(self, session: MysqlSession, load: Load) -> None:
        require_rights(session, load)

    def is_too_long(self, plain: str) -> bool:
        return len(plain) > LONGEST_NAME

    def rename_statement(self, table: str, plain: str) -> str:
        schema, dot, _ = table.rpartition(".")
        return f"RENAME TABLE {self.table(table)} TO {self.table(f'{schema}{dot}{plain}')}"

    def unfit(self, columns: Columns) -> Iterator[str]:
        return unfit(columns)

    def mismatches(self, load: Load, there: MysqlTable, exact: frozenset[str]) -> Iterator[tuple[str, str]]:
        return mismatches(load, there, exact)

    def references_to(self, session: MysqlSession, table: str) -> tuple[Reference, ...]:
        return references_to(session, table)

    def triggers_of(self, session: MysqlSession, load: Load, table: str) -> Iterator[str]:
        return triggers_of(session, load, table)

    def create_statement(self, load: Load, exact: frozenset[str]) -> str:
        return create_statement(load, exact)

    def own_table(self, table: OwnTable) -> str:
        kinds = (
            f"{column} {'BIGINT' if length is None else f'VARCHAR({length})'} NOT NULL"
            for column, length in table.columns
        )
        return (
            f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(kinds)}, PRIMARY KEY ({', '.join(table.key)})) "
            f"{OPTIONS} COMMENT={text(table.purpose)}"
        )

    def versions_table(self) -> str:
        return (
            f"CREATE TABLE IF NOT EXISTS {VERSIONS} (version BIGINT NOT NULL AUTO_INCREMENT, tbl VARCHAR(129) NOT NULL, "
            "period VARCHAR(600) NOT NULL, load_id BIGINT NOT NULL, state VARCHAR(16) NOT NULL, replaced_by BIGINT NULL, "
            "run_id VARCHAR(64) NOT NULL, pipeline VARCHAR(255) NOT NULL, write_mode VARCHAR(16) NOT NULL, row_count BIGINT NOT NULL, "
            "checksum VARCHAR(64) NOT NULL, spec_hash VARCHAR(64) NOT NULL, PRIMARY KEY (version), KEY (tbl, state)) "
            f"{OPTIONS} COMMENT='what views of etlrun show, and what they showed before'"
        )

    def lock_owner(self, session: MysqlSession, table: str) -> str:
        return table if "." in table else f"{session.one('SELECT DATABASE()')[0]}.{table}"

    def identity(self, session: MysqlSession) -> str:
        return " ".join(map(str, session.one("SELECT @@hostname, @@datadir, @@port")))

    def try_lock(self, session: MysqlSession, lock: str) -> bool:
        return bool(session.one(f"SELECT GET_LOCK({text(lock)}, 0)")[0])

    def holder(self, lock: str) -> str:
        return f"IS_USED_LOCK({lock})"

    def busy(self, detail: str) -> MysqlError:
        return MysqlError(LOCK_WAIT, detail)

    @property
    def lock_seconds(self) -> int:
        return self.settings.lock_timeout

    def blockers(self, session: MysqlSession, error: ServerError) -> str:
        if error.kind != "lock-wait":
            return ""
        try:
            found = session.rows(
                "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx WHERE trx_rows_locked > 0 AND trx_mysql_thread_id <> CONNECTION_ID()"
            )
        except MysqlError:
            return "; the account cannot see which one, because it lacks PROCESS"
        threads = {int(row[0]) for row in found}
        shown = [
            f"session {row[0]} of {row[1]}@{row[2]}, {row[5]} s"
            for row in session.rows("SHOW PROCESSLIST")
            if int(row[0]) in threads
        ]
        return f"; open transactions: {'; '.join(shown)} (KILL and the number ends one)" if shown else ""

    def rules(self, stage: Stage, there: MysqlTable) -> Iterator[Rule]:
        return rules(stage, there)

    def loader(self, session: MysqlSession, load: Load) -> Loader[MysqlSession]:
        if self.loads_by == "insert":
            return Insert()
        if self.loads_by == "load_data" or session.one("SELECT @@GLOBAL.local_infile")[0]:
            return LoadData()
        return Insert("is published with INSERT, which is slower: the server has local_infile=OFF")

    def fallback(self, error: ServerError) -> MysqlServer | None:
        is_closed = error.kind == "no-stream" and self.loads_by == "auto"
        return replace(self, loads_by="insert") if is_closed else None

    def fingerprint(self, fields: tuple[StageField, ...]) -> str:
        return f"CRC32({server_line(fields)})"

    def insert_version(self, session: MysqlSession, statement: str) -> int:
        session.run(statement)
        return int(session.one("SELECT LAST_INSERT_ID()")[0])

    def replace_versions(self, table: str, columns: str, rows: Mapping[int, str]) -> str:
        return f"REPLACE INTO {table} ({columns}) VALUES {', '.join(rows.values())}"

    def delete_some(self, table: str, condition: str, most: int) -> str:
        return f"DELETE FROM {self.table(table)} WHERE {condition} LIMIT {most}"

    def explain(self, error: ServerError) -> tuple[str, str]:
        return explain(error, self.address)

    def refusal(self, stage: Stage, there: MysqlTable, error: ServerError | LoadRefused) -> RunFailure:
        return refusal(stage, there, error)

    def masked(self, error: ServerError) -> str:
        return masked(error.detail)

    def readers(
        self, sessions: OpenSessions[MysqlSession], there: MysqlTable, notices: list[str]
    ) -> tuple[list[MysqlSession], tuple[str, ...]]:
        readers, conditions, why = share_out(self.parallel, sessions, there)
        if why:
            notices.append(f"connection `{self.label}`: {why}")
        return readers, conditions

    def share(self, session: MysqlSession, there: MysqlTable) -> tuple[str, tuple[str, ...]]:
        return "", ranges_of(self.parallel.on_executors, session, there)

    def batches(
        self, session: MysqlSession, there: MysqlTable, columns: Columns, condition: str
    ) -> Iterator[pa.RecordBatch]:
        return read_batches(session, there, columns, condition)

    def examine(self, session: MysqlSession) -> Iterator[HealthFinding]:
        return examine(session)
