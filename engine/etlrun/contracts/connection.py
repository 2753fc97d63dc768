"""What a connection is: a kind in the profile, and the database behind it that tables are read from and published to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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
TABLES = "tables of a database"  # what most connections hold
LEDGER = "_etlrun_loads"  # one row per table and period, written in the transaction that publishes it


@dataclass(frozen=True)
class RowVersions:
    """How a table keeps versions of rows: `key` tells rows apart, and a change of a `tracked` column begins a version.

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
    """The failure of a rollback where earlier rows are not kept."""
    message = f"no earlier rows of `{table}` are kept"
    fix = (
        "a `table` sink keeps earlier rows if it has `publish: pointer`; to read earlier rows of a lake table, use its versions: "
        "`version: N` of a `delta` source, `snapshot: N` of an `iceberg` source"
    )
    return RunFailure("usage", "no-versions", message, fix)


@dataclass(frozen=True)
class Load:
    """A staged relation on its way into a table.

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
        """Whether rows take the place of those of equal key, and the others stay."""
        return self.write in ("merge", "scd2")


def may_lose(statement: str) -> bool:
    """Whether values may be gone, cut or rounded after a statement of `Database.mismatches`."""
    return "/*" in statement


@dataclass(frozen=True)
class Copy:
    """A table as it was at one moment: Parquet files, and how many rows they hold together."""

    files: tuple[Path, ...]
    rows: int


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
    """Rows of a table or of a period of it that a connection keeps: those that readers see, or others that could take their place."""

    period: str
    run_id: str
    rows: int
    is_current: bool


class Database(ABC):
    """An open connection. `notices` are lines for a person, about what went well in another way than usual."""

    notices: Sequence[str] = ()

    @abstractmethod
    def columns(self, table: str) -> Columns | None:
        """The columns of a table; None where there is no such table."""

    def full_name(self, table: str) -> str:
        """A name of a table that is the same for every connection that leads to it; empty where the database has none."""
        return ""

    @abstractmethod
    def verify(self, table: str, columns: Columns) -> None:
        """Raises RunFailure where a table that has the declared columns is not there."""

    @abstractmethod
    def copy(self, table: str, columns: Columns, folder: Path) -> Copy:
        """Write the declared columns of a table, in the declared types, as Parquet files into `folder`. Raises RunFailure."""

    @abstractmethod
    def interrupt(self) -> None:
        """Let `copy` fail at once; for another thread."""

    @abstractmethod
    def mismatches(self, load: Load) -> Sequence[tuple[str, str]]:
        """Why `load` does not fit the table that is there: each with the statement that would correct it. Changes nothing.

        A statement after which values may be gone, cut or rounded says so in a comment.
        """

    @abstractmethod
    def change(self, load: Load, statements: Sequence[str]) -> None:
        """Run the statements of all `mismatches` of `load`, which no other run may publish meanwhile. Raises RunFailure."""

    @abstractmethod
    def publish_all(self, loads: Sequence[Load]) -> list[Published]:
        """Put loads into their tables in one transaction with their ledger rows. Raises RunFailure; then nothing has changed."""

    def publish(self, load: Load) -> Published:
        """Put one load into its table, as `publish_all` does."""
        return self.publish_all((load,))[0]

    @abstractmethod
    def entries(self) -> list[LedgerEntry]:
        """The ledger, latest first."""

    def versions(self, table: str) -> Sequence[Version]:
        """The versions of a table that are kept, latest first; none for a table that is not published by `pointer`."""
        return ()

    def roll_back(self, table: str, period: str | None, run: str) -> Sequence[Version]:
        """Let readers see earlier rows of a table: those of `run`, or those before the last publish, of `period` where it is given.

        Gives the versions of the table as they are then. Raises RunFailure; then nothing has changed.
        """
        raise nothing_kept(table)

    def examine(self) -> Sequence[HealthFinding]:
        """What `etlrun doctor` tells of the database: its version, the account's rights, settings that matter. Changes nothing."""
        return ()

    @abstractmethod
    def close(self) -> None:
        """Give the connection back."""


class ReadOnlyDatabase(Database):
    """An open connection that tables are read from, and none is published to. `name` is its name in the profile."""

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
        """A checked SELECT. Raises RunFailure for one that the server might compute in another way."""


@dataclass(frozen=True)
class ServerAccess:
    """Lines to a database on a server, for what keeps tables of its own there: the label store.

    `driver` is SQLAlchemy's name of it, as `postgresql+psycopg`.
    `place` is the database as messages name it. `open` gives a connection of Python's DB-API; `explain` says of an exception of it
    what happened and what to do.
    """

    driver: str
    place: str
    open: Callable[[], Any]
    explain: Callable[[Exception], tuple[str, str]]


class Connection(Described):
    """A connection of a profile. `holds` says which kinds use it: those that connect to the same."""

    holds: ClassVar[str] = TABLES

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        """Open the database. `environment` fills in `${NAME}`. Raises RunFailure where it cannot be reached, or its first use does."""
        raise NotImplementedError

    def lines(self, name: str, root: Path, environment: Callable[[str], str]) -> ServerAccess:
        """Lines to the server that the connection names; their first use reaches it. Raises RunFailure."""
        raise RunFailure(
            "usage",
            "no-labels",
            f"connection `{name}` cannot be used for the label store",
            "set `labels` to the name of a `mysql` or `postgres` connection, or to the path of a file",
        )

    def dataset(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str]:
        """How catalogues of data call its tables: a namespace, and what stands before a table's name. Raises RunFailure; reaches nothing."""
        return "etlrun", f"{name}."

    def mysql_server(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str] | None:
        """`host:port` and the database, for tools that speak MySQL's protocol; None where the connection does not. Reaches nothing."""
        return None

    def queries(self) -> QueryWriter | None:
        """How the database writes the parts of a view; None where it keeps no views for us. Reaches nothing."""
        return None
