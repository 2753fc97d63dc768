"""Reads text files of every kind into Parquet: DuckDB reads the records of which it is certain, the kind's exact reader (judge) the others.

The bytes of a file are split into records by `lines` and a framer, the same for both ways. The judge is the reference for the values of a
record; the statement reads a record only if its result is certainly the same. So no result depends on the other records of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.contracts.engine import ParquetFiles, StatementError
from etlrun.contracts.row_aggregation import FileAggregationFailure
from etlrun.contracts.source import FilePart, InputFile, ReadRequest, ReadResult
from etlrun.failures import RunFailure, without_personal
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet_in
from etlrun.reading.account import SliceCounts
from etlrun.reading.accounting import Accounting, sum_up
from etlrun.reading.file_slices import SLICE_BYTES, cut
from etlrun.reading.framed import FramedSlices
from etlrun.reading.framing import Framer, MoreColumns, frame_lines
from etlrun.reading.opened import refuse_changed
from etlrun.reading.quarantine import BrokenRecord
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.rows import (
    FILE,
    INCOMING,
    LINE,
    RAW,
    SETTLED,
    RowWriter,
    copy_statement,
    with_constants,
    written_parts,
)
from etlrun.reading.tame_files import NUMBERED, LineRules, TameFile, as_lines, find_tame, number_lines, numbered_schema

if TYPE_CHECKING:
    import duckdb
    import pyarrow


Judge = Callable[[str], tuple[Any, ...] | None]  # the values of a record, None if it is blank; raises BrokenRecordError
FRAMED = "__etlrun_framed"  # the relation of the records that are split here


@dataclass(frozen=True)
class Form:
    """How a kind of text is read: the framer, the exact reader (`judge`), and the DuckDB statement for the records that are certain.

    The statement reads INCOMING; see `typed_rows`. `more` adds columns to INCOMING. `again` reads the records that the first statement left
    open in a folder, if they are many. `rules` find the files in
    which every line is a record. The framer leaves out the first `skip` lines of a file. With `has_header`, the first record after them is a
    header; `header` are the names in it, and `lacking` the declared columns that are not in it.
    """

    framer: Framer
    judge: Judge
    statement: str
    more: MoreColumns
    again: Callable[[Path], str] | None = None
    rules: LineRules | None = None
    skip: int = 0
    has_header: bool = False
    header: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    @property
    def leading_lines(self) -> int:
        """The number of lines of a tame file before its first record: a header without quotes is one line."""
        return self.skip + self.has_header


@dataclass
class TextReader:
    """Reads the files of one request, in groups of the same form; counts every record."""

    order: ReadRequest
    columns: Columns
    connection: duckdb.DuckDBPyConnection
    accounting: Accounting
    rows: int = 0
    folders: list[Path] = field(default_factory=list)
    failure: Exception | None = None
    partial: list[Path] = field(default_factory=list)  # folders of the rows that were aggregated while they were read
    direct_rows: int = 0  # that were

    many = 1_000  # from so many open records on, a second statement is faster

    def read_result(self) -> ReadResult:
        """The rows, or their partial aggregates, and the account."""
        accounts = self.accounting.accounts(self.rows)
        files = self._partial_files() if self.partial else written_parts(self.folders)
        found = sum_up(self.order, files, accounts, self.accounting.broken())
        return replace(found, is_partial=bool(self.partial))

    def _partial_files(self) -> tuple[ParquetFiles, ...]:
        """The partial aggregates of all rows. Raises FileAggregationFailure."""
        aggregation = self.order.aggregation
        assert aggregation is not None
        folders = list(self.partial)
        if self.rows > self.direct_rows:
            folders.append(self.order.folder / "partial-of-others")
            try:
                with closing(aggregation.start()) as session:
                    session.read_files(aggregation.name, self.columns, written_parts(self.folders))
                    session.write(aggregation.statement, folders[-1])
            except StatementError as error:
                raise FileAggregationFailure from error
        paths = tuple(str(path) for folder in folders for path in sorted(folder.glob("*.parquet")))
        return (ParquetFiles(paths),) if paths else ()

    def part(self, quarantine: Path, header: tuple[str, ...]) -> FilePart:
        """The rows and the account of the only file that was read, with its broken records in `quarantine`."""
        (account,) = self.accounting.accounts(self.rows)
        if account.broken and self.order.quarantine is not None:
            with quarantine.open("xb") as stream:
                stream.writelines(self.accounting.broken())
        (file,) = self.order.inventory.files
        return FilePart(written_parts(self.folders), account, quarantine, header, file.sha256)

    def read(self, files: Sequence[InputFile], form: Form) -> None:
        """Read files of the same form. Raises RunFailure for one that is truncated, damaged, not readable or changing."""
        if not files:
            return
        tame = find_tame(files, form.rules, self.order.limits.at_once) if form.rules else []
        tame = [found for found in tame if found.lines >= form.leading_lines]
        if tame:
            self._read_tame(tame, form)
        known = {found.file for found in tame}
        framed = [file for file in files if file not in known]
        if framed:
            self._read_framed(cut(framed, SLICE_BYTES) if form.framer is frame_lines else framed, form)

    def _read_tame(self, tame: Sequence[TameFile], form: Form) -> None:
        """Let DuckDB split files into lines. Only lines that it leaves open are searched again, to find their numbers."""
        lines = as_lines(tame, form.leading_lines)
        relation = form.more.of_lines(f"SELECT *, NULL::BIGINT AS line FROM ({lines})")
        files = [found.file for found in tame]
        incoming = self._define(f"({relation})", files)
        slice_counts = self.accounting.open(files, form.lacking)
        for counts, found in zip(slice_counts, tame, strict=True):
            counts.records = found.lines - form.leading_lines
        try:
            target, open_ = self._aggregated(form, files, incoming, slice_counts) or self._take(form, files)
        finally:
            self.connection.execute(f"DROP VIEW {INCOMING}")
        if open_:
            self._settle(self._located(target, files, form), target, slice_counts, form.judge)

    def _read_framed(self, slices: Sequence[InputFile], form: Form) -> None:
        """Split slices into records here, and let DuckDB read these."""
        import pyarrow as pa

        framed = FramedSlices(self.accounting, form.framer, form.more, form.has_header)
        slice_counts = self.accounting.open(slices, form.lacking)
        found = self._keep_failure(framed.batches(slice_counts))
        self.connection.register(FRAMED, pa.RecordBatchReader.from_batches(framed.schema(), found))
        self._define(FRAMED, slices)
        try:
            target, open_ = self._take(form, slices)
        finally:
            self.connection.execute(f"DROP VIEW {INCOMING}")
            self.connection.unregister(FRAMED)
        if open_:
            self._settle(_open_in(target), target, slice_counts, form.judge)

    def _define(self, records: str, files: Sequence[InputFile]) -> str:
        """Define INCOMING as these records of `files`; returns its SQL."""
        constants = self.columns.items[len(self.columns) - len(files[0].constants) :]
        incoming = with_constants(records, constants, files)
        self.connection.execute(f"CREATE TEMP VIEW {INCOMING} AS {incoming}")
        return incoming

    def _aggregated(
        self, form: Form, files: Sequence[InputFile], incoming: str, slice_counts: Sequence[SliceCounts]
    ) -> tuple[Path, int] | None:
        """Like `_take`, but aggregate the records of tame files instead of writing them; None if the request does not say how, or it does not pay.

        Raises FileAggregationFailure.
        """
        aggregation, records = self.order.aggregation, sum(counts.records for counts in slice_counts)
        if aggregation is None or not records:
            return None
        from etlrun.reading.direct_reading import DirectReading  # few runs aggregate directly

        target, folder = self._new_folder(), self.order.folder / f"partial-{len(self.partial)}"
        reading = DirectReading(aggregation, self.columns, files, incoming, form.statement, records, target, folder)
        open_ = reading.read(self.order.control)
        refuse_changed(files)
        if open_ is None:
            return None
        self.partial.append(folder)
        self.rows += records - open_
        self.direct_rows += records - open_
        return self._again(form, target, open_)

    def _take(self, form: Form, files: Sequence[InputFile]) -> tuple[Path, int]:
        """Write the records of which DuckDB is certain; returns the folder in which the others are left open, and their number."""
        target = self._new_folder()
        self._execute(copy_statement(form.statement, target), files)
        refuse_changed(files)
        return self._again(form, target, self._count(target))

    def _again(self, form: Form, target: Path, open_: int) -> tuple[Path, int]:
        """Let DuckDB read many open records with more patience; returns like `_take`."""
        if form.again is None or open_ <= self.many:
            return target, open_
        left, target = target, self._new_folder()
        self.connection.execute(copy_statement(form.again(left), target))
        return target, self._count(target)

    def _execute(self, statement: str, files: Sequence[InputFile]) -> None:
        """Execute a statement that reads `files`. Raises RunFailure if a file is damaged or the disk is full."""
        import duckdb

        try:
            self.connection.execute(statement)
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            if self.failure is not None:
                raise self.failure from self.failure.__cause__
            refuse_changed(files)
            if isinstance(error, (duckdb.IOException, duckdb.OutOfMemoryException)):
                raise _no_room(self.order.name, error) from error
            raise

    def _new_folder(self) -> Path:
        target = self.order.folder / f"rows-{len(self.folders)}"
        target.mkdir()
        self.folders.append(target)
        return target

    def _count(self, target: Path) -> int:
        """Count the rows that a statement read; returns how many records it left open."""
        ((lines, doubts),) = self.connection.execute(
            f"SELECT count(*), count({name(RAW)}) FROM {parquet_in(target)}"
        ).fetchall()
        self.rows += lines - doubts
        return int(doubts)

    def _located(self, target: Path, files: Sequence[InputFile], form: Form) -> str:
        """The records that are left open in `target`, each with its line number, which is found by the text of the line."""
        import pyarrow as pa

        open_ = _open_in(target)
        found = self.connection.execute(f"SELECT DISTINCT {name(FILE)} FROM ({open_})").fetchall()
        numbered = self._keep_failure(number_lines(files, sorted(index for (index,) in found), form.leading_lines))
        batches = pa.RecordBatchReader.from_batches(numbered_schema(), numbered)
        self.connection.register(NUMBERED, batches)
        # So that DuckDB never keeps all lines in memory.
        self.connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
        return f"SELECT n.* FROM {NUMBERED} n SEMI JOIN ({open_}) o USING ({name(FILE)}, {name(RAW)})"

    def _settle(self, open_: str, target: Path, slice_counts: Sequence[SliceCounts], judge: Judge) -> None:
        """Read the records that DuckDB left open with the judge."""
        self._execute(
            f"SELECT {name(FILE)}, {name(LINE)}, {name(RAW)} FROM ({open_}) ORDER BY {name(FILE)}, {name(LINE)}",
            [counts.file for counts in slice_counts],
        )
        with RowWriter(target / SETTLED, self.columns) as writer:
            while some := self.connection.fetchmany(10_000):
                for index, line, record in some:
                    counts = slice_counts[index]
                    file = counts.file
                    try:
                        values = judge(record)
                    except BrokenRecordError as error:
                        raw = record.encode()
                        broken = BrokenRecord(file.path, line, str(error), raw, raw.count(b"\n") + 1, len(raw))
                        self.accounting.add_broken(counts, "judged", broken)
                        continue
                    if values is None:
                        counts.blank += 1
                        continue
                    self.rows += 1
                    writer.add((*values, *file.constants))

    def _keep_failure(self, batches: Iterator[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """The same batches; a failure is kept, because DuckDB would pass on only its text."""
        try:
            yield from batches
        except (RunFailure, OSError) as failure:
            self.failure = failure
            raise


def _open_in(target: Path) -> str:
    """The records that are left open in a folder."""
    return f"SELECT {name(FILE)}, {name(LINE)}, {name(RAW)} FROM {parquet_in(target)} WHERE {name(RAW)} IS NOT NULL"


def _no_room(source: str, error: Exception) -> RunFailure:
    """The failure of a disk or a memory that is full."""
    detail = without_personal(str(error).split("\n", 1)[0])
    message = f"`{source}`: the rows that were read cannot be written ({detail})"
    return RunFailure("source", "disk", message, "free space on the disk of `runs:`, or free memory, then run again")
