"""A DuckDB session: statements run in this process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from etlrun.contracts.engine import (
    GROUP,
    EngineSession,
    FileColumn,
    InputFiles,
    LinkedFiles,
    ParquetFiles,
    StatementError,
    Workspace,
)
from etlrun.engines._file_values import DUCKDB, WORDS, passed
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.dialects import DUCKDB_SETTINGS
from etlrun.language.duckdb_words import name, only_these_files, parquet, parquet_below, text, type_name
from etlrun.language.functions.places import CONDITIONS
from etlrun.reading.links import as_damaged_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow

SETTINGS: dict[str, str | bool] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # otherwise an unknown name could mean a Python variable of this process
    "preserve_insertion_order": False,
}


def start_session(workspace: Workspace, threads: int | None, memory: str) -> DuckdbSession:
    """Start a session that spills to the workspace."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        **SETTINGS,
        "temp_directory": str(workspace.folder / "spill"),
        "threads": threads or len(os.sched_getaffinity(0)),
    }
    if memory:
        settings["memory_limit"] = memory
    connection = duckdb.connect(":memory:", config=settings)
    for key, value in DUCKDB_SETTINGS.items():
        connection.execute(f"SET {key} = {text(value)}")
    connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    connection.execute("SET enable_geoparquet_conversion = false")  # a column is what its Parquet type says
    return DuckdbSession(connection, workspace.folder)


class DuckdbSession(EngineSession):
    """An open DuckDB session.

    From the first statement of a pipeline on, the connection can open only the files that were registered before and those below
    `folder`. Without a folder, the connection belongs to the caller, who decides what it may open.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path | None = None) -> None:
        self.connection = connection
        self.folder = folder
        self.inputs: list[str] = []
        self.linked: list[LinkedFiles] = []

    def read_files(self, relation: str, columns: Columns, files: Iterable[InputFiles]) -> None:
        files = list(files)
        self.inputs += [path for part in files for path in _opened(part)]
        self.linked += [part for part in files if isinstance(part, LinkedFiles)]
        selects = [_select(columns, part) for part in files] or [_nothing(columns)]
        with self._translated():
            self.connection.execute(f"CREATE OR REPLACE VIEW {name(relation)} AS {' UNION ALL '.join(selects)}")

    def take_rows(self, relation: str, rows: pyarrow.Table) -> None:
        self.connection.register(relation, rows)

    def write(self, statement: str, folder: Path, partition_by: Sequence[str] = ()) -> None:
        folder.mkdir(parents=True)
        self._lock()
        with self._translated():
            self.connection.execute(
                f"COPY ({statement}) TO {text(str(folder))} (FORMAT parquet, PER_THREAD_OUTPUT true, FILE_EXTENSION 'parquet')"
            )

    def fetch(self, statement: str) -> pyarrow.Table:
        self._lock()
        with self._translated():
            return self.connection.sql(statement).to_arrow_table()

    def count_rising(self, relation: str, columns: Sequence[str]) -> tuple[int, int] | None:
        names = enumerate(map(name, columns))
        values = ", ".join(f"{item} AS v{at}, lag({item}) OVER () AS b{at}" for at, item in names)
        rows = f"SELECT {values} FROM {name(relation)}"  # a window without ORDER BY is streamed: it needs no memory
        counts = f"count(*) AS rows, count(*) FILTER (WHERE {_rises(len(columns))}) AS rising"
        (found,) = self.fetch(f"SELECT {counts} FROM ({rows})").to_pylist()
        return found["rows"], found["rising"]

    def _lock(self) -> None:
        """Limit the connection to these files, permanently. The last attempt may have been cancelled between the statements."""
        if self.folder is None:
            return
        folders = dict.fromkeys((str(self.folder), str(self.folder.resolve())))
        with self._translated():
            if self._is_set("enable_external_access"):
                self.connection.execute(only_these_files(folders, self.inputs))
            elif not self._is_set("lock_configuration"):
                self.connection.execute("SET lock_configuration = true")
        self.folder = None

    def _is_set(self, setting: str) -> bool:
        ((found,),) = self.connection.execute(f"SELECT current_setting('{setting}')").fetchall()
        return bool(found)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except duckdb.InterruptException as error:
            raise StatementError("interrupted", "the statement was interrupted") from error
        except duckdb.Error as error:
            detail = _first_line(error)
            found = StatementError(_condition(error, detail), detail)
            error_text = self._unreadable_link() if _is_of_a_file(error, detail) else detail
            raise as_damaged_file(found, error_text, [part.folder for part in self.linked]) from error

    def _unreadable_link(self) -> str:
        """The first link whose file cannot be read alone: DuckDB does not name the file for some kinds of damage."""
        for part in self.linked:
            places = dict.fromkeys(name(column.place[0]) for column in part.columns if column.type != NULL)
            values = ", ".join(f"max(hash({place}))" for place in places) or "count(*)"
            for link in _opened(part):
                try:
                    self.connection.execute(f"SELECT {values} FROM {parquet([link])}").fetchall()
                except duckdb.Error:
                    return link
        return ""

    def progress(self) -> tuple[int, int]:
        share = self.connection.query_progress()
        return (int(share), 100) if share >= 0 else (0, 0)

    def cancel(self) -> None:
        self.connection.interrupt()

    def close(self) -> None:
        self.connection.close()

    @property
    def version(self) -> str:
        return f"duckdb {duckdb.__version__}"


def _opened(part: InputFiles) -> Iterable[str]:
    """The files that are opened to read a part. If a link is allowed, so is its target."""
    if isinstance(part, ParquetFiles):
        return part.paths
    return [str(link) for link in sorted(Path(part.folder).rglob("*.parquet"))]


FILE = "__etlrun_file"
_GROUP = f"CAST(regexp_extract({FILE}, '{GROUP}=([0-9]+)/[^/]*$', 1) AS BIGINT)"


def _select_linked(columns: Columns, part: LinkedFiles) -> str:
    stored, constant = part.divided(columns)
    values = {item.name: _linked_value(item, column) for item, column in zip(stored, part.columns, strict=True)}
    for item, texts in zip(constant, zip(*part.groups, strict=True), strict=True):
        listed = ", ".join("NULL" if value is None else text(value) for value in texts)
        values[item.name] = f"CAST([{listed}] AS {type_name(item.type)}[])[{_GROUP} + 1] AS {name(item.name)}"
    return f"SELECT {', '.join(values[item.name] for item in columns)} FROM {parquet_below(part.folder, int(bool(part.groups)), FILE)}"


def _linked_value(item: Column, column: FileColumn) -> str:
    if column.type == NULL:
        return _null(item)
    value = name(column.place[0])
    for member in column.place[1:]:
        value = f"struct_extract({value}, {text(member)})"
    return f"CAST({passed(value, item.name, column.changes, DUCKDB)} AS {type_name(item.type)}) AS {name(item.name)}"


def _select(columns: Columns, part: InputFiles) -> str:
    if isinstance(part, LinkedFiles):
        return _select_linked(columns, part)
    where = f" WHERE {name(part.marker)} IS NULL" if part.marker else ""
    values = (_null(item) if item.name in part.lacking else _value(item) for item in columns)
    return f"SELECT {', '.join(values)} FROM {parquet(part.paths)}{where}"


def _value(item: Column) -> str:
    return f"CAST({name(item.name)} AS {type_name(item.type)}) AS {name(item.name)}"


def _null(item: Column) -> str:
    return f"CAST(NULL AS {type_name(item.type)}) AS {name(item.name)}"


def _nothing(columns: Columns) -> str:
    return f"SELECT {', '.join(map(_null, columns))} WHERE false"


def _rises(columns: int, at: int = 0) -> str:
    """SQL: whether the values `v` of a row sort after those of the previous row, `b`, from the column `at` on."""
    greater = f"v{at} > b{at}"
    return greater if at == columns - 1 else f"({greater} OR (v{at} = b{at} AND {_rises(columns, at + 1)}))"


def _is_of_a_file(error: duckdb.Error, detail: str) -> bool:
    """Whether DuckDB cannot decode a file, which it does not name."""
    return type(error) is duckdb.Error or re.search(r"Parquet file|corrupt|File is encrypted", detail) is not None


def _condition(error: duckdb.Error, detail: str) -> str:
    """The kind of mistake."""
    if _is_of_a_file(error, detail):
        return "engine"
    if "division by zero" in detail.lower():
        return "division-by-zero"
    if "no such element" in detail:
        return "bad-index"
    if detail in CONDITIONS:
        return CONDITIONS[detail]
    if detail.startswith("Int96 timestamp"):
        return "bad-value"
    if detail.startswith("not of type"):
        return "bad-cast"
    if re.search(
        r"(?i)\b(?:date|timestamp|interval)s? (?:is |value )?out of range|overflow in (?:date|timestamp)", detail
    ):
        return "bad-date"
    too_large = "out of range" in detail or re.match(r"Could not cast value \S+ to DECIMAL", detail)
    if isinstance(error, duckdb.OutOfRangeException) or too_large:
        return "overflow"
    if detail.startswith(tuple(WORDS.values())):
        return "bad-value"
    return "bad-cast" if isinstance(error, duckdb.ConversionException) else "engine"


def _first_line(error: Exception) -> str:
    """The first line of DuckDB's error. If etlrun's SQL raised it by casting a message, that message."""
    detail = str(error).split("\n", 1)[0].split(": ", 1)[-1]
    moment = re.match(r'(date|timestamp) field value out of range: "(.*)"', detail)
    if moment:
        return f"not of type {moment[1]}: {moment[2]}"
    own = re.match(
        rf"[^'\"]*['\"]((?:division by zero|not (?:of type|a \w+ of the form)|there is no such|{'|'.join(CONDITIONS)}).*)['\"]",
        detail,
    )
    return own.group(1) if own else detail
