"""The interface of a server for the publish protocol: its SQL, its tables, a lock, a loader, a fingerprint of rows, and its errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from sqlglot import exp

from etlrun.contracts.connection import Load, Moment
from etlrun.contracts.health import HealthFinding
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import text as duckdb_text
from etlrun.warehouse.references import Reference
from etlrun.warehouse.tables import Definition, OwnTable

if TYPE_CHECKING:
    import pyarrow as pa

    from etlrun.warehouse.open_sessions import OpenSessions
    from etlrun.warehouse.stage import Encoding, Stage, StageField

ErrorKind = Literal["transient", "failover", "lock-wait", "denied", "duplicate", "refused", "no-stream", "other"]


class ServerError(Exception):
    """An error of a statement or a connection: the code and the text of the server. The text may contain values of rows.

    `kind` says what the protocol does about it: try again (`transient`, `lock-wait`; `failover` a few times), try another way to load
    (`no-stream`), or tell that a right is missing (`denied`) or that rows do not fit (`duplicate`, `refused`).
    """

    def __init__(self, code: int | str, detail: str, kind: ErrorKind, shown: str = "") -> None:
        super().__init__(f"{code}: {shown or detail}")
        self.code = code
        self.detail = detail
        self.kind = kind

    @property
    def is_transient(self) -> bool:
        return self.kind in ("transient", "failover", "lock-wait")


class LoadRefused(Exception):
    """The server changed or ignored rows while it loaded them; `str()` says how."""

    def __init__(self, detail: str, code: int = 0, *, is_duplicate: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.is_duplicate = is_duplicate


class ServerSession(Protocol):
    """An open connection. Its errors are raised as ServerError."""

    def run(self, statement: str) -> int:
        """Run a statement; returns the number of affected rows."""

    def rows(self, query: str) -> list[tuple[Any, ...]]: ...

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""

    @property
    def is_open(self) -> bool:
        """Whether the connection worked when it was last used."""

    @property
    def thread(self) -> int:
        """The number of this session on the server."""

    def close(self) -> None:
        """End the session. The server rolls back an open transaction and releases the locks."""

    def abort(self) -> None:
        """Close the connection at once, in any state."""

    def cut(self) -> None:
        """Close the connection from another thread: a thread that waits for the server gets an error at once."""


S = TypeVar("S", bound=ServerSession)
S_contra = TypeVar("S_contra", bound=ServerSession, contravariant=True)
D = TypeVar("D", bound=Definition[Any])


class Loader(Protocol[S_contra]):
    """A way to send rows to the server. `notice` is a line for the user if it is not the usual way."""

    @property
    def notice(self) -> str: ...

    def encoding(self, fields: tuple[StageField, ...]) -> Encoding:
        """The encoding of the rows that are sent."""

    def load(
        self, session: S_contra, table: str, fields: tuple[StageField, ...], batches: Iterator[pa.RecordBatch]
    ) -> int:
        """Load encoded rows into a table; returns how many the server accepted. Raises LoadRefused, ServerError."""


@dataclass(frozen=True)
class Rule:
    """A condition that no row of the stage may fulfil: `bad` is the condition, and `why` ends the sentence "`column` ...".

    `padded` are columns of the key whose spaces at the end the server overlooks, where `bad` is about such a space.
    """

    column: str
    bad: str
    why: str
    fix: str
    padded: tuple[str, ...] = ()


class Server(ABC, Generic[S, D]):
    """A server of one kind, for one connection of the profile."""

    product: str  # as messages name it
    place: str  # the server and the database
    now: str  # the time in UTC, `2022-04-30T20:15:00Z`, as an SQL expression
    ends_session = "KILL {}"  # the statement that ends a session
    schema = "current_schema()"  # the schema of a session, as an SQL expression
    row_locks = " FOR UPDATE"  # what makes a SELECT lock its rows
    is_embedded = False  # a file that one process uses at a time: it needs no locks, and rows stay in the order in which they came
    dirty_reads = ""  # the statement with which a session sees what others have not committed yet
    shared_moments: tuple[Moment, ...] = ()  # at which sessions on other machines can read one table
    keeps_versions = False  # whether `publish: pointer` is more than a transaction here
    loads_in_transaction = (
        False  # whether rows that nobody sees yet come in one transaction: none grows with what it adds
    )
    views_hold_columns = False  # whether a view must go before the columns that it shows are changed
    view_right = "CREATE VIEW"  # the right to make a view
    clock_of_instants = (
        ""  # the type without a time zone in which a timestamptz is stored, in UTC; empty: it has one of its own
    )

    @abstractmethod
    def open(self) -> S:
        """A new session. Raises ServerError, RunFailure."""

    @abstractmethod
    def name(self, text: str) -> str:
        """A quoted identifier."""

    @abstractmethod
    def text(self, value: str) -> str:
        """A quoted string."""

    @abstractmethod
    def literal(self, field: StageField) -> str:
        """A DuckDB expression that writes a value of the stage as a literal of this server."""

    def equality(self, field: StageField) -> str:
        """A DuckDB expression that writes the condition of this server that a column has the value of the row."""
        return f"concat({duckdb_text(self.name(field.name) + '=')}, {self.literal(field)})"

    @abstractmethod
    def condition(self, node: exp.Expr) -> str:
        """A checked condition in the SQL of this server. Raises RunFailure if the server might evaluate it differently."""

    def table(self, text: str) -> str:
        """A table's name, quoted part by part."""
        return ".".join(map(self.name, text.split(".")))

    def names(self, texts: tuple[str, ...]) -> str:
        return ", ".join(map(self.name, texts))

    @abstractmethod
    def describe(self, session: S, table: str) -> D | None:
        """The table or view with this name; None if there is none."""

    @abstractmethod
    def missing_schema(self, session: S, table: str) -> str:
        """The statement that creates the schema of a table if it is missing; otherwise empty."""

    def tables(self, session: S) -> list[str]:
        """The names of the tables and views in the session's schema."""
        found = session.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {self.schema}")
        return sorted(str(row[0]) for row in found)

    def view_query(self, session: S, view: str) -> str:
        """The query of a view as the server stores it; empty if the server does not show it."""
        schema, _, plain = view.rpartition(".")
        of = f"table_schema = {self.text(schema) if schema else self.schema} AND table_name = {self.text(plain)}"
        found = session.rows(f"SELECT view_definition FROM information_schema.views WHERE {of}")
        return str(found[0][0] or "") if found else ""

    def require_rights(self, session: S, load: Load) -> None:
        """Raises RunFailure if the account lacks rights to publish a load, as far as the server shows them."""

    def is_too_long(self, plain: str) -> bool:
        """Whether a name is too long for the server."""
        return False

    def rename_statement(self, table: str, plain: str) -> str:
        """The statement that renames a table in its schema."""
        return f"ALTER TABLE {self.table(table)} RENAME TO {self.name(plain)}"

    @abstractmethod
    def unfit(self, columns: Columns) -> Iterator[str]:
        """Columns that the server cannot store in any table, with the reasons."""

    @abstractmethod
    def mismatches(self, load: Load, there: D, exact: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Differences between a load and a table, each with the statement that corrects it. Values of `exact` columns must be compared exactly."""

    def references_to(self, session: S, table: str) -> tuple[Reference, ...]:
        """The foreign keys of other tables, and of the table itself, that refer to a table."""
        return ()

    def triggers_of(self, session: S, load: Load, table: str) -> Iterator[str]:
        """The triggers of a table that may change other tables, on servers that cannot answer `changed`."""
        return iter(())

    def changed(self, session: S) -> frozenset[str]:
        """The tables, named as by `lock_owner`, whose rows were changed in this transaction, or perhaps earlier in this session.

        None where the server does not say.
        """
        return frozenset()

    def settle(self, session: S, table: str) -> None:
        """Run deferred triggers and constraints of the table now, before its rows are compared."""

    @abstractmethod
    def create_statement(self, load: Load, exact: frozenset[str]) -> str:
        """The statement that creates the table of a load."""

    def replace_view(self, session: S, load: Load) -> Iterator[str]:
        """The statements that create the view of a load, or replace an existing one."""
        yield f"CREATE OR REPLACE VIEW {self.table(load.table)} AS {load.query}"

    @abstractmethod
    def own_table(self, table: OwnTable) -> str:
        """The statement that creates a table for etlrun's own use."""

    def lock_owner(self, session: S, table: str) -> str:
        """The full name of a table with its schema, from which the name of its lock is made."""
        raise NotImplementedError

    def identity(self, session: S) -> str:
        """An id of the server or file that is the same for all connections to it."""
        raise NotImplementedError

    def try_lock(self, session: S, lock: str) -> bool:
        """Take a named lock, unless another session has it. It is released with the session."""
        raise NotImplementedError

    def holder(self, lock: str) -> str:
        """An SQL expression for the number of the session that has a lock (also an expression); NULL if none has it."""
        raise NotImplementedError

    def lock_holder(self, session: S, lock: str) -> int | None:
        """The number of the session that has a named lock."""
        (found,) = session.one(f"SELECT {self.holder(self.text(lock))}")
        return None if found is None else int(found)

    def busy(self, detail: str) -> ServerError:
        """The error after a timeout for a lock."""
        raise NotImplementedError

    def blockers(self, session: S, error: ServerError) -> str:
        """The sessions that have locked rows, after a lock timeout, as the end of a sentence."""
        return ""

    @property
    @abstractmethod
    def lock_seconds(self) -> int:
        """The lock timeout."""

    @abstractmethod
    def rules(self, stage: Stage, there: D) -> Iterator[Rule]:
        """The rules for values that the table would not store unchanged."""

    @contextmanager
    def filling(self, session: S, there: D) -> Iterator[None]:
        """Context in a transaction in which the rows of a load are sent to a table, so that the primary key of a new table can come after them."""
        yield

    @abstractmethod
    def loader(self, session: S, load: Load) -> Loader[S]:
        """The loader that sends the rows of a load."""

    def fallback(self, error: ServerError) -> Server[S, D] | None:
        """The same server with another loader, if an error says that the usual one is disabled."""
        return None

    @abstractmethod
    def fingerprint(self, fields: tuple[StageField, ...]) -> str:
        """The SQL for the fingerprint of a stored row, an integer; an Encoding computes the same for a row of the stage."""

    def delete_keys(self, session: S, table: str, fields: tuple[StageField, ...], stage: Stage) -> None:
        """Delete the rows whose key is in the stage."""
        for keys in stage.keys(self, fields):
            session.run(f"DELETE FROM {self.table(table)} WHERE {' OR '.join(keys)}")

    def insert_version(self, session: S, statement: str) -> int:
        """Run the INSERT of one version; returns the number that the server generated."""
        raise NotImplementedError

    def replace_versions(self, table: str, columns: str, rows: Mapping[int, str]) -> str:
        """The statement that replaces versions by number; the values begin with the numbers."""
        raise NotImplementedError

    def lock_versions(self, session: S, table: str) -> None:
        """Lock the versions of a table until the transaction ends, if `row_locks` do not do that."""

    def delete_some(self, table: str, condition: str, most: int) -> str:
        """The statement that deletes at most so many rows."""
        raise NotImplementedError

    def versions_table(self) -> str:
        """The statement that creates the table of versions."""
        raise NotImplementedError

    @abstractmethod
    def explain(self, error: ServerError) -> tuple[str, str]:
        """What happened, with the code that finds it in the server's manual; and what to do."""

    def refusal(self, stage: Stage, there: D, error: ServerError | LoadRefused) -> RunFailure | None:
        """A more specific failure for rejected rows, if this server can find one."""
        return None

    @abstractmethod
    def masked(self, error: ServerError) -> str:
        """The server's text without values of rows."""

    @abstractmethod
    def readers(self, sessions: OpenSessions[S], there: D, notices: list[str]) -> tuple[list[S], tuple[str, ...]]:
        """Sessions that see the same snapshot of a table, and conditions that divide its rows; at least one of each."""

    def share(self, session: S, there: D) -> tuple[str, tuple[str, ...]]:
        """A snapshot that sessions on other machines can `join` while `session` is open, and conditions that divide the rows of a table.

        Without a snapshot, each of them reads at its own moment. A small table has one condition.
        """
        raise NotImplementedError

    def join(self, session: S, snapshot: str) -> None:
        """Let a new session read a snapshot of `share`."""
        raise NotImplementedError

    @abstractmethod
    def batches(self, session: S, there: D, columns: Columns, condition: str) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil a condition, or all, in the declared types. Raises RunFailure for a value of another type."""

    def examine(self, session: S) -> Iterator[HealthFinding]:
        """The findings of `etlrun doctor` about the server. Changes nothing."""
        return iter(())


AnyServer = Server[Any, Any]
