"""Describes existing tables, writes the CREATE statement of a missing one, and compares a table with the published columns.

A text becomes `text COLLATE "C"`, which compares bytes. A `timestamp` becomes `timestamp(6)`, which knows no time zone,
and a `timestamptz` its `timestamptz(6)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etlrun.connections._postgres.session import PostgresSession
from etlrun.connections._postgres.words import declared, name, table_name, text
from etlrun.contracts.connection import Load
from etlrun.language.columns import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    INTEGERS,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TIMESTAMPTZ,
    Column,
    Columns,
    Type,
    decimal,
)
from etlrun.warehouse.tables import Definition, loss_of

LONGEST_NAME = 63  # bytes
BY_BYTES = ("C", "POSIX", "ucs_basic")
_READ = {
    "bool": BOOLEAN,
    "int2": SMALLINT,
    "int4": INT,
    "int8": BIGINT,
    "float4": FLOAT,
    "float8": DOUBLE,
    "text": STRING,
    "varchar": STRING,
    "bpchar": STRING,
    "name": STRING,
    "uuid": STRING,
    "json": STRING,
    "jsonb": STRING,
    "bytea": BINARY,
    "date": DATE,
    "timestamp": TIMESTAMP,
    "timestamptz": TIMESTAMPTZ,
}
_COLUMNS = (
    "SELECT c.relkind::text, a.attname, t.typname, t.typtype::text, a.atttypmod, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull, "
    "a.atthasdef OR a.attidentity <> '' OR NOT a.attnotnull, a.attgenerated <> '' OR a.attidentity = 'a', "
    "CASE WHEN l.collname = 'default' THEN d.datcollate ELSE l.collname END, a.attnum = ANY (coalesce(i.indkey::int2[], '{{}}')), "
    "array_position(i.indkey::int2[], a.attnum), a.attidentity <> '', "
    "ARRAY(SELECT h.inhrelid::regclass::text FROM pg_inherits h WHERE h.inhparent = c.oid AND c.relkind = 'r' ORDER BY 1), "
    "ARRAY(SELECT ARRAY[x.relname, CASE WHEN k.oid IS NULL THEN 'INDEX' ELSE 'CONSTRAINT' END] FROM pg_index u "
    "JOIN pg_class x ON x.oid = u.indexrelid LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.contype = 'u' "
    "WHERE u.indrelid = c.oid AND u.indisunique AND NOT u.indisprimary ORDER BY 1) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid "
    "JOIN pg_database d ON d.datname = current_database() "
    "LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "
    "WHERE n.nspname = {schema} AND c.relname = {table} AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped "
    "ORDER BY a.attnum"
)


@dataclass(frozen=True)
class StoredValue:
    """A column of an existing table. `kind` is PostgreSQL's short name of its type, `modifier` its length, precision and scale."""

    name: str
    kind: str
    is_enum: bool
    modifier: int
    written: str
    is_nullable: bool
    has_default: bool
    is_generated: bool
    collation: str
    is_identity: bool = False

    @property
    def limit(self) -> int | None:
        """The most characters of a text."""
        return self.modifier - 4 if self.kind == "varchar" and self.modifier > 0 else None

    @property
    def type(self) -> Type | None:
        """The type of its values in a relation; None if etlrun has no such type."""
        if self.kind == "numeric" and self.modifier > 0:
            precision, scale = (self.modifier - 4) >> 16 & 0xFFFF, (self.modifier - 4) & 0x7FF
            return decimal(precision, scale) if scale <= precision <= 38 else None
        return STRING if self.is_enum else _READ.get(self.kind)

    def takes(self, wanted: Type, *, is_exact: bool) -> bool:
        """Whether every value of `wanted` is stored unchanged; `is_exact` columns identify rows."""
        if self.type is None:
            return False
        if wanted == STRING:
            return self.kind in ("text", "varchar") and (self.collation in BY_BYTES or not is_exact)
        if wanted == TIMESTAMP:
            return self.kind == "timestamp" and self.modifier in (-1, 6)
        if wanted == TIMESTAMPTZ:
            return self.kind == "timestamptz" and self.modifier in (-1, 6)
        if wanted.name in INTEGERS and self.type.name in INTEGERS:
            return INTEGERS.index(self.type.name) >= INTEGERS.index(wanted.name)
        if wanted.name == self.type.name == "decimal":
            return self.type.scale == wanted.scale and self.type.precision >= wanted.precision
        return self.type == wanted or (wanted == FLOAT and self.type == DOUBLE)


@dataclass(frozen=True)
class PostgresTable(Definition[StoredValue]):
    """A table or view; `kind` is its `relkind`."""

    kind: str = "r"
    heirs: tuple[str, ...] = ()  # tables that inherit from it, as statements name them
    unique: tuple[
        tuple[str, str], ...
    ] = ()  # the unique keys besides the primary key, and whether each is an INDEX or a CONSTRAINT


def schema_of(session: PostgresSession, table: str) -> str:
    """The schema of a table, or the one in which it would be created."""
    schema, _, _ = table.rpartition(".")
    return schema or str(session.one("SELECT current_schema()")[0])


def describe(session: PostgresSession, table: str) -> PostgresTable | None:
    """The table or view with this name; None if it does not exist."""
    schema, _, plain = table.rpartition(".")
    of = text(schema) if schema else "current_schema()"
    found = session.rows(_COLUMNS.format(schema=of, table=text(plain)))
    if not found:
        return None
    columns = tuple(
        StoredValue(row[1], row[2], row[3] == "e", row[4], row[5], row[6], row[7], row[8], row[9] or "", row[12])
        for row in found
    )
    key = tuple(str(row[1]) for row in sorted((row for row in found if row[10]), key=lambda row: row[11]))
    unique = tuple((each[0], each[1]) for each in found[0][14])
    return PostgresTable(table, found[0][0] in "vmf", columns, key, found[0][0], tuple(found[0][13]), unique)


def unfit(columns: Columns) -> Iterator[str]:
    """Columns that PostgreSQL cannot store in any table."""
    for item in columns:
        if len(item.name.encode()) > LONGEST_NAME:
            yield f"`{item.name}` is longer than the {LONGEST_NAME} bytes that a name may have in PostgreSQL"


def create_statement(load: Load) -> str:
    """The statements that create the table of a load, with its descriptions."""
    table, keys = table_name(load.table), {key.lower() for key in load.key}
    parts = [f"{name(item.name)} {declared(item.type)}{_null(item, keys)}" for item in load.columns]
    spelled = [found.name if (found := load.columns.get(key)) else key for key in load.key]
    parts += [f"PRIMARY KEY ({', '.join(map(name, spelled))})"] if spelled else []
    comments = [f"COMMENT ON TABLE {table} IS {text(load.description)}"] if load.description else []
    comments += [
        f"COMMENT ON COLUMN {table}.{name(item.name)} IS {text(item.description)}"
        for item in load.columns
        if item.description
    ]
    return "; ".join((f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(parts)})", *comments))


def _null(item: Column, keys: set[str]) -> str:
    return " NOT NULL" if item.name.lower() in keys else ""


def _other_key(load: Load, there: PostgresTable) -> Iterator[tuple[str, str]]:
    """The mismatch if the primary key is not the key of the load."""
    if load.key and {key.lower() for key in load.key} != {key.lower() for key in there.key}:
        shown = f"is ({', '.join(there.key)})" if there.key else "is missing"
        spelled = [column.name if (column := there.column(key)) else key for key in load.key]
        drop = f"DROP CONSTRAINT {name(there.table.rpartition('.')[2] + '_pkey')}, " if there.key else ""
        yield (
            f"its primary key {shown}, and the key is ({', '.join(load.key)})",
            f"ALTER TABLE {table_name(there.table)} {drop}ADD PRIMARY KEY ({', '.join(map(name, spelled))})",
        )


def _let_be_written(table: str, found: StoredValue) -> str:
    """The statement after which values can be written into a generated column."""
    change = "SET GENERATED BY DEFAULT" if found.is_identity else "DROP EXPRESSION"
    return f"ALTER TABLE {table} ALTER COLUMN {name(found.name)} {change}"


def _loss(found: StoredValue, wanted: Type) -> str:
    """The end of the statement that changes a column: a comment if values may be truncated or rounded."""
    keeps_its_words = found.kind in ("timestamptz", "json", "jsonb", "bpchar")
    return loss_of(None if keeps_its_words else found.type, wanted)


def mismatches(load: Load, there: PostgresTable, exact: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The reasons why `load` does not fit the existing table, each with the statement that corrects it, in an order in which they work."""
    table = table_name(there.table)
    if there.is_view:
        kind = {"v": "VIEW", "m": "MATERIALIZED VIEW", "f": "FOREIGN TABLE"}[there.kind]
        plain = there.table.rpartition(".")[2]
        yield f"`{there.table}` is a {kind.lower()}", f"ALTER {kind} {table} RENAME TO {name(plain + '_view')}"
        return
    if load.write != "append":
        for heir in there.heirs:
            yield (
                f"`{heir}` inherits from it: its rows would be replaced, too",
                f"ALTER TABLE {heir} NO INHERIT {table}",
            )
    for item in load.columns:
        found = there.column(item.name)
        if found is not None and found.is_generated:
            yield (
                f"`{found.name}` is a generated column, and the pipeline publishes values for it",
                _let_be_written(table, found),
            )
        elif found is None:
            yield (
                f"it has no column `{item.name}`",
                f"ALTER TABLE {table} ADD COLUMN {name(item.name)} {declared(item.type)}",
            )
        elif not found.takes(item.type, is_exact=item.name.lower() in exact):
            shown = f"{found.written}{f' COLLATE {found.collation}' if found.collation else ''}"
            yield (
                f"`{found.name}` is {shown}, and the pipeline publishes {item.type}",
                f"ALTER TABLE {table} ALTER COLUMN {name(found.name)} TYPE {declared(item.type)} "
                f"USING {name(found.name)}::{declared(item.type)}{_loss(found, item.type)}",
            )
    yield from _other_key(load, there)
    for found in there.columns:
        if found.name not in load.columns and not found.has_default:
            yield (
                f"it has a column `{found.name}` that must have a value and is not published",
                f"ALTER TABLE {table} ALTER COLUMN {name(found.name)} DROP NOT NULL",
            )
