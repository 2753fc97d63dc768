"""Tables of a DuckDB file: describes their columns, and compares them with the published ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp, parse_one

from etlrun.connections._duckdb.errors import as_server_error
from etlrun.connections._duckdb.session import DuckdbServerSession
from etlrun.contracts.connection import Load
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import TIMESTAMPTZ, Type
from etlrun.language.duckdb_words import name, text, type_name
from etlrun.warehouse.tables import Definition, loss_of

EXACT = ("binary", "c", "posix")  # collations that compare texts byte by byte
KEPT_IN = {
    "string": ("VARCHAR",),
    "timestamp": ("TIMESTAMP",),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE",),
}  # others, such as ENUM or TIMESTAMP_S, refuse or round some values
INSTANT = "TIMESTAMP WITH TIME ZONE"


@dataclass(frozen=True)
class DuckdbColumn:
    """A column of an existing table; `type` is None if etlrun has no such type."""

    name: str
    written: str
    is_nullable: bool
    type: Type | None
    collation: str = ""
    is_generated: bool = False


def qualified(table: str) -> str:
    return ".".join(map(name, table.split(".")))


def schema_and_name(table: str) -> tuple[str, str]:
    """The schema and the name of a table."""
    schema, _, plain = table.rpartition(".")
    return schema or "main", plain


def declared_type(kind: Type) -> str:
    return INSTANT if kind == TIMESTAMPTZ else type_name(kind)


def _type(written: str, found: pa.DataType) -> Type | None:
    return TIMESTAMPTZ if written == INSTANT else type_of_arrow(found)


def describe_table(session: DuckdbServerSession, table: str) -> Definition[DuckdbColumn] | None:
    """The table or view with that name; None if it does not exist."""
    schema, plain = schema_and_name(table)
    here = f"lower(schema_name) = {text(schema.lower())} AND lower({{}}_name) = {text(plain.lower())} AND database_name = current_database()"
    found = session.rows(
        f"SELECT table_name, false FROM duckdb_tables() WHERE {here.format('table')} UNION ALL "
        f"SELECT view_name, true FROM duckdb_views() WHERE {here.format('view')}"
    )
    if not found:
        return None
    with as_server_error():
        types = session.cursor.sql(f"SELECT * FROM {qualified(table)} LIMIT 0").to_arrow_table().schema
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


def _collations(session: DuckdbServerSession, here: str) -> dict[str, str]:
    """The collations of a table's columns. With a collation, different texts may be equal."""
    found = {}
    for (statement,) in session.rows(f"SELECT sql FROM duckdb_tables() WHERE {here} AND sql ILIKE '%collate%'"):
        for column in parse_one(statement, dialect="duckdb").find_all(exp.ColumnDef):
            collation = column.find(exp.CollateColumnConstraint)
            detail = collation.this.sql(dialect="duckdb").strip('"').lower() if collation is not None else ""
            if detail and detail not in EXACT:
                found[column.name] = detail
    return found


def mismatches(load: Load, there: Definition[DuckdbColumn], exact: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The columns that do not fit, each with the statement that changes it and a note on what may be lost."""
    table = qualified(there.table)
    if there.is_view:
        yield (
            f"`{there.table}` is a view",
            f"ALTER VIEW {table} RENAME TO {name(schema_and_name(there.table)[1] + '_view')}",
        )
        return
    for item in load.columns:
        found = there.column(item.name)
        if found is None:
            yield (
                f"it has no column `{item.name}`",
                f"ALTER TABLE {table} ADD COLUMN {name(item.name)} {declared_type(item.type)}",
            )
        elif found.is_generated:
            yield (
                f"`{found.name}` is a generated column, and the pipeline publishes values for it",
                f"ALTER TABLE {table} DROP COLUMN {name(found.name)} /* its computed values are lost */; "
                f"ALTER TABLE {table} ADD COLUMN {name(item.name)} {declared_type(item.type)}",
            )
        elif found.type != item.type or found.written not in KEPT_IN.get(item.type.name, found.written):
            yield (
                f"`{found.name}` is {found.written if found.type in (None, item.type) else found.type}, and the pipeline publishes {item.type}",
                f"ALTER TABLE {table} ALTER COLUMN {name(found.name)} TYPE {declared_type(item.type)}{loss_of(found.type, item.type)}",
            )
        elif found.collation and found.name.lower() in exact:
            yield (
                f"`{found.name}` has the collation {found.collation}, which treats different texts as equal",
                f'ALTER TABLE {table} ALTER COLUMN {name(found.name)} TYPE VARCHAR COLLATE "binary"',
            )
    for column in there.columns:
        if column.name not in load.columns and not column.is_generated:
            yield (
                f"it has a column `{column.name}` that is not published",
                f"ALTER TABLE {table} DROP COLUMN {name(column.name)} /* its values are lost */",
            )
