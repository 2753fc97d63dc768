"""A DuckDB session: statements run in this process."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import DUCKDB_SETTINGS
from etlrun.language.duckdb_words import name, only_these_files, parquet, text, type_name
from etlrun.spec.engine import ParquetFiles, Session, StatementError, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow

SETTINGS: dict[str, str | bool] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,  # else a name that no relation has could be a variable of this process
    "preserve_insertion_order": False,
}


def start_session(workspace: Workspace, threads: int | None, memory: str) -> DuckdbSession:
    """A session whose overflow goes to the workspace."""
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
    return DuckdbSession(connection, workspace.folder)


class DuckdbSession(Session):
    """DuckDB at work.

    From the first statement of a pipeline on, the connection opens nothing but the files it was given until then and what is below
    `folder`; without a folder it belongs to somebody else, who says what it may open.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path | None = None) -> None:
        self.connection = connection
        self.folder = folder
        self.inputs: list[str] = []

    def read_files(self, relation: str, columns: Columns, files: Iterable[ParquetFiles]) -> None:
        files = list(files)
        self.inputs += [path for part in files for path in part.paths]
        selects = [_select(columns, part) for part in files if part.paths] or [_nothing(columns)]
        self.connection.execute(f"CREATE OR REPLACE VIEW {name(relation)} AS {' UNION ALL '.join(selects)}")

    def take_rows(self, relation: str, rows: pyarrow.Table) -> None:
        self.connection.register(relation, rows)

    def write(self, statement: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._lock()
        with _translated():
            self.connection.execute(
                f"COPY ({statement}) TO {text(str(folder))} (FORMAT parquet, PER_THREAD_OUTPUT true, FILE_EXTENSION 'parquet')"
            )

    def fetch(self, statement: str) -> pyarrow.Table:
        self._lock()
        with _translated():
            return self.connection.sql(statement).to_arrow_table()

    def _lock(self) -> None:
        if self.folder is not None:
            folders = dict.fromkeys((str(self.folder), str(self.folder.resolve())))
            self.connection.execute(only_these_files(folders, self.inputs))
            self.folder = None

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


def _select(columns: Columns, part: ParquetFiles) -> str:
    where = f" WHERE {name(part.marker)} IS NULL" if part.marker else ""
    return f"SELECT {', '.join(_value(item, part) for item in columns)} FROM {parquet(part.paths)}{where}"


def _value(item: Column, part: ParquetFiles) -> str:
    if item.domain is not None and part.date is not None and item.name not in part.names:
        return f"DATE {text(str(part.date))} AS {name(item.name)}"
    return f"CAST({name(part.name_in_file(item.name))} AS {type_name(item.type)}) AS {name(item.name)}"


def _nothing(columns: Columns) -> str:
    values = (f"CAST(NULL AS {type_name(item.type)}) AS {name(item.name)}" for item in columns)
    return f"SELECT {', '.join(values)} WHERE false"


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise StatementError("interrupted", "the statement was interrupted") from error
    except duckdb.Error as error:
        detail = _first_line(error)
        raise StatementError(_condition(error, detail), detail) from error


def _condition(error: duckdb.Error, detail: str) -> str:
    """The kind of mistake."""
    if "division by zero" in detail.lower():
        return "division-by-zero"
    if "no such element" in detail:
        return "bad-index"
    if isinstance(error, duckdb.OutOfRangeException) or "out of range" in detail:
        return "overflow"
    return "bad-cast" if isinstance(error, duckdb.ConversionException) else "engine"


def _first_line(error: Exception) -> str:
    """What DuckDB says; where our SQL makes an error by casting the words that tell of it, those words."""
    said = str(error).split("\n", 1)[0].split(": ", 1)[-1]
    own = re.match(r"Could not convert string '((?:division by zero|not of type|there is no such).*)' to \w+$", said)
    return own.group(1) if own else said
