"""`merge_newer`: an older row never replaces a newer one. Finds the rows of a stage that are newer than those in the table.

The column that says so is read from the table with the key, and the rows that are not newer are left out of the stage. The publish
refuses what is left where another run has published to the table since it was read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from etlrun.contracts.connection import Database, Load
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet, text, type_name
from etlrun.stopping import cancelling
from etlrun.warehouse.ledger import table_key
from etlrun.warehouse.row_versions import refuse_equal_keys


def with_newer_rows(database: Database, load: Load, folder: Path) -> Load:
    """`load` with only the rows that are newer than the rows with their key in the table, or whose key is not there. Raises RunFailure."""
    if not load.newer:
        return load
    follows = tuple(sorted(each.run_id for each in database.entries() if each.table == table_key(load.table)))
    if load.run_id in follows or database.mismatches(load):  # the publish finds it there, or says what does not fit
        return load
    folder.mkdir()
    is_there = database.columns(load.table) is not None
    known = Columns(tuple(item for item in load.columns if item.name.lower() in _compared(load)))
    before = database.copy(load.table, known, folder).files if is_there else ()
    path = folder / "newer.parquet"
    with duckdb.connect(config={"temp_directory": str(folder)}) as connection, cancelling(connection.interrupt):
        rows = _write(connection, load, known, before, path)
    return replace(load, files=(path,), rows=rows, follows=follows)


def _compared(load: Load) -> set[str]:
    return {found.lower() for found in (*load.key, load.newer)}


def _write(
    connection: duckdb.DuckDBPyConnection, load: Load, known: Columns, before: tuple[Path, ...], path: Path
) -> int:
    """Write the newer rows; returns their number. Raises RunFailure if several rows have the same key."""
    for view, columns, files in (("new", load.columns, load.files), ("old", known, before)):
        values = (
            f"CAST({name(it.name) if files else 'NULL'} AS {type_name(it.type)}) AS {name(it.name)}" for it in columns
        )
        rows = f"FROM {parquet(files)}" if files else "WHERE false"
        connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(values)} {rows}")
    refuse_equal_keys(connection, load, load.key)
    same = " AND ".join(f"old.{name(key)} IS NOT DISTINCT FROM new.{name(key)}" for key in load.key)
    column = name(load.newer)
    is_kept = f"old.{column} >= new.{column} OR new.{column} IS NULL"
    newer = f"SELECT new.* FROM new ANTI JOIN old ON {same} AND ({is_kept})"
    connection.execute(f"COPY ({newer}) TO {text(str(path))} (FORMAT parquet)")
    ((rows,),) = connection.execute(f"SELECT count(*) FROM {parquet((path,))}").fetchall()
    return int(rows)
