"""Text files to Parquet, for every kind of text: DuckDB takes the records it is sure of, the kind's own judge decides the others.

The bytes of a file are cut into records by `lines` and a framer, the same for both ways. A judge is the definition of what a record
says; the statement takes a record only where it is certain to say the same. So no verdict depends on what else is in a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from etlrun.contracts.source import InputFile, ReadRequest, ReadResult
from etlrun.failures import RunFailure, without_personal
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet_in
from etlrun.reading.framing import MANY_LINES, Framer, Raw, Records, without_first
from etlrun.reading.lines import MAX_LINE, LongLine
from etlrun.reading.opened import records_in
from etlrun.reading.quarantine import BrokenRecord, Quarantine
from etlrun.reading.records import BrokenRecordError, decoded
from etlrun.reading.rows import FILE, INCOMING, LINE, RAW, SETTLED, RowWriter, written_parts

if TYPE_CHECKING:
    import duckdb
    import pyarrow


Judge = Callable[
    [str], tuple[Any, ...] | None
]  # the values of a record, None where it is blank; raises BrokenRecordError
Statement = Callable[[Path], str]  # from INCOMING, or from what another statement left open, into a new folder


class MoreColumns(Protocol):
    """What gives records more columns: their names and types, and the columns of some records."""

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]: ...

    def columns(self, records: Records) -> list[pyarrow.Array]: ...


@dataclass(frozen=True)
class Form:
    """How a kind of text is read: how it is framed, what a record says, and the statement that takes records beyond doubt.

    `again` takes what the first statement left open, where that is much. `more` gives INCOMING more columns.
    `has_header` says that the first record of a file is none.
    """

    framer: Framer
    judge: Judge
    statement: Statement
    again: Callable[[Path, Path], str] | None = None
    more: MoreColumns | None = None
    has_header: bool = False


@dataclass
class TextReader:
    """Reads the files of one order, in groups that are of the same form; counts every record."""

    order: ReadRequest
    columns: Columns
    connection: duckdb.DuckDBPyConnection
    quarantine: Quarantine
    rows: int = 0
    records: Counter[str] = field(default_factory=Counter)
    blank: Counter[str] = field(default_factory=Counter)
    folders: list[Path] = field(default_factory=list)
    failure: Exception | None = None
    _long: list[tuple[str, Raw]] = field(default_factory=list)
    _long_count: int = 0
    _bytes: int = 0

    many = 1_000  # open records for which a second statement is worth its while

    def read_result(self) -> ReadResult:
        """The rows and the account. Every record is a row, broken or blank, or this raises."""
        quarantine = self.quarantine
        blank = self.blank.total()
        if self.records.total() != self.rows + quarantine.count + blank:
            raise AssertionError(
                f"{self.records.total()} records, {self.rows} rows, {quarantine.count} broken, {blank}"
            )
        return ReadResult(
            written_parts(self.folders),
            self.rows,
            quarantine.count,
            blank,
            tuple(quarantine.reasons.most_common()),
            tuple(quarantine.samples),
            (*quarantine.notices(), *self._notices()),
            {path: count - quarantine.files[path] - self.blank[path] for path, count in self.records.items()},
            quarantine.files,
        )

    def _notices(self) -> Iterator[str]:
        if self._long:
            file, longest = max(self._long, key=lambda found: found[1].lines)
            yield (
                f"`{self.order.name}`: records of more than {MANY_LINES} lines: {self._long_count:,}; the longest has {longest.lines} lines "
                f"({file}:{longest.line}); check that no quote is missing there"
            )

    def read(self, files: Sequence[InputFile], form: Form) -> None:
        """Read files of one form. Raises RunFailure for one that is cut, damaged, not readable or not at rest."""
        import duckdb
        import pyarrow as pa

        target = self._new_folder()
        more = form.more.fields if form.more else []
        schema = pa.schema(
            [("l", pa.large_string()), ("line", pa.int64()), ("file", pa.int32()), ("day", pa.date32()), *more]
        )
        batches = pa.RecordBatchReader.from_batches(schema, self._batches(files, form, schema))
        self.connection.register(INCOMING, batches)
        try:
            self.connection.execute(form.statement(target))
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            if self.failure is not None:
                raise self.failure from self.failure.__cause__
            if isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException)):
                raise _no_room(self.order.name, error) from error
            raise
        finally:
            self.connection.unregister(INCOMING)
        open_ = self._count(target)
        if form.again is not None and open_ > self.many:
            left, target = target, self._new_folder()
            self.connection.execute(form.again(left, target))
            self._count(target)
        self._settle(target, files, form.judge)

    def _new_folder(self) -> Path:
        target = self.order.folder / f"rows-{len(self.folders)}"
        target.mkdir()
        self.folders.append(target)
        return target

    def _count(self, target: Path) -> int:
        """Count the rows that a statement took; gives how many records it left open."""
        ((lines, doubts),) = self.connection.execute(
            f"SELECT count(*), count({name(RAW)}) FROM {parquet_in(target)}"
        ).fetchall()
        self.rows += lines - doubts
        return int(doubts)

    def _settle(self, target: Path, files: Sequence[InputFile], judge: Judge) -> None:
        """Decide the records that DuckDB left open."""
        found = self.connection.execute(
            f"SELECT {name(FILE)}, {name(LINE)}, {name(RAW)} FROM {parquet_in(target)} "
            f"WHERE {name(RAW)} IS NOT NULL ORDER BY {name(FILE)}, {name(LINE)}"
        )
        with RowWriter(target / SETTLED, self.columns) as writer:
            while some := found.fetchmany(10_000):
                for index, line, record in some:
                    file = files[index]
                    try:
                        values = judge(record)
                    except BrokenRecordError as error:
                        raw = record.encode()
                        self.quarantine.add(
                            BrokenRecord(file.path, line, str(error), raw, raw.count(b"\n") + 1, len(raw))
                        )
                        continue
                    if values is None:
                        self.blank[file.path] += 1
                        continue
                    self.rows += 1
                    writer.add((*values, file.date) if len(self.columns) > len(values) else values)

    def _batches(self, files: Sequence[InputFile], form: Form, schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
        """The records of all files; a failure is kept, since DuckDB would give back its text only."""
        import pyarrow as pa

        try:
            for index, file in enumerate(files):
                for found in self._records(file, form):
                    size = len(found.texts)
                    where = (
                        pa.repeat(pa.scalar(index, pa.int32()), size),
                        pa.repeat(pa.scalar(file.date, pa.date32()), size),
                    )
                    more = form.more.columns(found) if form.more else []
                    yield pa.RecordBatch.from_arrays([found.texts, found.lines, *where, *more], schema=schema)
        except (RunFailure, OSError) as failure:
            self.failure = failure
            raise

    def _records(self, file: InputFile, form: Form) -> Iterator[Records]:
        """The records of a file that are text; the others are broken at once."""
        self.records[file.path] += 0
        is_header = form.has_header
        for found in records_in(file, form.framer, self._progress):
            if isinstance(found, LongLine):
                self.records[file.path] += 1
                reason = f"the line is longer than {MAX_LINE // 1_000_000} MB"
                self.quarantine.add(BrokenRecord(file.path, found.line, reason, found.head, 1, found.size))
                continue
            if is_header and len(found):
                found, is_header = without_first(found), False
            self.records[file.path] += len(found)
            self._look_at(file, found)
            yield found

    def _look_at(self, file: InputFile, found: Records) -> None:
        for raw in found.undecodable:
            try:
                decoded(raw.data)
            except BrokenRecordError as error:
                self.quarantine.add(BrokenRecord(file.path, raw.line, str(error), raw.data, raw.lines, len(raw.data)))
        self._long_count += len(found.long)
        if found.long:
            self._long.append((file.path, max(found.long, key=lambda raw: raw.lines)))
            self._long = [max(self._long, key=lambda known: known[1].lines)]

    def _progress(self, size: int) -> None:
        self._bytes += size
        self.order.control.share = self._bytes / max(1, self.order.inventory.bytes)


def _no_room(source: str, error: Exception) -> RunFailure:
    """The failure of a disk or a memory that is full."""
    detail = without_personal(str(error).split("\n", 1)[0])
    message = f"`{source}`: the rows that were read cannot be written ({detail})"
    return RunFailure("source", "disk", message, "make room on the disk of `runs:` and in memory, then run again")
