"""Tables as Parquet files in the declared types: a large one over several connections at once, each of which reads ranges of the key.

The threads of one process suffice: the work on a row happens outside of Python's lock, but for a sixth of a second in a million rows.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from etlrun.connections._mysql.errors import ServerError
from etlrun.connections._mysql.ranges import CUT, Cutter, Range
from etlrun.connections._mysql.session import Session
from etlrun.connections._mysql.snapshots import NotAlikeError, Sessions, open_alike
from etlrun.connections._mysql.tables import Definition
from etlrun.connections._mysql.types import Stored
from etlrun.connections._mysql.words import name
from etlrun.failures import RunFailure
from etlrun.language.arrow import arrow_schema, write_parquet
from etlrun.language.columns import Column, Columns
from etlrun.spec.database import Copy

LARGE = 100_000  # rows that are worth the start of several connections
MOST_READERS = 4
RANGES = 4  # for each reader: who is done early takes another
NO_RIGHT = (1044, 1142, 1227)


@dataclass(frozen=True)
class Parallel:
    """How many connections read a table of at least `least` rows."""

    readers: int | None = None
    least: int = LARGE

    @property
    def count(self) -> int:
        return max(1, self.readers) if self.readers is not None else min(MOST_READERS, len(os.sched_getaffinity(0)))


class Selection:
    """Some columns of a table that is there, in the types that are declared for them. Raises RunFailure for one that is not there."""

    def __init__(self, there: Definition, columns: Columns) -> None:
        self.there = there
        self.columns = columns
        self._stored = [_find(there, item) for item in columns]

    def batches(self, session: Session, condition: str) -> Iterator[pa.RecordBatch]:
        """The rows that fulfil a condition on the key, or all. Raises RunFailure for a value of another type."""
        by_key = f" FORCE INDEX (PRIMARY) WHERE {condition}" if condition else ""
        schema = arrow_schema(self.columns)
        for page in session.pages(
            f"SELECT {', '.join(map(_selected, self._stored))} FROM {name(self.there.table)}{by_key}"
        ):
            arrays = [_array(self.there, item, values) for item, values in zip(self.columns, page, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


class Reader:
    """Reads the tables of a server; what a person should know of it goes to `notices`."""

    def __init__(
        self,
        label: str,
        connect: Callable[[], Session],
        failure: Callable[[ServerError], RunFailure],
        parallel: Parallel,
        notices: list[str],
    ) -> None:
        self.label = label
        self.failure = failure
        self.parallel = parallel
        self.notices = notices
        self._connect = connect
        self._is_interrupted = False
        self.sessions = Sessions(connect)

    def interrupt(self) -> None:
        """Let `copy` fail at once; for another thread."""
        self._is_interrupted = True
        self.sessions.cut()

    def copy(self, selection: Selection, folder: Path) -> Copy:
        """The rows of a table in files in `folder`. Raises RunFailure."""
        self.sessions = Sessions(self._connect)
        if self._is_interrupted:
            self.sessions.cut()
        try:
            readers, conditions = self._divide(selection.there)
            if len(conditions) > 1:
                return _Work(selection, folder, conditions).run(readers, self.sessions)
            path = folder / "rows.parquet"
            return Copy((path,), write_parquet(path, selection.columns, selection.batches(readers[0], conditions[0])))
        except ServerError as error:
            raise self.failure(error) from error
        finally:
            self.sessions.hang_up()

    def _divide(self, there: Definition) -> tuple[list[Session], tuple[str, ...]]:
        """Sessions that see the same, and the conditions that share the rows out between them; one of each where that is not possible."""
        first = self.sessions.open()
        if (
            self.parallel.count == 1
            or not _may_be_cut(there)
            or Cutter(first, there).estimate(Range()) < self.parallel.least
        ):
            return [first], ("",)
        try:
            readers = open_alike(self.sessions, there.table, self.parallel.count)
            return readers, Cutter(readers[0], there).cut(RANGES * len(readers))
        except NotAlikeError:
            pass
        except ServerError as error:
            if error.code in NO_RIGHT:
                self.notices.append(_without_right(self.label, there.table))
        self.sessions.hang_up()
        return [self.sessions.open()], ("",)


class _Work:
    """The ranges of a table on their way into files."""

    def __init__(self, selection: Selection, folder: Path, conditions: tuple[str, ...]) -> None:
        self.selection = selection
        self.paths = [folder / f"rows-{number:05}.parquet" for number in range(len(conditions))]
        self.left = deque(zip(self.paths, conditions, strict=True))
        self.counted = -1

    def run(self, readers: list[Session], sessions: Sessions) -> Copy:
        """Read them all, and count. Raises ServerError, RunFailure; then nobody reads any more."""
        with ThreadPoolExecutor(len(readers), "etlrun-read") as pool:
            works = [
                pool.submit(self._count_and_read, readers[0]),
                *(pool.submit(self._read, session) for session in readers[1:]),
            ]
            try:
                rows = sum(done.result() for done in as_completed(works))
            except BaseException:
                sessions.cut()
                raise
        if rows != self.counted:
            raise RunFailure(
                "source",
                "rows-differ",
                f"the ranges of the table `{self.selection.there.table}` hold {rows:,} rows of {self.counted:,}",
                "read it over one connection, with `readers: 1`, and tell us its key and collation",
            )
        return Copy(tuple(self.paths), rows)

    def _count_and_read(self, session: Session) -> int:
        (self.counted,) = session.one(f"SELECT COUNT(*) FROM {name(self.selection.there.table)}")
        return self._read(session)

    def _read(self, session: Session) -> int:
        rows = 0
        while self.left:
            try:
                path, condition = self.left.popleft()
            except IndexError:  # another thread took the last one
                break
            rows += write_parquet(path, self.selection.columns, self.selection.batches(session, condition))
        return rows


def _may_be_cut(there: Definition) -> bool:
    """Whether several connections can read the table as one state, each its part."""
    first = there.column(there.key[0]) if there.key else None
    return first is not None and first.kind in CUT and there.is_table and there.engine.lower() == "innodb"


def _without_right(label: str, table: str) -> str:
    return (
        f"connection `{label}`: the table `{table}` is read over one connection, because several need the right LOCK TABLES to see one state of it: "
        "GRANT LOCK TABLES ON database.* TO the account, or set `readers: 1`"
    )


def _find(there: Definition, item: Column) -> Stored:
    found = there.column(item.name)
    if found is None:
        names = ", ".join(column.name for column in there.columns)
        raise RunFailure(
            "source", "missing-column", f"the table `{there.table}` has no column `{item.name}`", f"it has {names}"
        )
    return found


def _selected(column: Stored) -> str:
    """A FLOAT is shown with six digits unless it is part of a sum."""
    return f"{name(column.name)} + 0e0" if column.kind == "float" else name(column.name)


def _array(there: Definition, item: Column, found: pa.BinaryArray) -> pa.Array:
    wanted = arrow_schema(Columns((item,))).field(0).type
    try:
        return found if wanted == pa.binary() else found.cast(pa.string()).cast(wanted)
    except pa.ArrowInvalid as error:
        raise RunFailure(
            "source",
            "wrong-columns",
            f"the column `{item.name}` of the table `{there.table}` does not hold {item.type} in every row",
            "declare the type that the table has",
        ) from error
