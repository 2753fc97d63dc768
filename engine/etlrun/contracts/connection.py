"""The interface of connections: the settings in the profile, and the database from which tables are read and to which they are published."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from sqlglot import exp

from etlrun.contracts.health import HealthFinding
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.spec.fields import Described

Write = Literal["replace", "replace_where", "append", "merge", "scd2", "view"]
Publish = Literal["transaction", "pointer"]
Moment = Literal["one", "each"]
TABLES = "tables of a database"  # what most connections hold
LEDGER = "_etlrun_loads"  # one row per table and period, written in the transaction that publishes it


@dataclass(frozen=True)
class RowVersions:
    """How a table keeps versions of rows (SCD2): `key` identifies a row, and a change of a `tracked` column starts a new version.

    Versions begin and end `at` a moment, which is a DuckDB expression; it and the names of the columns that say so are the load's.
    """

    key: tuple[str, ...]
    tracked: tuple[str, ...]
    at: str
    ends_missing: bool
    valid_from: str = "valid_from"
    valid_to: str = "valid_to"
    is_current: str = "is_current"


def nothing_kept(table: str) -> RunFailure:
    """The failure of a rollback of a table that keeps no earlier rows."""
    message = f"no earlier rows of `{table}` are kept"
    fix = (
        "a `table` sink keeps earlier rows if it has `publish: pointer`; to read earlier rows of a lake table, use its versions: "
        "`version: N` of a `delta` source, `snapshot: N` of an `iceberg` source"
    )
    return RunFailure("usage", "no-versions", message, fix)


@dataclass(frozen=True)
class Load:
    """A staged relation that is to be published into a table.

    `files` are its Parquet parts, which may hold hidden columns besides `columns`; `rows` and `checksum` say what they hold.
    `period` is the slice of the table that the load owns: empty for the whole table, else the text of `condition`. Published by
    `pointer`, the old rows stay beside the new ones, and so do those of `keep` publishes before.
    With `allow_cascade`, foreign keys, triggers and rules may change rows of other tables.
    With a `history` the files lack the columns that say when a version holds, and `key` ends in the one that says from when. `follows`
    are the runs that the ledger must have for the table then. With `newer`, a `merge` leaves out the rows whose value of that column is
    not greater than the one that the table has for their key. A `view` is made of its `query`, and loads no rows.
    """

    table: str
    columns: Columns
    key: tuple[str, ...]
    write: Write
    condition: exp.Expr | None
    period: str
    files: tuple[Path, ...]
    rows: int
    checksum: str
    run_id: str
    pipeline: str
    spec_hash: str
    description: str = ""
    publish: Publish = "transaction"
    keep: int = 1
    allow_cascade: bool = False
    history: RowVersions | None = None
    follows: tuple[str, ...] | None = None
    query: str = ""
    newer: str = ""

    @property
    def merges(self) -> bool:
        """Whether new rows replace rows with the same key, and all other rows stay."""
        return self.write in ("merge", "scd2")


def may_lose(statement: str) -> bool:
    """Whether a statement of `Database.mismatches` may remove, cut or round values."""
    return "/*" in statement


@dataclass(frozen=True)
class Copy:
    """A consistent copy of a table: Parquet files, and their total number of rows."""

    files: tuple[Path, ...]
    rows: int


@dataclass(frozen=True)
class SharedRanges:
    """Conditions that divide the rows of a table between sessions on other machines.

    If there is a `snapshot`, all of them read it, and `count` returns the number of its rows.
    """

    conditions: tuple[str, ...]
    snapshot: str
    count: Callable[[], int]


@dataclass(frozen=True)
class LedgerEntry:
    """A row of the ledger: what a run published. Times are UTC, `2022-04-30T20:15:00Z`."""

    table: str
    period: str
    run_id: str
    pipeline: str
    write: str
    rows: int
    checksum: str
    spec_hash: str
    finished_at: str


@dataclass(frozen=True)
class Published:
    """What a publish did: the rows loaded, or that they were in the table already, by this very run or by the append of an earlier one."""

    rows: int
    was_there: bool = False
    earlier: str = ""


@dataclass(frozen=True)
class Version:
    """A stored version of the rows of a table or of one period: the current version, or one to which a rollback can return."""

    period: str
    run_id: str
    rows: int
    is_current: bool


class Opener(Protocol):
    """Opens a database for reading, also on another machine that gets this object pickled."""

    @property
    def kind(self) -> type:
        """The class of the connection."""

    def __call__(self) -> Database:
        """The open database. Raises RunFailure."""


def not_shared_table(table: str, fix: str) -> RunFailure:
    """The failure of a table that executors cannot read."""
    return RunFailure("source", "not-shared", f"executors cannot read one snapshot of the table `{table}`", fix)


class Database(ABC):
    """An open connection. `notices` are lines for the user about unusual events that are not failures."""

    notices: Sequence[str] = ()

    @abstractmethod
    def columns(self, table: str) -> Columns | None:
        """The columns of a table; None where there is no such table."""

    def full_name(self, table: str) -> str:
        """A name of a table that is the same for all connections to its database; empty if there is no such name."""
        return ""

    @abstractmethod
    def verify(self, table: str, columns: Columns) -> None:
        """Raises RunFailure if the table or one of the declared columns does not exist."""

    @abstractmethod
    def copy(self, table: str, columns: Columns, folder: Path) -> Copy:
        """Write the declared columns of a table, in the declared types, as Parquet files into `folder`. Raises RunFailure."""

    @contextmanager
    def shared(self, table: str, moment: Moment) -> Iterator[SharedRanges]:
        """Context in which sessions on other machines can read a table by `copy_range`; a small table has one range.

        With the moment `one` they read one snapshot. Raises RunFailure if the server cannot do this.
        """
        raise not_shared_table(table, "remove `read: tasks` from the source")
        yield

    def copy_range(self, table: str, columns: Columns, condition: str, snapshot: str, path: Path) -> int:
        """Write the rows of one shared range as a Parquet file, like `copy`; returns their number. Raises RunFailure."""
        raise NotImplementedError

    @abstractmethod
    def interrupt(self) -> None:
        """Make `copy` fail at once; called from another thread."""

    @abstractmethod
    def mismatches(self, load: Load) -> Sequence[tuple[str, str]]:
        """Differences between `load` and the existing table, each with the statement that corrects it. Changes nothing.

        A statement that may remove, cut or round values has a comment that says so.
        """

    @abstractmethod
    def change(self, load: Load, statements: Sequence[str]) -> None:
        """Run the statements of all `mismatches` of `load`, which no other run may publish meanwhile. Raises RunFailure."""

    @abstractmethod
    def publish_all(self, loads: Sequence[Load]) -> list[Published]:
        """Publish loads into their tables in one transaction with their ledger rows. Raises RunFailure; then nothing has changed."""

    def publish(self, load: Load) -> Published:
        """Publish one load into its table, like `publish_all`."""
        return self.publish_all((load,))[0]

    @abstractmethod
    def entries(self) -> list[LedgerEntry]:
        """The ledger, latest first."""

    def versions(self, table: str) -> Sequence[Version]:
        """The stored versions of a table, latest first; none for a table without `publish: pointer`."""
        return ()

    def roll_back(self, table: str, period: str | None, run: str) -> Sequence[Version]:
        """Make earlier rows of a table current: those of `run`, or those before the last publish; only of `period` if it is given.

        Gives the versions of the table as they are then. Raises RunFailure; then nothing has changed.
        """
        raise nothing_kept(table)

    def examine(self) -> Sequence[HealthFinding]:
        """The findings of `etlrun doctor` about the database: its version, the rights of the account, important settings. Changes nothing."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


class ReadOnlyDatabase(Database):
    """An open read-only connection. `name` is its name in the profile."""

    def __init__(self, name: str) -> None:
        self.name = name

    def verify(self, table: str, columns: Columns) -> None:
        there = self.columns(table)
        if there is None:
            message = f"connection `{self.name}` has no table `{table}`"
            raise RunFailure("source", "missing-table", message, "correct `table`, or create the table")
        missing = ", ".join(f"`{name}`" for name in columns.names if name not in there)
        if missing:
            message = f"connection `{self.name}`: the table `{table}` has no column {missing}"
            raise RunFailure("source", "missing-column", message, f"it has {', '.join(there.names)}")

    def mismatches(self, load: Load) -> Sequence[tuple[str, str]]:
        raise self._refusal(load)

    def change(self, load: Load, statements: Sequence[str]) -> None:
        raise self._refusal(load)

    def publish_all(self, loads: Sequence[Load]) -> list[Published]:
        raise self._refusal(loads[0])

    def entries(self) -> list[LedgerEntry]:
        return []

    def _refusal(self, load: Load) -> RunFailure:
        message = f"the table `{load.table}` is in connection `{self.name}`, which is read-only"
        return RunFailure("sink", "read-only", message, "publish to another connection")


class QueryWriter(Protocol):
    """How a connection writes the parts of a view."""

    def name(self, text: str) -> str:
        """A quoted identifier."""

    def table(self, table: str, columns: Columns) -> str:
        """The SELECT that gives the rows of a table in the declared types."""

    def query(self, tree: exp.Query) -> str:
        """A checked SELECT in the SQL of the server. Raises RunFailure if the server might compute it differently."""


@dataclass(frozen=True)
class ServerAccess:
    """Access to a database on a server for the label store, which keeps its own tables there.

    `driver` is SQLAlchemy's name of it, as `postgresql+psycopg`.
    `place` is the database as messages name it. `open` gives a connection of Python's DB-API; `explain` says of an exception of it
    what happened and what to do.
    """

    driver: str
    place: str
    open: Callable[[], Any]
    explain: Callable[[Exception], tuple[str, str]]


class Connection(Described):
    """A connection of a profile. `holds` must equal `connects_to` of the sources and sinks that use it."""

    holds: ClassVar[str] = TABLES

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        """Open the database. `environment` replaces `${NAME}`. Raises RunFailure if it cannot be reached, here or at its first use."""
        raise NotImplementedError

    def lines(self, name: str, root: Path, environment: Callable[[str], str]) -> ServerAccess:
        """Access to the server of the connection, which connects at its first use. Raises RunFailure."""
        raise RunFailure(
            "usage",
            "no-labels",
            f"connection `{name}` cannot be used for the label store",
            "set `labels` to the name of a `mysql` or `postgres` connection, or to the path of a file",
        )

    def dataset(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str]:
        """How data catalogs name its tables: a namespace, and the prefix of table names. Raises RunFailure; does not connect."""
        return "etlrun", f"{name}."

    def mysql_server(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str] | None:
        """`host:port` and the database, for tools that use MySQL's protocol; None for other connections. Does not connect."""
        return None

    def queries(self) -> QueryWriter | None:
        """How the database writes the parts of a view; None if it does not support `view` sinks. Does not connect."""
        return None
