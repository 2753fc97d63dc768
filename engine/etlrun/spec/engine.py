"""What an engine is: a kind in the profile, and the session that runs statements for one pipeline."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from etlrun.failures import without_personal
from etlrun.language.columns import Columns
from etlrun.spec.database import Finding
from etlrun.spec.fields import Described

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files of one source with the same day (None where the source has no days, or the files hold the day).

    Rows whose column `marker` (a text) is not null are no rows of the source. `names` gives columns that the files name otherwise.
    Where the files are `ours` they hold the declared types exactly, so that nobody needs to look.
    """

    paths: tuple[str, ...]
    date: datetime.date | None = None
    marker: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False

    def name_in_file(self, column: str) -> str:
        return self.names.get(column, column)


@dataclass(frozen=True)
class Workspace:
    """Where a session may write: its own log, and files that must not outlive the run."""

    folder: Path

    @property
    def fleeting(self) -> Path:
        """A folder, which may be missing yet, that is gone after the run, and before the next one where the run was killed."""
        return self.folder / "work"


class StatementError(Exception):
    """A statement that the engine could not finish.

    `offset` points into the statement's text where the engine tells, `condition` is the kind of mistake (`overflow`,
    `division-by-zero`, `bad-cast`, `bad-index`, `interrupted`, `engine`), and `detail` what the engine said, in one line,
    without what could tell who a row is about.
    """

    def __init__(self, condition: str, detail: str, offset: int | None = None) -> None:
        self.detail = without_personal(detail)
        super().__init__(self.detail)
        self.condition = condition
        self.offset = offset


class Session(ABC):
    """An engine at work. Statements read relations by name; results leave as Parquet or as Arrow."""

    @abstractmethod
    def read_files(self, name: str, columns: Columns, files: Iterable[ParquetFiles]) -> None:
        """Define the relation `name` as the rows of Parquet files, cast to the declared columns."""

    @abstractmethod
    def take_rows(self, name: str, rows: pyarrow.Table) -> None:
        """Define the relation `name` as these rows, whatever it was before."""

    @abstractmethod
    def write(self, statement: str, folder: Path) -> None:
        """Write the rows of a statement as Parquet files into the new folder `folder`. Raises StatementError."""

    @abstractmethod
    def fetch(self, statement: str) -> pyarrow.Table:
        """The rows of a statement that gives few. Raises StatementError."""

    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How many of how many parts of the running statement are done; (0, 0) where that is not known. For another thread."""

    @abstractmethod
    def cancel(self) -> None:
        """Stop what runs, from another thread."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine's name and version."""


class Engine(Described):
    """An engine of a profile. `dialect` is the name of its SQL: `spark` or `duckdb`."""

    dialect: ClassVar[str]

    def start(self, workspace: Workspace, environment: Callable[[str], str]) -> Session:
        """A session; `environment` fills in `${NAME}`. Raises RunFailure where the engine cannot start."""
        raise NotImplementedError

    def examine(self) -> Iterator[Finding]:
        """What `etlrun doctor` tells of the engine, without starting it. Raises RunFailure for what stands in the way."""
        return iter(())
