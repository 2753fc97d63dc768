"""What reading a source gives: its rows as Parquet, and an account of every record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from etlrun.reading.inventory import Inventory
from etlrun.reading.quarantine import LIMIT
from etlrun.spec.database import Database
from etlrun.spec.engine import InputFiles

if TYPE_CHECKING:
    import duckdb

Answer = TypeVar("Answer")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ReadResult:
    """A source that has been read: its rows, and how many records were broken or blank.

    `rows` is None where nobody has counted them yet (Parquet files are read by the engine itself). `rows_of` and `bad_rows_of` are those
    of single files, by path, as far as they are known. `notices` are lines for a person.
    """

    files: tuple[InputFiles, ...]
    rows: int | None = None
    bad_rows: int = 0
    blank: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    samples: tuple[str, ...] = ()  # `file:line: reason` of the first few
    notices: tuple[str, ...] = ()
    rows_of: Mapping[str, int] = field(default_factory=dict)
    bad_rows_of: Mapping[str, int] = field(default_factory=dict)


class Control:
    """How another thread watches and stops a reader that is at work; the reader says on which connection it works."""

    def __init__(self) -> None:
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.database: Database | None = None
        self.share = -1.0  # of the bytes, how many are read; negative where nobody counts them

    def follow(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Watch and stop what runs on this connection."""
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        self.connection = connection

    def follow_database(self, database: Database) -> None:
        """Stop what is read from this database."""
        self.database = database

    def percent(self) -> float:
        """How much of the running statement is done; negative where that is not known."""
        return self.share * 100 if self.share >= 0 else self._ask(lambda connection: connection.query_progress(), -1.0)

    def interrupt(self) -> None:
        """Stop the running statement."""
        if self.database is not None:
            self.database.interrupt()
        self._ask(lambda connection: connection.interrupt(), None)

    def _ask(self, question: Callable[[duckdb.DuckDBPyConnection], Answer], otherwise: Answer) -> Answer:
        import duckdb

        try:
            return question(self.connection) if self.connection is not None else otherwise
        except duckdb.ConnectionException:  # closed meanwhile: the reader is done
            return otherwise


@dataclass(frozen=True)
class ReadRequest:
    """What a source is asked to read: its name, its files, and where its rows and its broken records go.

    `open_database` opens a connection of the profile for reading.
    """

    name: str
    inventory: Inventory
    folder: Path
    quarantine: Path | None
    progress: Progress
    open_database: Callable[[str], Database]
    control: Control = field(default_factory=Control)
    quarantine_limit: int = LIMIT
