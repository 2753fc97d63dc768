"""Slowly changing dimensions of type 2 (`write: scd2`): the versions that a snapshot adds to a table, and those that it ends.

The snapshot is compared with the versions that are current in the table. What comes of it is a `merge`: new versions, and those that end, by
key and `valid_from`. The publish refuses it where another run has published to the table since it was read.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb

from etlrun.contracts.connection import Database, Load, RowVersions
from etlrun.failures import RunFailure
from etlrun.language.duckdb_words import name, parquet, text, type_name
from etlrun.stopping import cancelling
from etlrun.warehouse.inspection import sample_key
from etlrun.warehouse.ledger import table_key


def with_versions(database: Database, load: Load, folder: Path) -> Load:
    """`load` with the versions that its snapshot starts and ends, instead of the snapshot. Raises RunFailure."""
    history = load.history
    if history is None:
        return load
    follows = tuple(sorted(each.run_id for each in database.entries() if each.table == table_key(load.table)))
    if load.run_id in follows or database.mismatches(
        load
    ):  # it is published already; or the publish says what does not fit
        return replace(load, files=(), rows=0)
    folder.mkdir()
    is_there = database.columns(load.table) is not None
    before = database.copy(load.table, load.columns, folder).files if is_there else ()
    path = folder / "versions.parquet"
    with duckdb.connect(config={"temp_directory": str(folder)}) as connection, cancelling(connection.interrupt):
        rows = _Comparison(connection, load, history, before).write(path)
    return replace(load, files=(path,), rows=rows, follows=follows)


class _Comparison:
    """A comparison of a snapshot, `new`, with the versions in the table, `old`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, load: Load, history: RowVersions, before: tuple[Path, ...]
    ) -> None:
        self.connection = connection
        self.load = load
        self.history = history
        self.validity = (history.valid_from, history.valid_to, history.is_current)
        self.names = [item.name for item in load.columns if item.name not in self.validity]
        self.at = f"CAST({history.at} AS TIMESTAMP)"
        self._view("new", load.files, self.names)
        self._view("old", before, [*self.names, *self.validity])

    def _view(self, view: str, files: tuple[Path, ...], names: list[str]) -> None:
        kinds = {item.name: type_name(item.type) for item in self.load.columns}
        values = (f"CAST({name(each) if files else 'NULL'} AS {kinds[each]}) AS {name(each)}" for each in names)
        rows = f"FROM {parquet(files)}" if files else "WHERE false"
        self.connection.execute(f"CREATE VIEW {view} AS SELECT {', '.join(values)} {rows}")

    def write(self, path: Path) -> int:
        """Write the versions that start or end; returns their number. Raises RunFailure."""
        refuse_equal_keys(self.connection, self.load, self.history.key)
        self._refuse_the_past()
        self.connection.execute(f"COPY ({self._versions()}) TO {text(str(path))} (FORMAT parquet)")
        ((rows,),) = self.connection.execute(f"SELECT count(*) FROM {parquet((path,))}").fetchall()
        return int(rows)

    def _versions(self) -> str:
        begins, ends, current = map(name, self.validity)
        same = " AND ".join(f"old.{name(key)} IS NOT DISTINCT FROM new.{name(key)}" for key in self.history.key)
        keys = {key.lower() for key in self.history.key}
        tracked = self.history.tracked or tuple(each for each in self.names if each.lower() not in keys)
        differs = " OR ".join(f"old.{name(each)} IS DISTINCT FROM new.{name(each)}" for each in tracked) or "false"
        new, old = (", ".join(f"{side}.{name(each)}" for each in self.names) for side in ("new", "old"))
        now = f"(SELECT * FROM old WHERE {current}) AS old"
        ended = f"SELECT {old}, old.{begins}, {self.at} AS {ends}, false AS {current} FROM {now}"
        parts = [
            f"SELECT {new}, {self.at} AS {begins}, CAST(NULL AS TIMESTAMP) AS {ends}, true AS {current} "
            f"FROM new LEFT JOIN {now} ON {same} WHERE old.{current} IS NULL OR {differs}",
            f"{ended} JOIN new ON {same} WHERE ({differs}) AND old.{begins} < {self.at}",
        ]
        if self.history.ends_missing:
            parts.append(f"{ended} ANTI JOIN new ON {same}")
        return " UNION ALL ".join(parts)

    def _refuse_the_past(self) -> None:
        begins, ends, _ = map(name, self.validity)
        ((latest, at, is_past),) = self.connection.execute(
            f"SELECT CAST(latest AS VARCHAR), CAST({self.at} AS VARCHAR), latest > {self.at} "
            f"FROM (SELECT greatest(max({begins}), max({ends})) AS latest FROM old)"
        ).fetchall()
        if is_past:
            message = f"the table `{self.load.table}` was not published: it already has versions from {latest}, and the new rows are from {at}"
            raise RunFailure(
                "sink",
                "older-versions",
                message,
                "versions can only be added in the order of time: run earlier times first, or set `as_of` to a later time",
            )


def refuse_equal_keys(connection: duckdb.DuckDBPyConnection, load: Load, keys: tuple[str, ...]) -> None:
    """Raises RunFailure where rows of the view `new` share their key."""
    shown = ", ".join(f"CAST({name(key)} AS VARCHAR)" for key in keys)
    groups = f"GROUP BY {', '.join(map(name, keys))} HAVING count(*) > 1 ORDER BY ALL LIMIT 1"
    found = connection.execute(f"SELECT {shown}, count(*) FROM new {groups}").fetchall()
    if found:
        *values, count = found[0]
        message = f"the table `{load.table}` was not published: {count:,} rows have {sample_key(keys, tuple(values))}"
        raise RunFailure(
            "sink", "key-not-unique", message, "reduce them to one row first, with `top`, `dedupe` or `aggregate`"
        )
