"""The interface of engines: the settings in the profile, and the session that runs the statements of one pipeline."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from etlrun.contracts.health import HealthFinding
from etlrun.failures import without_personal
from etlrun.language.columns import NULL, Column, Columns, Type
from etlrun.spec.fields import Described
from etlrun.storage.staging_area import StagingArea

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class ParquetFiles:
    """Parquet files that etlrun has written: they hold the declared columns in their types, except the columns `lacking`, which are null.

    Rows whose text column `marker` is not null do not belong to the source. `digests` are the SHA-256 of the files, nothing if they are not known.
    """

    paths: tuple[str, ...]
    marker: str = ""
    lacking: frozenset[str] = frozenset()
    digests: tuple[str, ...] = ()

    @property
    def digest_by_path(self) -> Mapping[str, str]:
        """The SHA-256 of each file by its path; empty texts if they are not known."""
        return dict(zip(self.paths, self.digests or ("",) * len(self.paths), strict=True))


Change = Literal["fits_double", "nanoseconds", "instant", "julian_date", "after_1900", "required"]


@dataclass(frozen=True)
class FileColumn:
    """How a column is read from Parquet files that others have written.

    `place` is its name there and those of the members of structs that lead to it; nothing where the files lack it. `type` is its type
    there, and `changes` is what its values pass through, in this order, before they are cast to the declared type.
    """

    place: tuple[str, ...]
    type: Type
    changes: tuple[Change, ...] = ()


GROUP = "__etlrun_group"
FAILED = "__etlrun_failed"
ABSENT = FileColumn((), NULL)


@dataclass(frozen=True)
class LinkedFiles:
    """Parquet files of a source with the same layout, linked into `folder`; `columns` are in the order of the relation.

    The relation has further columns, each of one value in all rows of a file, where there are `groups`: the values of those columns as text, or
    None for null. The links to the files with the values `groups[12]` are in the folder `__etlrun_group=12`. `constants` are the names of
    these columns; default: the last columns of the relation.
    """

    folder: str
    columns: tuple[FileColumn, ...]
    groups: tuple[tuple[str | None, ...], ...] = ()
    constants: frozenset[str] = frozenset()

    def divided(self, columns: Columns) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
        """The columns of the relation that the files store, and those whose values are in `groups`."""
        count = len(self.columns)
        names = self.constants or frozenset(item.name for item in columns.items[count:])
        stored = tuple(item for item in columns if item.name not in names)
        return stored, tuple(item for item in columns if item.name in names)


InputFiles = ParquetFiles | LinkedFiles


@dataclass(frozen=True)
class WrittenFile:
    """A Parquet file that tasks wrote into the staging area: the path where a copy of it belongs, its rows, its size in bytes, the SHA-256 of
    its bytes, the sum of the digests of its rows (`row_digests`), and the store's tag for it. All its rows have the values `partition`, as text,
    where a statement was written by partitions."""

    path: str
    rows: int
    size: int
    sha256: str
    checksum: int
    tag: str = ""
    partition: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenFiles:
    """The files of a statement's result in the staging area, and the smallest report in the column FAILED."""

    files: tuple[WrittenFile, ...]
    report: str = ""


@dataclass(frozen=True)
class Workspace:
    """Where a session may write: its log, and temporary files of the run. With a staging `area`, its executors do not see this folder."""

    folder: Path
    area: StagingArea | None = None

    @property
    def fleeting(self) -> Path:
        """A temporary folder, which may not exist yet. It is removed after the run, or before the next run if this run was killed."""
        return self.folder / "work"


_OUTER_TYPE = re.compile(
    r"not of type [^:]+: (?=not (?:of type|an? \w+ of the form) )"
)  # of a cast around another one, which read the text
_MISFIT = re.compile(r"not ((?:of type|an? \w+ of the form) .+?): (.*)", re.DOTALL)


class StatementError(Exception):
    """A statement that the engine could not finish.

    `offset` points into the statement's text where the engine tells, `condition` is the kind of mistake (`overflow`,
    `division-by-zero`, `bad-cast`, `bad-date`, `bad-index`, `text-too-long`, `array-too-long`, `bad-value`,
    `damaged-file`, `wrong-format`, `interrupted`, `engine`), and `detail` what the engine said, in one line,
    without what could tell who a row is about. `source` is the source whose file is damaged.
    """

    def __init__(self, condition: str, detail: str, offset: int | None = None, source: str = "") -> None:
        self.detail = _MISFIT.sub(r"`\2` is not \1", without_personal(_OUTER_TYPE.sub("", detail)))
        super().__init__(self.detail)
        self.condition = condition
        self.offset = offset
        self.source = source


@dataclass(frozen=True)
class SentFunction:
    """A function that executors call with the rows of each partition, which have the columns `given`; it yields rows with `columns`.

    `modules` are the files of the project that it imports, by path below the project's folder, and `hidden` the environment variables that
    it must not see, with those whose names look like a secret.
    """

    reference: str
    modules: Mapping[str, bytes]
    given: Columns
    columns: Columns
    hidden: frozenset[str]


class EngineSession(ABC):
    """A running engine. Statements read relations by name; results are Parquet files or Arrow data.

    `has_executors` says that functions can run on its executors.
    """

    has_executors: ClassVar[bool] = False

    @abstractmethod
    def read_files(self, name: str, columns: Columns, files: Iterable[InputFiles]) -> None:
        """Define the relation `name` as the rows of Parquet files, cast to the declared columns."""

    @abstractmethod
    def take_rows(self, name: str, rows: pyarrow.Table) -> None:
        """Define or replace the relation `name` with these rows."""

    @abstractmethod
    def write(self, statement: str, folder: Path, partition_by: Sequence[str] = ()) -> WrittenFiles | None:
        """Write the rows of a statement as Parquet files into the new folder `folder`. Raises StatementError.

        If executors write them into the staging area, the folder stays empty, and the result lists the files. Only then each file holds one
        partition by the columns `partition_by`.
        """

    @abstractmethod
    def fetch(self, statement: str) -> pyarrow.Table:
        """The rows of a statement with a small result. Raises StatementError."""

    def count_rising(self, relation: str, columns: Sequence[str]) -> tuple[int, int] | None:
        """How many rows a relation has, and how many of them have greater values in `columns`, as a tuple, than the row before; null is no
        value. The rows may come in any order, each once: where all but the first are greater, no two are equal. Raises StatementError.

        None where this costs the engine as much as a look for equal rows.
        """
        return None

    def run_tasks(self, payload: bytes, count: int) -> list[str]:
        """What `etlrun.reading.slice_task.answer(payload, number)` gives for each number below `count`, in order.

        Each runs in a process of the engine's own, on any of its machines, perhaps more than once. Raises StatementError, and RunFailure
        where a machine lacks what it needs.
        """
        raise NotImplementedError

    def write_applied(self, statement: str, function: SentFunction, folder: Path) -> WrittenFiles | None:
        """Write the rows of a statement, after a function, as Parquet files into the new folder `folder`; the result is that of `write`.

        The files also have the text column FAILED: in rows that are not of the function it is the report of a failure, as JSON. Raises
        StatementError; RunFailure if an executor lacks what it needs or the function ends its process.
        """
        raise NotImplementedError

    @abstractmethod
    def progress(self) -> tuple[int, int]:
        """How many of how many parts of the running statement are done; (0, 0) where that is not known. For another thread."""

    @abstractmethod
    def cancel(self) -> None:
        """Stop the running statement; called from another thread."""

    @abstractmethod
    def close(self) -> None:
        """Release all resources."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The engine's name and version."""


@dataclass(frozen=True)
class TaskSettings:
    """How the tasks of an engine read text sources: the memory of DuckDB in each task, and whether this machine reads the files if tasks cannot."""

    memory: str
    is_optional: bool


class Engine(Described):
    """An engine of a profile. `dialect` is the name of its SQL: `spark` or `duckdb`."""

    dialect: ClassVar[str]

    def tasks(self, environment: Callable[[str], str]) -> TaskSettings | None:
        """How tasks read text sources; None if this process reads them. `environment` replaces `${NAME}`."""
        return None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Context in which slow parts (a JVM, an application on a cluster) keep running for later sessions."""
        yield

    @property
    def requires_store(self) -> bool:
        """Whether a run is not possible if runs are in a folder."""
        return False

    def stages_in_store(self, environment: Callable[[str], str]) -> bool:
        """Whether its executors hand over rows through the store of runs, if there is one, because they may not see the disk of this machine."""
        return False

    def start(self, workspace: Workspace, environment: Callable[[str], str]) -> EngineSession:
        """Start a session with its own relations and settings; other sessions may run in the same process.

        `environment` fills in `${NAME}`. Raises RunFailure where the engine cannot start.
        """
        raise NotImplementedError

    def examine(self) -> Iterator[HealthFinding]:
        """The findings of `etlrun doctor` about the engine, which is not started. Raises RunFailure for a problem."""
        return iter(())


@contextmanager
def kept_engines(engines: Iterable[Engine]) -> Iterator[None]:
    """Context in which each of these engines is started at most once for all sessions."""
    with ExitStack() as stack:
        for engine in engines:
            stack.enter_context(engine.kept())
        yield
