"""JSON lines to Parquet: DuckDB reads every line it is sure of, `records` settles the others one by one.

A line goes to `records` when DuckDB cannot parse it, when a declared key is absent or twice, or when a value has a spelling that the
two could take differently. So the fast way never decides a doubtful case, and both ways give the same rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, text
from etlrun.reading.intake import Intake, Order
from etlrun.reading.inventory import InputFile
from etlrun.reading.json_statements import patient_statement, strict_statement
from etlrun.reading.lines import check_gzip, raw_lines
from etlrun.reading.quarantine import BrokenRecord, Quarantine, with_line_numbers
from etlrun.reading.records import BrokenRecordError, Field, read_line
from etlrun.reading.rows import FILE, RAW, SETTLED, RowWriter, written_parts

if TYPE_CHECKING:
    import duckdb

MANY = 1_000  # open lines for which a second statement is worth its while


def read_json_lines(order: Order, columns: Columns, fields: Sequence[Field]) -> Intake:
    """Read the files of `order` into Parquet below its folder.

    Raises RunFailure for a file that is cut, damaged or not readable.
    """
    order.folder.mkdir(parents=True, exist_ok=True)
    work = _Work(order, columns, fields, Quarantine(order.name, order.quarantine))
    try:
        work.read(order.inventory.files)
    finally:
        work.quarantine.close()
    return work.intake()


@dataclass
class _Work:
    order: Order
    columns: Columns
    fields: Sequence[Field]
    quarantine: Quarantine
    rows: int = 0
    blank: int = 0
    folders: list[Path] = field(default_factory=list)

    def intake(self) -> Intake:
        quarantine = self.quarantine
        return Intake(
            written_parts(self.folders),
            self.rows,
            quarantine.count,
            self.blank,
            tuple(quarantine.reasons.most_common()),
            tuple(quarantine.samples),
            bad_rows_of=quarantine.files,
        )

    def read(self, files: Sequence[InputFile]) -> None:
        import duckdb

        for file in files:
            if file.path.endswith(".gz"):
                _reading(file.path, lambda path=file.path: check_gzip(path))  # type: ignore[misc]
        with duckdb.connect() as connection:
            self.order.control.follow(connection)
            for group in self.fast(connection, files, "lines"):
                self.slow(group)

    def fast(
        self, connection: duckdb.DuckDBPyConnection, files: Sequence[InputFile], folder: str
    ) -> Iterator[InputFile]:
        """Read `files` by DuckDB; gives back those it cannot take as lines of text at all."""
        import duckdb

        if not files:
            return
        target = self.order.folder / folder
        target.mkdir()
        try:
            connection.execute(strict_statement(files, self.columns, self.fields, target))
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            if len(files) == 1:
                yield files[0]
                return
            for index, file in enumerate(files):
                yield from self.fast(connection, [file], f"{folder}-{index}")
            return
        self.settle(connection, self.take(connection, target, files))

    def take(self, connection: duckdb.DuckDBPyConnection, target: Path, files: Sequence[InputFile]) -> Path:
        """Count the rows that DuckDB was sure of, and give the folder with the lines that are still open.

        Where many are, a more patient statement takes those in which nothing but a key is absent.
        """
        self.folders.append(target)
        lines, doubts = self.counted(connection, target)
        self.rows += lines - doubts
        if doubts <= MANY:
            return target
        patient = target.with_name(f"{target.name}-patient")
        patient.mkdir()
        connection.execute(patient_statement(target, files, self.columns, self.fields, patient))
        self.folders.append(patient)
        lines, doubts = self.counted(connection, patient)
        self.rows += lines - doubts
        return patient

    def counted(self, connection: duckdb.DuckDBPyConnection, target: Path) -> tuple[int, int]:
        """How many lines a statement wrote, and how many of them are open."""
        ((lines, doubts),) = connection.execute(
            f"SELECT count(*), count({name(RAW)}) FROM read_parquet({text(str(target / '*.parquet'))})"
        ).fetchall()
        return lines, doubts

    def settle(self, connection: duckdb.DuckDBPyConnection, target: Path) -> None:
        """Decide the lines that DuckDB left open."""
        days = {file.path: file.date for file in self.order.inventory.files}
        doubts = connection.execute(
            f"SELECT {name(FILE)}, {name(RAW)} FROM read_parquet({text(str(target / '*.parquet'))}) WHERE {name(RAW)} IS NOT NULL"
        )
        broken: list[BrokenRecord] = []
        with RowWriter(target / SETTLED, self.columns) as writer:
            while found := doubts.fetchmany(10_000):
                for file, raw in found:
                    self.line(raw.encode(), file, 0, days[file], writer, broken.append)
        for record in with_line_numbers(broken):
            self.quarantine.add(record)

    def slow(self, file: InputFile) -> None:
        """Read one file line by line, whatever bytes stand in it."""
        target = self.order.folder / f"slow-{len(self.folders)}"
        target.mkdir()
        self.folders.append(target)

        def read() -> None:
            with RowWriter(target / SETTLED, self.columns) as writer:
                for number, raw in enumerate(raw_lines(file.path), 1):
                    self.line(raw, file.path, number, file.date, writer, self.quarantine.add)

        _reading(file.path, read)

    def line(
        self, raw: bytes, file: str, number: int, day: Any, writer: RowWriter, refuse: Callable[[BrokenRecord], None]
    ) -> None:
        try:
            values = read_line(raw, self.fields)
        except BrokenRecordError as error:
            refuse(BrokenRecord(file, number, str(error), raw))
            return
        if values is None:
            self.blank += 1
            return
        self.rows += 1
        writer.add((*values, day) if len(self.columns) > len(values) else values)


def _reading(path: str, read: Callable[[], None]) -> None:
    try:
        read()
    except (EOFError, zlib.error) as error:
        fix = "fetch it again; if it is still being written, wait until it is complete"
        raise RunFailure("source", "damaged-file", f"{path}: the file is cut or damaged ({error})", fix) from error
    except OSError as error:
        raise RunFailure(
            "source",
            "unreadable-file",
            f"{path}: {error.strerror or error}",
            "check the disk and the file's permissions",
        ) from error
