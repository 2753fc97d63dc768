"""What the publish protocol needs of a server: its words, its tables, a lock, a way to load rows, a fingerprint of them, its errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

from sqlglot import exp

from etlrun.contracts.connection import Load
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
    """A statement or a connection that failed: the server's code, and its text, which may hold values of rows.

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
    """The server took the rows otherwise than they are; `str()` says how."""

    def __init__(self, detail: str, code: int = 0, *, is_duplicate: bool = False) -> None:
        super().__init__(detail)
        self.code = code
        self.is_duplicate = is_duplicate


class ServerSession(Protocol):
    """An open connection. Its failures come as ServerError."""

    def run(self, statement: str) -> int:
        """Run a statement; gives the number of rows that it touched."""

    def rows(self, query: str) -> list[tuple[Any, ...]]: ...

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""

    @property
    def is_open(self) -> bool:
        """Whether the line was up when it was used last."""

    @property
    def thread(self) -> int:
        """The number of this session on the server."""

    def close(self) -> None:
        """End the session in good order. The server rolls back what is open, and releases the locks."""

    def abort(self) -> None:
        """Cut the line without a word, in whatever state it is."""

    def cut(self) -> None:
        """Cut the line from another thread: who waits for the server gets an error at once."""


S = TypeVar("S", bound=ServerSession)
S_contra = TypeVar("S_contra", bound=ServerSession, contravariant=True)
D = TypeVar("D", bound=Definition[Any])


class Loader(Protocol[S_contra]):
    """A way in which rows travel. `notice` is for a person, where it is not the usual one."""

    @property
    def notice(self) -> str: ...

    def encoding(self, fields: tuple[StageField, ...]) -> Encoding:
        """How the rows leave the stage."""

    def load(
        self, session: S_contra, table: str, fields: tuple[StageField, ...], batches: Iterator[pa.RecordBatch]
    ) -> int:
        """Put rows, encoded, into a table; gives how many the server took. Raises LoadRefused, ServerError."""


@dataclass(frozen=True)
class Rule:
    """What must hold for no row of the stage: `bad` is a condition on it, `why` completes `column` ...

    `padded` are columns of the key whose spaces at the end the server overlooks, where `bad` is about such a space.
    """

    column: str
    bad: str
    why: str
    fix: str
    padded: tuple[str, ...] = ()


class Server(ABC, Generic[S, D]):
    """A server of one kind, as one connection of the profile names it."""

    product: str  # as messages name it
    place: str  # the server and the database
    now: str  # the time in UTC, `2022-04-30T20:15:00Z`, as an SQL expression
    ends_session = "KILL {}"  # the statement that ends a session
    schema = "current_schema()"  # the schema of a session, as an SQL expression
    row_locks = " FOR UPDATE"  # what makes a SELECT lock its rows
    is_embedded = False  # a file that one process uses at a time: it needs no locks, and rows stay in the order in which they came
    dirty_reads = ""  # the statement with which a session sees what others have not committed yet
    keeps_versions = False  # whether `publish: pointer` is more than a transaction here
    loads_in_transaction = (
        False  # whether rows that nobody sees yet come in one transaction: none grows with what it adds
    )
    views_hold_columns = False  # whether a view must go before the columns that it shows are changed
    view_right = "CREATE VIEW"  # the right to make a view

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
        """A checked condition as this server says it. Raises RunFailure for what it might take another way."""

    def table(self, text: str) -> str:
        """A table's name, quoted part by part."""
        return ".".join(map(self.name, text.split(".")))

    def names(self, texts: tuple[str, ...]) -> str:
        return ", ".join(map(self.name, texts))

    @abstractmethod
    def describe(self, session: S, table: str) -> D | None:
        """The table or view of this name; None where there is none."""

    @abstractmethod
    def missing_schema(self, session: S, table: str) -> str:
        """The statement that makes the schema of a table, where it is missing; else nothing."""

    def tables(self, session: S) -> list[str]:
        """The names of the tables and views in the session's schema."""
        found = session.rows(f"SELECT table_name FROM information_schema.tables WHERE table_schema = {self.schema}")
        return sorted(str(row[0]) for row in found)

    def view_query(self, session: S, view: str) -> str:
        """The query of a view in the server's own words; nothing where it does not tell."""
        schema, _, plain = view.rpartition(".")
        of = f"table_schema = {self.text(schema) if schema else self.schema} AND table_name = {self.text(plain)}"
        found = session.rows(f"SELECT view_definition FROM information_schema.views WHERE {of}")
        return str(found[0][0] or "") if found else ""

    def require_rights(self, session: S, load: Load) -> None:
        """Raises RunFailure where the account may not publish a load, as far as the server says so."""

    def is_too_long(self, plain: str) -> bool:
        """Whether a name is longer than one may be."""
        return False

    def rename_statement(self, table: str, plain: str) -> str:
        """The statement that gives a table another name in its schema."""
        return f"ALTER TABLE {self.table(table)} RENAME TO {self.name(plain)}"

    @abstractmethod
    def unfit(self, columns: Columns) -> Iterator[str]:
        """What the server cannot hold at all, whatever the table."""

    @abstractmethod
    def mismatches(self, load: Load, there: D, exact: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Why a load does not fit a table, each with the statement that changes that. `exact` columns tell rows apart."""

    def references_to(self, session: S, table: str) -> tuple[Reference, ...]:
        """The foreign keys of other tables that refer to a table, and of itself."""
        return ()

    def triggers_of(self, session: S, load: Load, table: str) -> Iterator[str]:
        """The triggers that a publish to a table starts and that may change other tables, where the server does not say it of `changed`."""
        return iter(())

    def changed(self, session: S) -> frozenset[str]:
        """The tables, as `lock_owner` names them, of which this transaction has changed rows, and maybe those before it in this session.

        None where the server does not say.
        """
        return frozenset()

    def settle(self, session: S, table: str) -> None:
        """Let what waits for COMMIT and may change rows of the table do so now, before they are compared."""

    @abstractmethod
    def create_statement(self, load: Load, exact: frozenset[str]) -> str:
        """The statement that makes the table of a load."""

    def replace_view(self, session: S, load: Load) -> Iterator[str]:
        """The statements that put the view of a load in the place of one that may be there."""
        yield f"CREATE OR REPLACE VIEW {self.table(load.table)} AS {load.query}"

    @abstractmethod
    def own_table(self, table: OwnTable) -> str:
        """The statement that makes a table of etlrun's own."""

    def lock_owner(self, session: S, table: str) -> str:
        """The full name of a table, whatever schema the session is in: what its lock is named after."""
        raise NotImplementedError

    def identity(self, session: S) -> str:
        """What tells the server, or the file, from all others, however a connection names it."""
        raise NotImplementedError

    def try_lock(self, session: S, lock: str) -> bool:
        """Take a named lock, which ends with the session, unless another session has it."""
        raise NotImplementedError

    def holder(self, lock: str) -> str:
        """An SQL expression for the number of the session that has a lock, given as an expression; NULL where none has it."""
        raise NotImplementedError

    def lock_holder(self, session: S, lock: str) -> int | None:
        """The number of the session that has a named lock."""
        (found,) = session.one(f"SELECT {self.holder(self.text(lock))}")
        return None if found is None else int(found)

    def busy(self, detail: str) -> ServerError:
        """The error of a wait for a lock that was too long."""
        raise NotImplementedError

    def blockers(self, session: S, error: ServerError) -> str:
        """Who else holds rows after a wait that was too long, as the end of a sentence."""
        return ""

    @property
    @abstractmethod
    def lock_seconds(self) -> int:
        """How long to wait for what another session holds."""

    @abstractmethod
    def rules(self, stage: Stage, there: D) -> Iterator[Rule]:
        """What the table would not keep as it is."""

    @abstractmethod
    def loader(self, session: S, load: Load) -> Loader[S]:
        """The way in which the rows of a load travel."""

    def fallback(self, error: ServerError) -> Server[S, D] | None:
        """The same server by another way to load, where an error says that the usual one is closed."""
        return None

    @abstractmethod
    def fingerprint(self, fields: tuple[StageField, ...]) -> str:
        """A whole number for each row that the server stores, which an Encoding gives for a row of the stage as well."""

    def delete_keys(self, session: S, table: str, fields: tuple[StageField, ...], stage: Stage) -> None:
        """Delete the rows that have a key of the stage."""
        for keys in stage.keys(self, fields):
            session.run(f"DELETE FROM {self.table(table)} WHERE {' OR '.join(keys)}")

    def insert_version(self, session: S, statement: str) -> int:
        """Run the INSERT of one version; gives the number that the server gave it."""
        raise NotImplementedError

    def replace_versions(self, table: str, columns: str, rows: Mapping[int, str]) -> str:
        """The statement that writes versions, which begin with their numbers, in the place of those of equal number."""
        raise NotImplementedError

    def lock_versions(self, session: S, table: str) -> None:
        """Let no other transaction show versions of a table until this one ends, where `row_locks` do not see to that."""

    def delete_some(self, table: str, condition: str, most: int) -> str:
        """The statement that deletes at most so many rows."""
        raise NotImplementedError

    def versions_table(self) -> str:
        """The statement that makes the table of versions."""
        raise NotImplementedError

    @abstractmethod
    def explain(self, error: ServerError) -> tuple[str, str]:
        """What happened, with the code that finds it in the server's manual; and what to do."""

    def refusal(self, stage: Stage, there: D, error: ServerError | LoadRefused) -> RunFailure | None:
        """What this server knows of rows that a table does not take, beyond its text."""
        return None

    @abstractmethod
    def masked(self, error: ServerError) -> str:
        """The server's text without values of rows."""

    @abstractmethod
    def readers(self, sessions: OpenSessions[S], there: D, notices: list[str]) -> tuple[list[S], tuple[str, ...]]:
        """Sessions that see one state of a table, and conditions that share its rows out between them; at least one of each."""

    @abstractmethod
    def batches(self, session: S, there: D, columns: Columns, condition: str) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil a condition, or all, in the declared types. Raises RunFailure for a value of another type."""

    def examine(self, session: S) -> Iterator[HealthFinding]:
        """What `etlrun doctor` tells of the server. Changes nothing."""
        return iter(())


AnyServer = Server[Any, Any]
