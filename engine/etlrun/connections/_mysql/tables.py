"""Describes existing tables, writes the CREATE statement of a missing one, and compares a table with the published columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateColumn, CreateTable

from etlrun.connections._mysql.session import MysqlSession
from etlrun.connections._mysql.types import CHARSET, COLLATION, MOST_SCALE, MysqlColumn, key_length, mysql_type
from etlrun.connections._mysql.words import name, names, table_name, text
from etlrun.contracts.connection import Load
from etlrun.language.columns import Column, Columns
from etlrun.warehouse.tables import Definition

_DIALECT = mysql.dialect(paramstyle="named")  # other styles double every `%`
TABLES = ("BASE TABLE", "SYSTEM VERSIONED")  # the second are MariaDB's, which keep deleted rows
PRIMARY = "PRIMARY"
COMMENT, TABLE_COMMENT = 1024, 2048  # characters


@dataclass(frozen=True)
class UniqueIndex:
    """A unique key with the number of first characters that count per column; 0 means all."""

    name: str
    columns: tuple[str, ...]
    prefixes: tuple[int, ...]

    @property
    def shown(self) -> str:
        """Its columns as in CREATE TABLE."""
        return ", ".join(
            f"{column}({most})" if most else column for column, most in zip(self.columns, self.prefixes, strict=True)
        )


@dataclass(frozen=True)
class MysqlTable(Definition[MysqlColumn]):
    """A table or view; `kind` is its TABLE_TYPE, `shown_key` the primary key as in CREATE TABLE."""

    kind: str = "BASE TABLE"
    engine: str = "InnoDB"
    unique: tuple[UniqueIndex, ...] = ()
    shown_key: str = ""

    @property
    def is_table(self) -> bool:
        return self.kind in TABLES


def read_definition(session: MysqlSession, table: str) -> MysqlTable | None:
    """The table or view `table`, in the session's database unless its name has another; None if it does not exist."""
    *schema, table = table.split(".")
    of = f"table_schema = {text(schema[0]) if schema else 'DATABASE()'}"
    here = f"{of} AND table_name = {text(table)}"
    found = {
        row[0]: row
        for row in session.rows(f"SELECT table_name, table_type, engine FROM information_schema.tables WHERE {here}")
    }
    if not found:
        return None
    ignores_case = bool(session.one("SELECT @@lower_case_table_names")[0])
    row = found.get(table) or (next(iter(found.values())) if ignores_case else None)
    if row is None:
        return None
    here = f"{of} AND table_name = {text(row[0])}"
    columns = session.rows(
        "SELECT table_name, column_name, LOWER(data_type), LOWER(column_type), is_nullable, column_default, LOWER(extra), character_maximum_length, "
        f"collation_name, numeric_precision, numeric_scale, datetime_precision FROM information_schema.columns WHERE {here} ORDER BY ordinal_position"
    )
    stored = tuple(_stored(column) for column in columns if column[0] == row[0])
    given = {column.name for column in stored if not column.is_generated or row[1] != "SYSTEM VERSIONED"}
    indexes = _unique_keys(session, here, given)
    primary = indexes.pop(PRIMARY, UniqueIndex(PRIMARY, (), ()))
    full = ".".join((*schema, row[0]))
    unique = tuple(indexes.values())
    return MysqlTable(full, row[1] == "VIEW", stored, primary.columns, row[1], row[2] or "", unique, primary.shown)


def _unique_keys(session: MysqlSession, here: str, given: set[str]) -> dict[str, UniqueIndex]:
    """The unique keys by their names, without the end of a version."""
    found = session.rows(
        "SELECT index_name, column_name, COALESCE(sub_part, 0) FROM information_schema.statistics "
        f"WHERE non_unique = 0 AND {here} ORDER BY index_name, seq_in_index"
    )
    indexes: dict[str, UniqueIndex] = {}
    for index in dict.fromkeys(str(row[0]) for row in found):
        parts = [row[1:] for row in found if row[0] == index and row[1] in given]
        indexes[index] = UniqueIndex(
            index, tuple(str(column) for column, _ in parts), tuple(int(most) for _, most in parts)
        )
    return indexes


def _stored(row: tuple[object, ...]) -> MysqlColumn:
    _, column, kind, written, nullable, default, extra, limit, collation, precision, scale, fraction = row
    is_nullable = nullable == "YES"
    has_default = is_nullable or default is not None or "auto_increment" in str(extra) or "generated" in str(extra)
    is_generated = " generated" in f" {extra}" and "default_generated" not in str(extra)
    numbers = [int(str(number)) if number is not None else 0 for number in (precision, scale, fraction)]
    length = int(str(limit)) if limit is not None else None
    is_zero = kind in ("date", "datetime", "timestamp") and re.search(r"\b0000-|-00\b", str(default))
    return MysqlColumn(
        str(column),
        str(kind),
        str(written),
        is_nullable,
        has_default,
        is_generated,
        length,
        str(collation or ""),
        numbers[0],
        numbers[1],
        numbers[2],
        str(default).strip("'") if is_zero else "",
    )


def create_statement(load: Load, narrow: frozenset[str]) -> str:
    """The statement that creates the table of `load`; texts in `narrow` have a length, so that they can be indexed."""
    *schema, plain = load.table.split(".")
    table = sa.Table(
        plain,
        sa.MetaData(),
        *(_declared(item, load, narrow) for item in load.columns),
        mysql_engine="InnoDB",
        mysql_charset=CHARSET,
        mysql_collate=COLLATION,
        comment=load.description[:TABLE_COMMENT] or None,
        schema=schema[0] if schema else None,
    )
    if load.key:
        table.append_constraint(sa.PrimaryKeyConstraint(*(_spelled(load.columns, key) for key in load.key)))
    return (
        " ".join(str(CreateTable(table, if_not_exists=True).compile(dialect=_DIALECT)).split("\n"))
        .replace("\t", "")
        .strip()
    )


def mismatches(load: Load, there: MysqlTable, narrow: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The reasons why `load` does not fit the existing table, each with the statement that corrects it, in an order in which they work."""
    table = table_name(there.table)
    if not there.is_table:
        kind = there.kind.lower()
        yield f"`{there.table}` is a {kind}", f"RENAME TABLE {table} TO {table_name(f'{there.table}_{kind}')}"
        return
    if there.engine.lower() != "innodb":
        yield f"its engine is {there.engine}, which has no transactions", f"ALTER TABLE {table} ENGINE=InnoDB"
    for item in load.columns:
        found = there.column(item.name)
        if found is None:
            yield f"it has no column `{item.name}`", f"ALTER TABLE {table} ADD COLUMN {written(item, load, narrow)}"
        elif not found.takes(item.type, is_exact=item.name.lower() in narrow):
            shown = f"{found.written}{f' {found.collation}' if found.collation else ''}{' generated' if found.is_generated else ''}"
            yield (
                f"`{found.name}` is {shown}, and the pipeline publishes {item.type}",
                f"ALTER TABLE {table} {_change(found, item, load, narrow)}",
            )
    is_whole = there.shown_key == ", ".join(there.key)
    if load.key and not (is_whole and {key.lower() for key in load.key} == {key.lower() for key in there.key}):
        drop = "DROP PRIMARY KEY, " if there.key else ""
        shown = f"is ({there.shown_key})" if there.key else "is missing"
        keys = tuple(_spelled(load.columns, key) for key in load.key)
        yield (
            f"its primary key {shown}, and the key is ({', '.join(keys)})",
            f"ALTER TABLE {table} {drop}ADD PRIMARY KEY ({names(keys)})",
        )
    for found in there.columns:
        if found.name not in load.columns and (found.zero_default or not found.has_default):
            why = (
                f"has the default {found.zero_default}, which is not a valid date,"
                if found.zero_default
                else "must have a value"
            )
            yield (
                f"it has a column `{found.name}` that {why} and is not published",
                f"ALTER TABLE {table} MODIFY COLUMN {name(found.name)} {found.written}{_collated(found)} NULL",
            )


def _change(found: MysqlColumn, item: Column, load: Load, narrow: frozenset[str]) -> str:
    """The statement that makes an existing column accept the published values, with a note on what may be lost."""
    wanted = written(item, load, narrow)
    if found.is_generated:
        return f"DROP COLUMN {name(found.name)}, ADD COLUMN {wanted} /* its computed values are lost */"
    is_safe = found.fits_into(item.type, _length(item, load, narrow))
    return f"MODIFY COLUMN {wanted}{'' if is_safe else ' /* may cut or round values that are there */'}"


def _collated(found: MysqlColumn) -> str:
    return f" COLLATE {found.collation}" if found.collation else ""


def unfit(columns: Columns) -> Iterator[str]:
    """Columns that MySQL cannot store in any table."""
    for item in columns:
        if item.type.name == "decimal" and item.type.scale > MOST_SCALE:
            yield f"`{item.name}` is {item.type}, and MySQL has at most {MOST_SCALE} digits after the point"
        if item.name.endswith(" "):
            yield f"`{item.name}` cannot name a column in MySQL: there a name does not end with a space"
        if any(ord(character) > 0xFFFF for character in item.name):
            yield f"`{item.name}` cannot name a column in MySQL: there a name has no emoji or other character beyond U+FFFF"


def written(item: Column, load: Load, narrow: frozenset[str]) -> str:
    """The column as in CREATE TABLE and ALTER TABLE."""
    column = _declared(item, load, narrow)
    sa.Table(load.table, sa.MetaData(), column)
    return str(CreateColumn(column).compile(dialect=_DIALECT)).strip()


def _declared(item: Column, load: Load, narrow: frozenset[str]) -> sa.Column[object]:
    return sa.Column(
        item.name,
        mysql_type(item.type, _length(item, load, narrow)),
        nullable=item.name.lower() not in {key.lower() for key in load.key},
        autoincrement=False,
        quote=True,
        comment=item.description[:COMMENT] or None,
    )


def _length(item: Column, load: Load, narrow: frozenset[str]) -> int:
    """The length of the column in a new table, in characters or bytes; 0 for no limit."""
    if item.name.lower() not in narrow:
        return 0
    keys = {key.lower() for key in load.key}
    beside = keys if item.name.lower() in keys else {item.name.lower()}
    return key_length(tuple(column.type for column in load.columns if column.name.lower() in beside))


def _spelled(columns: Columns, wanted: str) -> str:
    found = columns.get(wanted)
    return found.name if found else wanted
