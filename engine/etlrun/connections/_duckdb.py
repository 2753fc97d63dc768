"""A DuckDB file, as the publish protocol asks for a server: one process uses it at a time, and every publish is one transaction."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp, parse_one

from etlrun.contracts.connection import Load, Published
from etlrun.contracts.health import HealthFinding
from etlrun.diagnostics import counted
from etlrun.failures import NO_ROOM, RunFailure, without_personal
from etlrun.language.arrow import arrow_schema, type_of_arrow
from etlrun.language.columns import TIMESTAMPTZ, Columns, Type
from etlrun.language.dialects import DUCKDB_SETTINGS, duckdb_sql
from etlrun.language.duckdb_words import name, only_these_files, text, type_name
from etlrun.private import new_files_as
from etlrun.stopping import pause
from etlrun.warehouse.database import Warehouse
from etlrun.warehouse.faults import point
from etlrun.warehouse.inspection import sample_key
from etlrun.warehouse.open_sessions import OpenSessions
from etlrun.warehouse.refusals import CHANGE_ROWS, REFERRED, is_duplicate, not_published, refused_rows
from etlrun.warehouse.server import ErrorKind, LoadRefused, Rule, Server, ServerError
from etlrun.warehouse.stage import Encoding, Stage, StageField
from etlrun.warehouse.tables import Definition, OwnTable, loss_of
from etlrun.warehouse.turns import take_turn

WAIT_SECONDS = 10.0  # for another process that has the file open
EXACT = ("binary", "c", "posix")  # collations that compare texts byte by byte
KEPT_IN = {
    "string": ("VARCHAR",),
    "timestamp": ("TIMESTAMP",),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE",),
}  # others, such as ENUM or TIMESTAMP_S, refuse or round some values
INSTANT = "TIMESTAMP WITH TIME ZONE"
FEW = 10_000  # rows that are summed before `pyarrow.compute` is loaded
BATCHES = 6  # of the stage, that one INSERT takes: a row group of DuckDB


def open_warehouse(connection: str, path: Path, *, writing: bool) -> DuckdbWarehouse:
    """Open the file at `path`, which is made for writing where it is missing. Raises RunFailure."""
    if "?" in str(path):
        message = f"connection `{connection}`: DuckDB cannot keep a database in a path with a `?`: {path}"
        raise RunFailure("connection", "bad-file-name", message, "rename the folder, or choose another `path:`")
    if not writing and not path.exists():
        raise RunFailure(
            "connection",
            "connection-missing",
            f"connection `{connection}`: there is no file {path}",
            "publish something there first",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    _refuse_other_files(connection, path)
    end_turn = take_turn(path.resolve())
    try:
        return DuckdbWarehouse(connection, _open_server(connection, path, writing=writing), path, end_turn)
    except BaseException:
        end_turn()
        raise


def _refuse_other_files(connection: str, path: Path) -> None:
    """Raises RunFailure for what is no DuckDB file: DuckDB would wait for a pipe, and look for an extension that reads SQLite's."""
    try:
        if not path.exists():
            return
        is_file = path.is_file()
        with open(path, "rb") if is_file else nullcontext() as file:
            start = file.read(12) if file is not None else b""
    except OSError:
        return  # DuckDB says why
    if not is_file:
        message = f"connection `{connection}`: {path} is not a file"
        raise RunFailure("connection", "connection-failed", message, "choose another `path:`")
    if start[8:] != MAGIC:
        raise _damaged(connection, path, "it does not begin as one")


def _open_server(connection: str, path: Path, *, writing: bool) -> DuckdbServer:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with new_files_as(path):
                opened = duckdb.connect(str(path), read_only=not writing)
            _settle(opened, path)
            return DuckdbServer(path, opened)
        except duckdb.Error as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise _cannot_open(connection, path, error) from error
            pause(0.2)


def _settle(opened: duckdb.DuckDBPyConnection, path: Path) -> None:
    """The settings of a database, once: all connections of this process to one file share them."""
    ((is_settled,),) = opened.execute("SELECT current_setting('lock_configuration')").fetchall()
    if is_settled:
        return
    for setting, value in DUCKDB_SETTINGS.items():
        opened.execute(f"SET GLOBAL {setting} = {text(value)}")
    opened.execute("SET GLOBAL TimeZone = 'UTC'")  # the clock as which instants arrive
    opened.execute(only_these_files((), (str(path),)))


MAGIC = b"DUCK"  # from the ninth byte of a file on
_BUSY = "IO Error: Could not set lock on file "
_DAMAGED = re.compile(
    r"Corrupt database file|IO Error: Could not read enough bytes|IO Error: The file .* is not a valid DuckDB database file"
)


def _is_busy(error: duckdb.Error) -> bool:
    """Whether another process has the file open; what its name holds does not count."""
    return str(error).startswith(_BUSY)


def _cannot_open(connection: str, path: Path, error: duckdb.Error) -> RunFailure:
    detail = str(error).split("\n", 1)[0]
    if _is_busy(error):
        _, _, rest = detail.rpartition("lock is held in ")
        holder = f"held by {rest.split('. See also')[0]}" if rest else "held by another process"
        return RunFailure(
            "connection",
            "connection-busy",
            f"connection `{connection}`: {path} is {holder}",
            "wait until that process is done, or close it",
        )
    if _DAMAGED.match(detail):
        return _damaged(connection, path, detail)
    return RunFailure(
        "connection",
        "connection-failed",
        f"connection `{connection}`: {path} cannot be opened ({detail})",
        "check the path and its permissions",
    )


def _damaged(connection: str, path: Path, detail: str) -> RunFailure:
    message = f"connection `{connection}`: {path} is damaged, or is not a DuckDB file ({detail})"
    return RunFailure("connection", "connection-damaged", message, _restore(path))


def _restore(path: Path) -> str:
    moved = f"mv {shlex.quote(str(path))} {shlex.quote(str(path) + '.damaged')}"
    return f"restore it from a backup; or move it away, and the next runs make a new one: {moved}"


class DuckdbWarehouse(Warehouse):
    """An open DuckDB file."""

    def __init__(self, label: str, server: DuckdbServer, path: Path, end_turn: Callable[[], None]) -> None:
        super().__init__(label, server)
        self.end_turn = end_turn
        self.connection = server.connection
        self.path = path

    def publish(self, load: Load) -> Published:
        with new_files_as(self.path):  # DuckDB writes beside the file what is not in it yet
            return super().publish(load)

    def close(self) -> None:
        super().close()
        self.connection.close()
        self.end_turn()
        self.end_turn = lambda: None


class DuckdbServerSession:
    """A cursor of the open file."""

    thread = 0

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.cursor = connection.cursor()
        self.is_open = True

    def run(self, statement: str) -> int:
        with _as_server_error():
            self.cursor.execute(statement)
        return 0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with _as_server_error():
            return self.cursor.execute(query).fetchall()

    def one(self, query: str) -> tuple[Any, ...]:
        (row,) = self.rows(query)
        return row

    @contextmanager
    def seeing(self, batches: list[pa.RecordBatch]) -> Iterator[str]:
        """Inside, a statement may read some rows by the name that is given."""
        self.cursor.register("etlrun_rows", pa.Table.from_batches(batches))
        yield "etlrun_rows"
        self.cursor.unregister("etlrun_rows")

    def close(self) -> None:
        self.is_open = False
        self.cursor.close()

    abort = close

    def cut(self) -> None:
        with suppress(duckdb.ConnectionException):  # closed meanwhile
            self.cursor.interrupt()


@dataclass(frozen=True)
class DuckdbColumn:
    """A column of a table that is there; `type` is None for one that no relation can hold."""

    name: str
    written: str
    is_nullable: bool
    type: Type | None
    collation: str = ""
    is_generated: bool = False


@dataclass(frozen=True)
class DuckdbLoader:
    """Rows travel as Arrow tables. DuckDB would refuse to put a row in the place of one of equal key in one transaction, so keys are compared here."""

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
                session.run(f"INSERT INTO {_table(table)} ({names}) SELECT * FROM {rows}")
            loaded += sum(batch.num_rows for batch in some)
        keys = ", ".join(map(name, self.key))
        shown = ", ".join(f"CAST({name(key)} AS VARCHAR)" for key in self.key)
        twice = f"SELECT {shown} FROM {_table(table)} GROUP BY {keys} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
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
        schema, plain = _parts(table)
        here = f"lower(schema_name) = {text(schema.lower())} AND lower({{}}_name) = {text(plain.lower())} AND database_name = current_database()"
        found = session.rows(
            f"SELECT table_name, false FROM duckdb_tables() WHERE {here.format('table')} UNION ALL "
            f"SELECT view_name, true FROM duckdb_views() WHERE {here.format('view')}"
        )
        if not found:
            return None
        with _as_server_error():
            types = session.cursor.sql(f"SELECT * FROM {_table(table)} LIMIT 0").to_arrow_table().schema
        columns = session.rows(
            f"SELECT column_name, data_type, is_nullable, is_generated FROM duckdb_columns() WHERE {here.format('table')} ORDER BY column_index"
        )
        collations = _collations(session, here.format("table"))
        stored = (
            DuckdbColumn(
                row[0], row[1], row[2], _type(row[1], types.field(row[0]).type), collations.get(row[0], ""), row[3]
            )
            for row in columns
        )
        return Definition(table, bool(found[0][1]), tuple(stored))

    def missing_schema(self, session: DuckdbServerSession, table: str) -> str:
        schema = _parts(table)[0]
        known = f"SELECT 1 FROM duckdb_schemas() WHERE lower(schema_name) = {text(schema.lower())} AND database_name = current_database()"
        return "" if session.rows(known) else f"CREATE SCHEMA {name(schema)}"

    def unfit(self, columns: Columns) -> Iterator[str]:
        return iter(())

    def mismatches(
        self, load: Load, there: Definition[DuckdbColumn], exact: frozenset[str]
    ) -> Iterator[tuple[str, str]]:
        return _mismatches(load, there, exact)

    def create_statement(self, load: Load, exact: frozenset[str]) -> str:
        declared = ", ".join(f"{name(item.name)} {_declared(item.type)}" for item in load.columns)
        comments = [
            f"COMMENT ON COLUMN {_table(load.table)}.{name(item.name)} IS {text(item.description)}"
            for item in load.columns
            if item.description
        ]
        return "; ".join((f"CREATE TABLE {_table(load.table)} ({declared})", *comments))

    def own_table(self, table: OwnTable) -> str:
        kinds = (f"{column} {'BIGINT' if length is None else 'VARCHAR'} NOT NULL" for column, length in table.columns)
        return f"CREATE TABLE IF NOT EXISTS {table.name} ({', '.join(kinds)})"

    def lock_owner(self, session: DuckdbServerSession, table: str) -> str:
        return ".".join(_parts(table)).lower()

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
                session.run(f"DELETE FROM {_table(table)} AS old USING {rows} AS new WHERE {same}")

    def explain(self, error: ServerError) -> tuple[str, str]:
        if error.code == "ConstraintException" and "still referenced" in error.detail:
            return REFERRED
        if error.code == "ConstraintException":
            return f"a constraint of the table is violated ({self.masked(error)})", CHANGE_ROWS
        if _is_full(error.detail):
            return f"there is no room for what DuckDB writes ({error.detail})", "make room on the disk of the file"
        if _DAMAGED.match(error.detail):
            return f"the file is damaged ({error.detail})", _restore(self.path)
        return f"DuckDB fails ({error.detail})", "look at the disk that the file is on, and at who else writes to it"

    def refusal(
        self, stage: Stage, there: Definition[DuckdbColumn], error: ServerError | LoadRefused
    ) -> RunFailure | None:
        if not is_duplicate(error):
            return None
        if isinstance(error, ServerError):
            message = "two rows are equal in a PRIMARY KEY, a UNIQUE constraint or a unique index of the table"
            fix = "make such rows one first, or drop what should not hold; `SELECT * FROM duckdb_constraints()` and `duckdb_indexes()` list them"
            return RunFailure("sink", "key-exists", f"{not_published(stage)}: {message} ({self.masked(error)})", fix)
        if stage.load.write == "merge":
            message = f"rows that the table holds already, and that are not replaced, share their key: {error}"
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
            rows = session.cursor.sql(f"SELECT {values} FROM {_table(there.table)}").to_arrow_reader(100_000)
            yield from rows.cast(arrow_schema(columns))
        except duckdb.Error as error:
            if _DAMAGED.match(_detail(error)):
                raise ServerError(type(error).__name__, _detail(error), _kind(error)) from error
            raise RunFailure(
                "source",
                "wrong-columns",
                f"the table `{there.table}` does not hold the declared types ({_detail(error)})",
                "declare its own",
            ) from error

    def examine(self, session: DuckdbServerSession) -> Iterator[HealthFinding]:
        (tables,) = session.one("SELECT count(*) FROM duckdb_tables()")
        yield HealthFinding("ok", "duckdb", f"version {duckdb.__version__}, {counted(tables, 'table')}")


def _table(table: str) -> str:
    return ".".join(map(name, table.split(".")))


def _parts(table: str) -> tuple[str, str]:
    """The schema and the name of a table."""
    schema, _, plain = table.rpartition(".")
    return schema or "main", plain


def _hash(values: Iterator[str]) -> str:
    """48 bits of a row: the sum over a batch has 63 then."""
    return f"CAST(hash({', '.join(values)}) >> 16 AS BIGINT)"


def _sum(hashes: pa.Array) -> int:
    if len(hashes) < FEW:
        return sum(hashes.to_pylist())
    import pyarrow.compute as pc

    return int(pc.sum(hashes).as_py())


@contextmanager
def _as_server_error() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise ServerError(type(error).__name__, _detail(error), _kind(error)) from error


def _kind(error: duckdb.Error) -> ErrorKind:
    detail = _detail(error)
    if isinstance(error, duckdb.TransactionException):
        return "other" if _is_full(detail) else "transient"
    if not isinstance(error, duckdb.ConstraintException) or "still referenced" in detail:
        return "other"
    return "duplicate" if "uplicate key" in detail else "refused"


def _is_full(detail: str) -> bool:
    return any(sign in detail for sign in NO_ROOM)


def _declared(kind: Type) -> str:
    return INSTANT if kind == TIMESTAMPTZ else type_name(kind)


def _type(written: str, found: pa.DataType) -> Type | None:
    return TIMESTAMPTZ if written == INSTANT else type_of_arrow(found)


def _collations(session: DuckdbServerSession, here: str) -> dict[str, str]:
    """The collations of the columns of a table that have one: to those, different texts may be equal."""
    found = {}
    for (statement,) in session.rows(f"SELECT sql FROM duckdb_tables() WHERE {here}"):
        for column in parse_one(statement, dialect="duckdb").find_all(exp.ColumnDef):
            collation = column.find(exp.CollateColumnConstraint)
            detail = collation.this.sql(dialect="duckdb").strip('"').lower() if collation is not None else ""
            if detail and detail not in EXACT:
                found[column.name] = detail
    return found


def _mismatches(load: Load, there: Definition[DuckdbColumn], exact: frozenset[str]) -> Iterator[tuple[str, str]]:
    """What does not fit, and the statement that changes it. It says what may be lost."""
    table = _table(there.table)
    if there.is_view:
        yield f"`{there.table}` is a view", f"ALTER VIEW {table} RENAME TO {name(_parts(there.table)[1] + '_view')}"
        return
    for item in load.columns:
        found = there.column(item.name)
        if found is None:
            yield (
                f"it has no column `{item.name}`",
                f"ALTER TABLE {table} ADD COLUMN {name(item.name)} {_declared(item.type)}",
            )
        elif found.is_generated:
            yield (
                f"the server computes `{found.name}`, and it is published",
                f"ALTER TABLE {table} DROP COLUMN {name(found.name)} /* its computed values are lost */; "
                f"ALTER TABLE {table} ADD COLUMN {name(item.name)} {_declared(item.type)}",
            )
        elif found.type != item.type or found.written not in KEPT_IN.get(item.type.name, found.written):
            yield (
                f"`{found.name}` is {found.written if found.type in (None, item.type) else found.type}, and {item.type} is published",
                f"ALTER TABLE {table} ALTER COLUMN {name(found.name)} TYPE {_declared(item.type)}{loss_of(found.type, item.type)}",
            )
        elif found.collation and found.name.lower() in exact:
            yield (
                f"`{found.name}` has the collation {found.collation}, to which different texts are equal",
                f'ALTER TABLE {table} ALTER COLUMN {name(found.name)} TYPE VARCHAR COLLATE "binary"',
            )
    for column in there.columns:
        if column.name not in load.columns and not column.is_generated:
            yield (
                f"it has a column `{column.name}` that is not published",
                f"ALTER TABLE {table} DROP COLUMN {name(column.name)} /* its values are lost */",
            )


def _detail(error: Exception) -> str:
    return without_personal(str(error).split("\n", 1)[0])
