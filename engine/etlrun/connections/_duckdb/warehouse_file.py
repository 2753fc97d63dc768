"""Opens a DuckDB file. Only one process can use it at a time; files that are not DuckDB files are refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import duckdb

from etlrun.connections._duckdb.errors import DAMAGED, restore
from etlrun.connections._duckdb.server import DuckdbServer
from etlrun.contracts.connection import Load, Published
from etlrun.failures import RunFailure
from etlrun.language.dialects import DUCKDB_SETTINGS
from etlrun.language.duckdb_words import only_these_files, text
from etlrun.private import new_files_as
from etlrun.stopping import pause
from etlrun.warehouse.database import Warehouse
from etlrun.warehouse.turns import take_turn

WAIT_SECONDS = 10.0  # for another process that has the file open


def open_warehouse(connection: str, path: Path, *, writing: bool) -> DuckdbWarehouse:
    """Open the file at `path`; for writing, it is created if it is missing. Raises RunFailure."""
    if "?" in str(path):
        message = f"connection `{connection}`: DuckDB cannot keep a database in a path with a `?`: {path}"
        raise RunFailure("connection", "bad-file-name", message, "rename the folder, or choose another `path:`")
    if not writing and not path.exists():
        raise RunFailure(
            "connection",
            "connection-missing",
            f"connection `{connection}`: there is no file {path}",
            "run a pipeline that publishes to it first, or correct `path:`",
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
    """Raises RunFailure for other files: DuckDB would wait for a pipe, and look for an extension to read a SQLite file."""
    try:
        if not path.exists():
            return
        is_file = path.is_file()
        with open(path, "rb") if is_file else nullcontext() as file:
            start = file.read(12) if file is not None else b""
    except OSError:
        return  # DuckDB reports the reason
    if not is_file:
        message = f"connection `{connection}`: {path} is not a file"
        raise RunFailure("connection", "connection-failed", message, "choose another `path:`")
    if start[8:] != MAGIC:
        raise _damaged(connection, path, "its first bytes are not those of a DuckDB file")


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
    """Set a database's settings once: all connections of this process to the file share them."""
    ((is_settled,),) = opened.execute("SELECT current_setting('lock_configuration')").fetchall()
    if is_settled:
        return
    for setting, value in DUCKDB_SETTINGS.items():
        opened.execute(f"SET GLOBAL {setting} = {text(value)}")
    opened.execute("SET GLOBAL TimeZone = 'UTC'")  # the time zone in which instants arrive
    opened.execute(only_these_files((), (str(path),)))


MAGIC = b"DUCK"  # from the ninth byte of a file on
_BUSY = "IO Error: Could not set lock on file "


def _is_busy(error: duckdb.Error) -> bool:
    """Whether another process has the file open. Words in the file's name do not count."""
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
            "wait until that process has ended, or close it",
        )
    if DAMAGED.match(detail):
        return _damaged(connection, path, detail)
    return RunFailure(
        "connection",
        "connection-failed",
        f"connection `{connection}`: {path} cannot be opened ({detail})",
        "check the path and its permissions",
    )


def _damaged(connection: str, path: Path, detail: str) -> RunFailure:
    message = f"connection `{connection}`: {path} is damaged, or is not a DuckDB file ({detail})"
    return RunFailure("connection", "connection-damaged", message, restore(path))


class DuckdbWarehouse(Warehouse):
    """An open DuckDB file."""

    def __init__(self, label: str, server: DuckdbServer, path: Path, end_turn: Callable[[], None]) -> None:
        super().__init__(label, server)
        self.end_turn = end_turn
        self.connection = server.connection
        self.path = path

    def publish(self, load: Load) -> Published:
        with new_files_as(self.path):  # DuckDB writes data that is not in the file yet to a file next to it
            return super().publish(load)

    def close(self) -> None:
        super().close()
        self.connection.close()
        self.end_turn()
        self.end_turn = lambda: None
