"""One version of a Delta table: its columns, its files with the values of their partitions, and a copy of its rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from etlrun.contracts.source import InputFile
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.lake.table_folder import TableFolder
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import TIMESTAMPTZ, Column, Columns
from etlrun.language.duckdb_words import name, parquet, text, type_name
from etlrun.spec.packages import needing_packages
from etlrun.stopping import cancelling

if TYPE_CHECKING:
    import duckdb
    import pyarrow
    from deltalake import DeltaTable

Follow = Callable[["duckdb.DuckDBPyConnection"], None]  # called with the connection that copies the rows
READABLE = {
    "timestampNtz",
    "v2Checkpoint",
    "vacuumProtocolCheck",
}  # features that change nothing about the rows of a file
FILE = "__etlrun_file"  # the column with the local path of the file of a row
OTHERWISE = "rewrite the table without it, or read a copy of the table"


@dataclass(frozen=True)
class LakeFile:
    """A file of a table: its path as the log of Delta writes it (`%20` for a space), its partition as text, bytes, and the time in ms since 1970."""

    path: str
    partition: Mapping[str, str | None]
    size: int
    modified: int


@dataclass(frozen=True)
class Snapshot:
    """A version of the table in `folder`."""

    folder: TableFolder
    version: int | str
    columns: Columns
    partition_by: tuple[str, ...]
    files: tuple[LakeFile, ...]
    instants: frozenset[str]  # columns with a time zone, in lower case

    def input_files(self) -> tuple[InputFile, ...]:
        """Its files as inputs; files in a store must be downloaded before. Raises RunFailure if one does not exist."""
        return tuple(map(self._input_file, self.files))

    def local_file(self, file: LakeFile, target: Path, columns: Collection[str] | None) -> Path:
        """The local path of a file; `target`, a new copy, if it is in a store. If `columns` are given, the copy may lack others.

        Raises RunFailure if it does not exist.
        """
        path = unquote(file.path)
        with self._existing(path):
            return self.folder.local_file(path, file.size, target, columns)

    def _input_file(self, file: LakeFile) -> InputFile:
        path = unquote(file.path)
        with self._existing(path):
            return self.folder.input_file(path, file.size, file.modified)

    @contextmanager
    def _existing(self, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            message = f"version {self.version} of the table needs a file that does not exist: {self.folder.uri}/{path}"
            raise RunFailure("source", "damaged-file", message, "read a later version, or restore the file") from error


def open_delta(folder: TableFolder, version: int | None = None) -> DeltaTable | None:
    """The Delta table in a folder; None if there is none. Raises RunFailure if it cannot be read."""
    with needing_packages("delta", "`delta`"):
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError
    try:
        return DeltaTable(folder.uri, version=version, storage_options=dict(folder.options) or None)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError, ValueError) as error:
        if (refused := folder.explained(str(error))) is not None:
            raise refused from error
        message = f"the Delta table {folder.uri} cannot be read: {str(error).splitlines()[0]}"
        raise RunFailure("sink", "unreadable-table", message, "check the files in its folder `_delta_log`") from error


def read_snapshot(folder: TableFolder, table: DeltaTable) -> Snapshot:
    """Read a version. Raises RunFailure if its rows are not simply those of its files."""
    root = folder.uri
    _refuse_features(root, table)
    columns, instants = [], set()
    for field in _arrow_schema(table):
        if str(field.type).startswith("timestamp[us, tz="):
            instants.add(field.name.lower())
        kind = type_of_arrow(_without_zone(field.type))
        if field.name.lower() in instants:
            kind = TIMESTAMPTZ
        if kind is None:
            raise _unreadable(root, f"its column `{field.name}` is {field.type}")
        columns.append(Column(field.name, kind, field.nullable))
    files = tuple(files_of(table))
    outside = next((file.path for file in files if ":" in file.path.split("/")[0] or file.path.startswith("/")), None)
    if outside is not None:
        raise _unreadable(root, f"it has the file {outside} outside its folder")
    keys = tuple(table.metadata().partition_columns)
    return Snapshot(folder, table.version(), Columns(tuple(columns)), keys, files, frozenset(instants))


def files_of(table: DeltaTable) -> Iterator[LakeFile]:
    import pyarrow as pa

    prefix = "partition."
    for row in pa.table(table.get_add_actions(flatten=True)).to_pylist():
        values = {key.removeprefix(prefix): _text(value) for key, value in row.items() if key.startswith(prefix)}
        yield LakeFile(str(row["path"]), values, int(row["size_bytes"]), int(row["modification_time"] or 0))


def copy_rows(
    snapshot: Snapshot, paths: Sequence[str], columns: Columns, target: Path, follow: Follow = lambda _: None
) -> int:
    """Copy the rows of a version into the Parquet file `target`, in the types of `columns`; returns their number. Raises RunFailure.

    `paths` are the local paths of its files.
    """
    import duckdb

    try:
        with duckdb.connect() as connection, cancelling(connection.interrupt):
            follow(connection)
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(
                f"COPY ({select_rows(connection, snapshot, paths, columns)}) TO {text(str(target))} (FORMAT parquet)"
            )
            rows = int(found.fetchall()[0][0])
            _refuse_nulls(connection, snapshot, columns, target)
            return rows
    except duckdb.Error as error:
        raise _unreadable(snapshot.folder.uri, str(error).splitlines()[0]) from error


def _refuse_nulls(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, columns: Columns, target: Path) -> None:
    """Raises RunFailure for a column that is declared `not null` and has nulls."""
    required = [item.name for item in columns if not item.nullable]
    counts = ", ".join(f"count_if({name(column)} IS NULL)" for column in required) or "0"
    nulls = connection.execute(f"SELECT {counts} FROM {parquet([target])}").fetchall()[0]
    for column, count in zip(required, nulls, strict=False):
        if count:
            raise null_found(snapshot, column, count)


def null_found(snapshot: Snapshot, column: str, rows: int) -> RunFailure:
    """The failure of nulls in a column that is declared `not null`."""
    message = f"{snapshot.folder.uri}: `{column}` is null in {counted(rows, 'row')}, but `not null` is declared"
    return RunFailure("source", "wrong-columns", message, f"declare `{column}` without `not null`")


def select_rows(
    connection: duckdb.DuckDBPyConnection,
    snapshot: Snapshot,
    paths: Sequence[str],
    columns: Columns,
    *,
    with_file: bool = False,
) -> str:
    """The SELECT of the rows of a version, in the types of `columns`; `paths` are the local paths of its files.

    Partition values come from a temporary table of the files. With `with_file`, the column FILE is the path.
    """
    if not paths:
        return f"SELECT {', '.join([*map(_null, columns), *([f'NULL AS {FILE}'] if with_file else [])])} WHERE false"
    keys = {key.lower(): f"p{number}" for number, key in enumerate(snapshot.partition_by)}
    columns_of_files = [
        list(paths),
        *([file.partition.get(key) for file in snapshot.files] for key in snapshot.partition_by),
    ]
    texts = ", ".join(f"unnest(CAST(? AS VARCHAR[])) AS {at}" for at in ("path", *keys.values()))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE parts AS SELECT {texts}", columns_of_files)
    source = parquet(paths).removesuffix(")") + f", union_by_name = true, filename = '{FILE}')"
    there = {str(row[0]).lower() for row in connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    values = ", ".join([*(_value(item, keys, there) for item in columns), *([f"f.{FILE}"] if with_file else [])])
    return f"SELECT {values} FROM {source} f JOIN parts p ON f.{FILE} = p.path"


def _value(item: Column, keys: Mapping[str, str], there: set[str]) -> str:
    lower = item.name.lower()
    if lower not in keys and lower not in there:
        return _null(item)
    value = f"p.{keys[lower]}" if lower in keys else f"f.{name(item.name)}"
    return f"CAST({value} AS {type_name(item.type)}) AS {name(item.name)}"


def _null(item: Column) -> str:
    return f"CAST(NULL AS {type_name(item.type)}) AS {name(item.name)}"


def _refuse_features(root: str, table: DeltaTable) -> None:
    protocol, configuration = table.protocol(), table.metadata().configuration
    unknown = sorted(set(protocol.reader_features or ()) - READABLE)
    if unknown:
        raise _unreadable(root, f"its rows are stored with {', '.join(unknown)}, which etlrun does not read")
    mapped = configuration.get("delta.columnMapping.mode", "none")
    if mapped != "none":
        raise _unreadable(root, f"its columns are stored under other names (`delta.columnMapping.mode` is {mapped})")


def _unreadable(root: str, why: str) -> RunFailure:
    return RunFailure("source", "unreadable-table", f"the Delta table {root} cannot be read: {why}", OTHERWISE)


def _arrow_schema(table: DeltaTable) -> pyarrow.Schema:
    import pyarrow as pa

    return pa.schema(table.schema().to_arrow())


def _without_zone(kind: pyarrow.DataType) -> pyarrow.DataType:
    import pyarrow as pa

    return pa.timestamp("us") if pa.types.is_timestamp(kind) else kind


def _text(value: Any) -> str | None:
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)
