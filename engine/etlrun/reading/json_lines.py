"""JSON lines to Parquet: DuckDB reads every line it is sure of, `records` settles the others one by one.

A line goes to `records` when DuckDB cannot parse it, when a declared key is absent or twice, or when a value has a spelling that the
two could take differently. So the fast way never decides a doubtful case, and both ways give the same rows.
"""

from __future__ import annotations

import json
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
from etlrun.reading.lines import check_gzip, raw_lines
from etlrun.reading.quarantine import BrokenRecord, Quarantine, with_line_numbers
from etlrun.reading.records import BrokenRecordError, Field, read_line
from etlrun.reading.rows import RowWriter
from etlrun.reading.spellings import doubtful, leaf_shape, value_of
from etlrun.spec.engine import ParquetFiles

if TYPE_CHECKING:
    import duckdb

RAW, FILE = "__etlrun_raw", "__etlrun_file"  # of a line that DuckDB leaves to `records`; null in every other row
SETTLED = "settled.parquet"  # the rows that `records` read
MAX_LINE = 64_000_000
_TRAILING_COMMA = r",\s*[}\]]"


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
        paths = [path for folder in self.folders for path in sorted(folder.glob("*.parquet"))]
        settled = tuple(str(path) for path in paths if path.name == SETTLED)
        lines = tuple(str(path) for path in paths if path.name != SETTLED)
        files = (*([ParquetFiles(lines, marker=RAW, ours=True)] if lines else []), *([ParquetFiles(settled, ours=True)] if settled else []))
        return Intake(files, self.rows, quarantine.count, self.blank, tuple(quarantine.reasons.most_common()), tuple(quarantine.samples))

    def read(self, files: Sequence[InputFile]) -> None:
        import duckdb

        total = sum(file.size for file in files)
        self.order.progress(f"reading {self.order.name}", 0, total)
        for file in files:
            if file.path.endswith(".gz"):
                _reading(file.path, lambda path=file.path: check_gzip(path))  # type: ignore[misc]
        with duckdb.connect() as connection:
            for group in self.fast(connection, files, "lines"):
                self.slow(group)
        self.order.progress(f"reading {self.order.name}", total, total)

    def fast(self, connection: duckdb.DuckDBPyConnection, files: Sequence[InputFile], folder: str) -> Iterator[InputFile]:
        """Read `files` by DuckDB; gives back those it cannot take as lines of text at all."""
        import duckdb

        if not files:
            return
        target = self.order.folder / folder
        target.mkdir()
        try:
            connection.execute(_statement(files, self.columns, self.fields, target))
        except duckdb.Error:
            if len(files) == 1:
                yield files[0]
                return
            for index, file in enumerate(files):
                yield from self.fast(connection, [file], f"{folder}-{index}")
            return
        self.folders.append(target)
        ((lines,),) = connection.execute(f"SELECT count(*) FROM read_parquet({text(str(target / '*.parquet'))})").fetchall()
        self.settle(connection, target, lines)

    def settle(self, connection: duckdb.DuckDBPyConnection, target: Path, lines: int) -> None:
        """Decide the lines that DuckDB left open, and count the others as rows."""
        days = {file.path: file.date for file in self.order.inventory.files}
        doubts = connection.execute(
            f"SELECT {name(FILE)}, {name(RAW)} FROM read_parquet({text(str(target / '*.parquet'))}) WHERE {name(RAW)} IS NOT NULL"
        )
        broken: list[BrokenRecord] = []
        seen = 0
        with RowWriter(target / SETTLED, self.columns) as writer:
            while found := doubts.fetchmany(10_000):
                seen += len(found)
                for file, raw in found:
                    self.line(raw.encode(), file, 0, days[file], writer, broken.append)
        self.rows += lines - seen
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

    def line(self, raw: bytes, file: str, number: int, day: Any, writer: RowWriter, refuse: Callable[[BrokenRecord], None]) -> None:
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
        raise RunFailure("source", "unreadable-file", f"{path}: {error.strerror or error}", "check the disk and the file's permissions") from error


def _statement(files: Sequence[InputFile], columns: Columns, fields: Sequence[Field], target: Path) -> str:
    """One pass over all lines: typed values where they are beyond doubt, the raw line where they are not."""
    leaves = ", ".join(f"{_member(item.path)} AS {name(f'v{index}')}" for index, item in enumerate(fields))
    doubts = " OR ".join(doubtful(name(f"v{index}"), item) for index, item in enumerate(fields))
    values = [f"{value_of(name(f'v{index}'), item.type)} AS {name(item.name)}" for index, item in enumerate(fields)]
    if len(columns) > len(fields):
        values.append(f"{name('day')} AS {name(columns.items[-1].name)}")
    trailing_comma = f"regexp_matches(l, {text(_TRAILING_COMMA)})"  # which DuckDB's reader lets pass
    doubt = f"(u IS NULL OR {trailing_comma} OR {doubts})"
    days = ", ".join(f"({text(file.path)}, {f'DATE {text(str(file.date))}' if file.date else 'NULL::DATE'})" for file in files)
    paths = ", ".join(text(file.path) for file in files)
    shape = text(json.dumps(_shape(fields), ensure_ascii=False))
    return (
        f"COPY (SELECT {', '.join(values)}, CASE WHEN doubt THEN coalesce(l, '') END AS {name(RAW)}, CASE WHEN doubt THEN f END AS {name(FILE)} "
        f"FROM (SELECT *, {doubt} AS doubt FROM (SELECT {leaves}, l, f, u FROM (SELECT l, f, unnest([TRY(json_transform_strict(l, {shape}))]) AS u "
        f"FROM (SELECT l, filename AS f FROM read_csv([{paths}], columns = {{l: 'VARCHAR'}}, delim = chr(1), quote = '', escape = '', header = false, "
        f"auto_detect = false, filename = true, max_line_size = {MAX_LINE})))))"
        f"JOIN (VALUES {days}) AS days(f, day) USING (f)) TO {text(str(target))} (FORMAT parquet, PER_THREAD_OUTPUT true, FILE_EXTENSION 'parquet')"
    )


def _member(path: Sequence[str]) -> str:
    return ".".join(("u", *(name(part) for part in path)))


def _shape(fields: Sequence[Field]) -> dict[str, Any]:
    shape: dict[str, Any] = {}
    for item in fields:
        inside = shape
        for part in item.path[:-1]:
            inside = inside.setdefault(part, {})
        inside[item.path[-1]] = leaf_shape(item.type)
    return shape
