"""The interface of direct aggregation: a reader of text aggregates rows in the statement that reads them, without writing them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etlrun.contracts.engine import InputFiles
from etlrun.language.columns import Columns

if TYPE_CHECKING:
    import duckdb
    import pyarrow


class DuckdbStatements(Protocol):
    """A session of DuckDB. From its first statement on, it can open only the files `inputs` and those of the run."""

    connection: duckdb.DuckDBPyConnection
    inputs: list[str]

    def read_files(self, name: str, columns: Columns, files: Iterable[InputFiles]) -> None: ...

    def write(self, statement: str, folder: Path) -> None: ...

    def fetch(self, statement: str) -> pyarrow.Table: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class DirectAggregation:
    """A statement of DuckDB over the rows of a source, which are the relation `name`; `start` starts a session for it."""

    name: str
    statement: str
    start: Callable[[], DuckdbStatements]
