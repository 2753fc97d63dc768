"""The interface of sources: the declared columns, the files or the table with the rows, and the counts of all records read."""

from __future__ import annotations

import datetime
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar

from etlrun.contracts.connection import TABLES, Database, Opener
from etlrun.contracts.direct_aggregation import DirectAggregation
from etlrun.contracts.engine import EngineSession, InputFiles, ParquetFiles, Workspace
from etlrun.language.columns import Column, Columns
from etlrun.spec.dates import Days
from etlrun.spec.fields import Described, key
from etlrun.spec.paths import Places
from etlrun.spec.scope import Scope
from etlrun.storage.staging_area import StagingArea
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    import duckdb

Answer = TypeVar("Answer")
Progress = Callable[[str, int, int], None]
RunTasks = Callable[[bytes, int], list[str]]  # the answers of all tasks of a payload, in order
LIMIT = 100_000_000  # bytes of broken records that a quarantine keeps, where the source does not say


class Source(Described):
    """Reads files or a table into a relation with declared columns. If it has `key_`, no two rows have the same values in these columns."""

    connects_to: ClassVar[str] = TABLES
    skips_columns: ClassVar[bool] = False  # whether `read` leaves out the columns that a request calls unread
    key_: tuple[str, ...] = ()

    def resolve(self, scope: Scope) -> Source:
        """The source with the values that it takes from other files of the project; mistakes go to `scope`."""
        return self

    def depends_on_time(self) -> bool:
        """Whether a later run may give another result although nothing else has changed."""
        return False

    def table_read(self) -> tuple[str, str] | None:
        """The connection, and the name in lower case, of the table that it reads; None for a source that reads files."""
        return None

    def state(self, open_database: Callable[[str], Database], stores: Stores) -> str:
        """The current version of a table without a ledger, by which a later run notices a change; empty for other sources. Raises RunFailure."""
        return ""

    def personal(self) -> Iterable[str]:
        """The columns that are tagged `pii`."""
        return ()

    def output(self, scope: Scope) -> Columns:
        """The columns of the relation; mistakes go to `scope`."""
        raise NotImplementedError

    def wanted(self, places: Places) -> Wanted | None:
        """The description of the files to read, in the folders `places`; None for a source without files."""
        return None

    def own_rows(self) -> tuple[tuple[object, ...], ...] | None:
        """The rows of a source that reads nothing; None for one that reads files or a table."""
        return None

    def look_ahead(self, columns: Columns, open_database: Callable[[str], Database], stores: Stores) -> None:
        """Verify the source before anything is read, apart from its files. Raises RunFailure."""

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        """Read what `request` asks for; `columns` is the relation, as `output` gives it. Raises RunFailure."""
        raise NotImplementedError


def row_key() -> Any:
    """The field `key` of a source."""
    return key(
        "the columns that identify a row; the run stops before it publishes if two rows have the same values in them",
        yaml="key",
        default=(),
        example=("id",),
    )


def keyed(columns: Columns, names: tuple[str, ...], scope: Scope) -> Columns:
    """The columns of a source with its key. Every run verifies the key before it publishes."""
    for index, name in enumerate(names):
        found = scope.column(columns, name, ("key", index))
        if not found.type.is_orderable:
            message = f"`{found.name}` is {found.type}, which cannot be compared for equality on every engine"
            scope.error(("key", index), "type-mismatch", message, "use other columns as the key")
        elif name.lower() in [earlier.lower() for earlier in names[:index]]:
            scope.error(("key", index), "column-exists", f"`{name}` is defined twice", "remove one of them")
    return columns.with_unique(names) if names and all(name in columns for name in names) else columns


@dataclass(frozen=True)
class Wanted:
    """What a source says about its files: a path (a template where there are days), where it may lead, how to take absences, and the columns
    whose values are in the names of folders, and the encoding of text.
    """

    places: Places
    template: str
    days: tuple[datetime.date, ...]
    may_miss: Days
    may_be_empty: Days
    form: Literal["text", "parquet"]
    partitions: tuple[Column, ...] = ()
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Trouble:
    """A problem with a file or a day, which then cannot be read: a stable code, the path, what is wrong and what to do."""

    code: str
    path: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class InputFile:
    """A file to read: its absolute path or its URL, the day it holds where the source has days, its size in bytes, when it changed last (ns
    since 1970), and its device and inode. A copy that was fetched from a store lies `at` another path, and its `sha256` is known.

    `state` is what else tells this content of the file from another: of a local file its inode and the time when anything of it changed
    last; of an object nothing, as a listing does not tell its version. A slice of a file has an `end`: only the lines that start in the
    bytes from `start` up to `end` are read. Where an object has a `part` of an earlier run, that is read, and its bytes are not on this machine.
    `partition` are the values of the columns that the names of its folders give, and `encoding` is that of its text.
    """

    path: str
    date: datetime.date | None
    size: int
    modified: int
    identity: tuple[int, int] = (0, 0)
    start: int = 0
    end: int | None = None
    state: str = ""
    copy: str = ""
    sha256: str = ""
    part: FilePart | None = None
    partition: tuple[Any, ...] = ()
    encoding: str = "utf-8"

    @property
    def at(self) -> str:
        """The path of the file, or of its copy, on this machine."""
        return self.copy or self.path

    @property
    def constants(self) -> tuple[Any, ...]:
        """The values that all its rows share: of the columns of the relation that stand behind the declared ones."""
        return self.partition if self.date is None else (*self.partition, self.date)


@dataclass(frozen=True)
class Inventory:
    """The files of a source in order, the days without any, what stands in the way of reading them, and when they were looked for (ns since 1970)."""

    files: tuple[InputFile, ...]
    missing: tuple[datetime.date, ...] = ()
    empty: tuple[datetime.date, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    may_be_empty: Days = Days(False)
    taken: int = 0

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class FileAccount:
    """What became of the records of a text file, or of a slice of it; lines are counted from where the slice starts, from 1.

    `reasons` count broken records. `samples` are the line and reason of the first few. `many_lines` counts the records that have suspiciously
    many lines; `longest` is how many lines the longest of them has, and its line with a minus. `line_ends` are counted in slices only.
    `lacking` are declared columns that the file does not have.
    """

    path: str
    records: int = 0
    blank: int = 0
    broken: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    samples: tuple[tuple[int, str], ...] = ()
    many_lines: int = 0
    longest: tuple[int, int] = (0, 0)
    line_ends: int = 0
    lacking: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return self.records - self.blank - self.broken


@dataclass(frozen=True)
class ReadResult:
    """A source that has been read: its rows, and how many records were broken or blank.

    `rows` is None where nobody has counted them yet (Parquet files are read by the engine itself). `rows_of` and `bad_rows_of` are those
    of single files, by path, as far as they are known. `notices` are lines for a person. `accounts` are those of text files, in order;
    `cached` is how many of them an earlier run read. `digests` are the SHA-256 of objects that tasks downloaded, by path. If `is_partial`,
    `files` have the rows of the source's aggregation, not those of the source.
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
    accounts: tuple[FileAccount, ...] = ()
    cached: int = 0
    digests: Mapping[str, str] = field(default_factory=dict)
    is_partial: bool = False


@dataclass(frozen=True)
class FilePart:
    """What reading one text file gave: its rows, its account, and its broken records, as lines of a quarantine that nothing limits.

    The file `quarantine` is absent where no record is broken, or where the source keeps none. `header` are the names in the first line of the
    file, where it has one; `sha256` is the digest of an object's bytes. `partial` are the partial aggregates of its rows, where the reader
    has computed them.
    """

    files: tuple[ParquetFiles, ...]
    account: FileAccount
    quarantine: Path
    header: tuple[str, ...] = ()
    sha256: str = ""
    partial: tuple[ParquetFiles, ...] | None = None


class PartStore(Protocol):
    """Stores the parts of a source's files for later runs. Thread-safe."""

    def find(self, file: InputFile, folder: Path) -> FilePart | None:
        """The stored part of a file, in the new folder `folder`; None if there is no complete one.

        If tasks aggregate, a part without `partial` has rows for a task to aggregate.
        """

    def keep(self, file: InputFile, part: FilePart) -> FilePart:
        """Store a part; its files are not moved. A part that cannot be stored is read again by the next run. Returns what to use instead of it.

        If the `file` has a part, its rows are stored already, and only the partial aggregates are new.
        """


class SourceTasks(Protocol):
    """The tasks of the engine that may read for a source."""

    def attempt(self, read: Callable[[RunTasks], Answer | None]) -> Answer | None:
        """The result of `read`, which gets the function that runs tasks. None if tasks cannot read and are not required. Raises RunFailure."""

    def opener(self, connection: str) -> Opener:
        """What opens a connection of the profile for reading, on other machines; it contains no secret."""

    def starter(self) -> Callable[[Workspace], EngineSession]:
        """What starts a session on other machines that reads files of others in DuckDB's dialect, with the memory of a task."""


class Control:
    """How another thread watches and stops a running reader; the reader registers the connections that it uses."""

    def __init__(self) -> None:
        self.connections: tuple[duckdb.DuckDBPyConnection, ...] = ()
        self.lock = threading.Lock()
        self.cancel: Callable[[], None] | None = None
        self.count: Callable[[], tuple[int, int]] | None = None
        self.share = -1.0  # of the bytes, how many are read; negative where nobody counts them

    def follow(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Register a connection whose statements can be watched and stopped."""
        connection.execute("SET enable_progress_bar = true")
        connection.execute("SET enable_progress_bar_print = false")
        with self.lock:
            self.connections = (*self.connections, connection)

    def leave(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Remove a connection that is no longer used."""
        with self.lock:
            self.connections = tuple(other for other in self.connections if other is not connection)

    @contextmanager
    def following(
        self, cancel: Callable[[], None], count: Callable[[], tuple[int, int]] | None = None
    ) -> Iterator[None]:
        """Context of work that `cancel` stops, and of which `count` says how many of how many parts are done."""
        self.cancel, self.count = cancel, count
        try:
            yield
        finally:
            self.cancel = self.count = None

    def progress(self) -> tuple[int, int]:
        """How many of how many parts of the work are done; (0, 0) where that is not known."""
        if self.count is not None:
            return self.count()
        percent = self.percent()
        return (int(percent), 100) if percent >= 0 else (0, 0)

    def percent(self) -> float:
        """How much of the running statement is done; negative where that is not known."""
        if self.share >= 0 or not self.connections:
            return self.share * 100
        return self._ask(self.connections[-1], lambda connection: connection.query_progress(), -1.0)

    def interrupt(self) -> None:
        """Stop the running statements."""
        if self.cancel is not None:
            self.cancel()
        for connection in self.connections:
            self._ask(connection, lambda connection: connection.interrupt(), None)

    def _ask(
        self,
        connection: duckdb.DuckDBPyConnection,
        question: Callable[[duckdb.DuckDBPyConnection], Answer],
        otherwise: Answer,
    ) -> Answer:
        import duckdb

        try:
            return question(connection)
        except duckdb.ConnectionException:  # closed meanwhile: the reader is done
            return otherwise


@dataclass(frozen=True)
class ReadLimits:
    """The limits of a reader: threads, and the memory of its DuckDB (`512MB`); default: the defaults of DuckDB."""

    threads: int = 0
    memory: str = ""

    @property
    def at_once(self) -> int:
        """The number of threads that read."""
        return self.threads or os.cpu_count() or 1


@dataclass(frozen=True)
class ReadRequest:
    """What a source is asked to read: its name, its files, and where its rows and its broken records go.

    `open_database` opens a connection of the profile for reading, `stores` the store of a URL. `parts` has what earlier runs read of text files.
    The source has `files` files in all, where the inventory has only some of them. `limits` says what reading may take of the machine.
    Nothing in the run reads the columns `unread`: they may be missing in the files that are written. `fetch` downloads the objects
    of an inventory, and returns it with the paths of their copies. `tasks` are those of the engine, if it lets them read. With an
    `aggregation`, a reader of text may return the partial aggregates of the rows, not the rows. With an `area`, tasks leave the files of
    `folder` there.
    """

    name: str
    inventory: Inventory
    folder: Path
    quarantine: Path | None
    progress: Progress
    open_database: Callable[[str], Database]
    control: Control = field(default_factory=Control)
    quarantine_limit: int = LIMIT
    parts: PartStore | None = None
    stores: Stores = field(default_factory=Stores)
    files: int = 0
    limits: ReadLimits = ReadLimits()
    unread: frozenset[str] = frozenset()
    fetch: Callable[[Inventory], Inventory] = lambda inventory: inventory
    tasks: SourceTasks | None = None
    aggregation: DirectAggregation | None = None
    area: StagingArea | None = None
