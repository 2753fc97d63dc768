"""What the errors of DuckDB mean to a publish, and what to do about a damaged file."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from etlrun.failures import NO_ROOM, without_personal
from etlrun.warehouse.server import ErrorKind, ServerError

DAMAGED = re.compile(
    r"Corrupt database file|IO Error: Could not read enough bytes|IO Error: The file .* is not a valid DuckDB database file"
)


def restore(path: Path) -> str:
    moved = f"mv {shlex.quote(str(path))} {shlex.quote(str(path) + '.damaged')}"
    return f"restore it from a backup; or move it away, and the next run creates a new one: {moved}"


@contextmanager
def as_server_error() -> Iterator[None]:
    try:
        yield
    except duckdb.Error as error:
        raise ServerError(type(error).__name__, detail_of(error), kind_of(error)) from error


def kind_of(error: duckdb.Error) -> ErrorKind:
    detail = detail_of(error)
    if isinstance(error, duckdb.TransactionException):
        return "other" if is_full(detail) else "transient"
    if not isinstance(error, duckdb.ConstraintException) or "still referenced" in detail:
        return "other"
    return "duplicate" if "uplicate key" in detail else "refused"


def is_full(detail: str) -> bool:
    return any(sign in detail for sign in NO_ROOM)


def detail_of(error: Exception) -> str:
    return without_personal(str(error).split("\n", 1)[0])
