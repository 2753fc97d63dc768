"""Explains rows that the server refuses: which rows, and why."""

from __future__ import annotations

import re

from etlrun.connections._mysql.errors import explanation, masked
from etlrun.connections._mysql.tables import MysqlTable, UniqueIndex
from etlrun.connections._mysql.types import CHARSET, COLLATION, WITH_SPACES, MysqlColumn
from etlrun.connections._mysql.words import name, table_name
from etlrun.failures import RunFailure
from etlrun.warehouse.inspection import equal_rows, sample_key, shown_values
from etlrun.warehouse.refusals import CHANGE_ROWS, is_duplicate, not_published, refused_rows
from etlrun.warehouse.server import LoadRefused, ServerError
from etlrun.warehouse.stage import Stage


def refusal(stage: Stage, there: MysqlTable, error: ServerError | LoadRefused) -> RunFailure:
    """The failure of rows that the table refuses."""
    detail = error.detail if isinstance(error, ServerError) else str(error)
    key = _unique_key(there, detail) if is_duplicate(error) else None
    if key is not None:
        return _duplicate(stage, there, not_published(stage), key)
    return refused_rows(stage, error, masked(detail), explanation(int(error.code)) or ("", CHANGE_ROWS))


def _unique_key(there: MysqlTable, detail: str) -> UniqueIndex | None:
    """The unique key that an error names, as `v` or `profile.v`; None for the primary key."""
    found = re.search(r"for key '(?:.*\.)?([^'.]*)'", detail)
    return next((key for key in there.unique if found and key.name.lower() == found[1].lower()), None)


def _duplicate(stage: Stage, there: MysqlTable, named: str, key: UniqueIndex) -> RunFailure:
    shown = f"the unique key `{key.name}` ({key.shown}) of the table"
    drop = f"ALTER TABLE {table_name(there.table)} DROP INDEX {name(key.name)}"
    is_loaded = all(column in stage.load.columns for column in key.columns)
    twins = equal_rows(stage, key.columns) if is_loaded else ""
    if twins:
        return RunFailure(
            "sink",
            "key-not-unique",
            f"{named}: {twins}, and {shown} allows one",
            f"reduce them to one row first, or run: {drop}",
        )
    loose = [column for column in key.columns if (found := there.column(column)) and _is_loose(found)]
    cut = any(key.prefixes)
    pair = nearly_equal_texts(stage, key) if is_loaded and (loose or cut) else ""
    why = "; ".join(filter(None, (_collations(there, loose), _prefixes(key))))
    if pair:
        return RunFailure(
            "sink",
            "key-not-unique",
            f"{named}: two of the new rows are equal in {shown}: {pair}; {why}",
            f"reduce them to one row first, or {f'run: {drop}' if cut else _exactly(there, loose)}",
        )
    return RunFailure(
        "sink",
        "key-exists",
        f"{named}: a new row is equal in {shown} to another new row, or to a row that is not replaced{f'; {why}' if why else ''}",
        f"look for that row in the table; if the unique key should not apply, run: {drop}",
    )


def _is_loose(column: MysqlColumn) -> bool:
    """Whether the column's collation treats different texts as equal."""
    return bool(column.collation) and column.collation not in WITH_SPACES


def _collations(there: MysqlTable, columns: list[str]) -> str:
    found = [column for wanted in columns if (column := there.column(wanted))]
    return "; ".join(
        f"the collation {column.collation} of `{column.name}` ignores "
        + ("spaces at the end" if column.collation == COLLATION else "case, accents or spaces at the end")
        for column in found
    )


def _prefixes(key: UniqueIndex) -> str:
    return "; ".join(
        f"the key holds only the first {most} characters of `{column}`"
        for column, most in zip(key.columns, key.prefixes, strict=True)
        if most
    )


def _exactly(there: MysqlTable, columns: list[str]) -> str:
    """The statement that makes texts that differ in case different, or one that removes trailing spaces."""
    found = [column for wanted in columns if (column := there.column(wanted)) and column.collation != COLLATION]
    changes = ", ".join(
        f"MODIFY COLUMN {name(column.name)} {column.written} CHARACTER SET {CHARSET} COLLATE {COLLATION}"
        + ("" if column.is_nullable else " NOT NULL")
        for column in found
    )
    return f"run: ALTER TABLE {table_name(there.table)} {changes}" if changes else "`trim` the texts"


def nearly_equal_texts(stage: Stage, key: UniqueIndex) -> str:
    """Two rows of the stage whose key texts differ only in case, accents and trailing spaces; empty if none are found."""
    columns = key.columns
    alike = [_folded(stage, column, most) for column, most in zip(columns, key.prefixes, strict=True)]
    known = " AND ".join(f"{value} IS NOT NULL" for value in alike)
    rows = f"SELECT DISTINCT row({', '.join(alike)}) AS alike, {shown_values(stage, columns)} FROM stage WHERE {known}"
    pairs = f"SELECT * FROM ({rows}) QUALIFY count(*) OVER (PARTITION BY alike) > 1"
    found = stage.rows(f"SELECT * FROM ({pairs}) ORDER BY ALL LIMIT 2")
    return " and ".join(sample_key(columns, row[1:]) for row in found)


def _folded(stage: Stage, column: str, most: int) -> str:
    """A value of the stage; of a text its first characters that count, without case, accents and trailing spaces."""
    item, staged = stage.load.columns.get(column), stage.staged(column)
    is_text = item is not None and item.type.name == "string"
    counted = f"left({staged}, {most})" if most else staged
    return f"lower(strip_accents(rtrim({counted}, ' ')))" if is_text else staged
