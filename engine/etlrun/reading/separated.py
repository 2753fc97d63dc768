"""Separated values to Parquet: DuckDB reads the values as text, and types those whose spelling is beyond doubt; `records` judges the rest."""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.failures import RunFailure, without_personal
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, text
from etlrun.reading.intake import Intake, Order
from etlrun.reading.inventory import InputFile
from etlrun.reading.lines import check_gzip, raw_lines
from etlrun.reading.quarantine import BrokenRecord, Quarantine
from etlrun.reading.records import BrokenRecordError, Field, read_texts
from etlrun.reading.rows import FILE, RAW, SETTLED, RowWriter, written_parts
from etlrun.reading.spellings import doubtful_text, value_of_text

if TYPE_CHECKING:
    import duckdb


def read_separated(
    order: Order, columns: Columns, fields: Sequence[Field], separator: str, *, has_header: bool
) -> Intake:
    """Read the files of `order` into Parquet below its folder.

    Raises RunFailure for a file that lacks a declared column, is cut or cannot be read.
    """
    import duckdb

    order.folder.mkdir(parents=True, exist_ok=True)
    quarantine = Quarantine(order.name, order.quarantine)
    files = order.inventory.files
    headers = {file.path: _header(file.path, fields, separator, has_header=has_header) for file in files}
    rows = 0
    groups: list[Path] = []
    try:
        with duckdb.connect() as connection:
            order.control.follow(connection)
            for header, group in groupby(files, key=lambda file: headers[file.path]):
                groups.append(order.folder / f"rows-{len(groups)}")
                groups[-1].mkdir()
                reader = _Reader(connection, order.name, columns, fields, separator, has_header, quarantine, groups[-1])
                rows += reader.read(tuple(group), header)
    finally:
        quarantine.close()
    return Intake(
        written_parts(groups),
        rows,
        quarantine.count,
        0,
        tuple(quarantine.reasons.most_common()),
        tuple(quarantine.samples),
        bad_rows_of=quarantine.files,
    )


def _header(path: str, fields: Sequence[Field], separator: str, *, has_header: bool) -> tuple[str, ...]:
    """The names of a file's values. Raises RunFailure where a declared column is not among them."""
    if not has_header:
        return tuple(item.name for item in fields)
    try:
        if path.endswith(".gz"):
            check_gzip(path)
        first = next(raw_lines(path), b"").decode("utf-8")
    except (EOFError, zlib.error) as error:
        raise RunFailure(
            "source", "damaged-file", f"{path}: the file is cut or damaged ({error})", "fetch it again"
        ) from error
    except UnicodeDecodeError as error:
        raise RunFailure(
            "source", "wrong-format", f"{path}: the header is not UTF-8", "save the file as UTF-8"
        ) from error
    names = next(csv.reader(io.StringIO(first), delimiter=separator), [])
    missing = [item.name for item in fields if item.path[-1] not in names]
    if missing:
        raise RunFailure(
            "source",
            "missing-column",
            f"{path}: the header has no {', '.join(f'`{found}`' for found in missing)}",
            f"it has {', '.join(names) or 'no names at all'}; `path:` gives a column another name in the file",
        )
    doubles = sorted({found for found in names if names.count(found) > 1})
    if doubles:
        raise RunFailure(
            "source",
            "double-column",
            f"{path}: `{doubles[0]}` stands twice in the header",
            "give the columns different names",
        )
    return tuple(names)


class _Reader:
    """Reads files that share a header."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        source: str,
        columns: Columns,
        fields: Sequence[Field],
        separator: str,
        has_header: bool,
        quarantine: Quarantine,
        folder: Path,
    ) -> None:
        self.connection = connection
        self.source = source
        self.columns = columns
        self.fields = fields
        self.separator = separator
        self.has_header = has_header
        self.quarantine = quarantine
        self.folder = folder

    def read(self, files: Sequence[InputFile], header: Sequence[str]) -> int:
        """The number of rows, after the broken ones went into quarantine."""
        import duckdb

        try:
            self.connection.execute(self.statement(files, header))
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            detail = without_personal(str(error).split("\n", 1)[0])
            raise RunFailure(
                "source",
                "unreadable-file",
                f"`{self.source}`: the files cannot be read as separated values ({detail})",
                "check the separator, and that the files are UTF-8",
            ) from error
        ((lines, doubts),) = self.connection.execute(
            f"SELECT count(*), count({name(RAW)}) FROM read_parquet({self.pattern()})"
        ).fetchall()
        for broken in self.rejected():
            self.quarantine.add(broken)
        return int(lines) - int(doubts) + self.settle({file.path: file.date for file in files})

    def settle(self, days: dict[str, Any]) -> int:
        rows = 0
        found = self.connection.execute(
            f"SELECT {name(FILE)}, {name(RAW)} FROM read_parquet({self.pattern()}) WHERE {name(RAW)} IS NOT NULL"
        ).fetchall()
        with RowWriter(self.folder / SETTLED, self.columns) as writer:
            for file, raw in found:
                texts = json.loads(raw)
                try:
                    values = read_texts(texts, self.fields)
                except BrokenRecordError as error:
                    shown = io.StringIO()
                    csv.writer(shown, delimiter=self.separator, lineterminator="").writerow(texts)
                    self.quarantine.add(BrokenRecord(file, 0, str(error), shown.getvalue().encode()))
                    continue
                rows += 1
                writer.add((*values, days[file]) if len(self.columns) > len(values) else values)
        return rows

    def rejected(self) -> Iterator[BrokenRecord]:
        """The lines that DuckDB could not split into the header's values."""
        query = "SELECT DISTINCT file_path, line, error_type, csv_line FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ORDER BY ALL"
        for file, line, kind, raw in self.connection.execute(query).fetchall():
            reason = _REASONS.get(str(kind).upper(), "the line cannot be split into values")
            yield BrokenRecord(file, int(line or 0), reason, str(raw or "").encode())
        self.connection.execute("DROP TABLE reject_errors; DROP TABLE reject_scans")

    def pattern(self) -> str:
        return text(str(self.folder / "*.parquet"))

    def statement(self, files: Sequence[InputFile], header: Sequence[str]) -> str:
        inside = {item.name: name(item.path[-1] if self.has_header else item.name) for item in self.fields}
        values = [f"{value_of_text(inside[item.name], item.type)} AS {name(item.name)}" for item in self.fields]
        if len(self.columns) > len(self.fields):
            values.append(f"{name('__day')} AS {name(self.columns.items[-1].name)}")
        doubt = " OR ".join(doubtful_text(inside[item.name], item) for item in self.fields)
        texts = f"to_json([{', '.join(inside[item.name] for item in self.fields)}])"
        days = ", ".join(
            f"({text(file.path)}, {f'DATE {text(str(file.date))}' if file.date else 'NULL::DATE'})" for file in files
        )
        names = ", ".join(f"{text(found)}: 'VARCHAR'" for found in header)
        paths = ", ".join(text(file.path) for file in files)
        return (
            f"COPY (SELECT {', '.join(values)}, CASE WHEN {doubt} THEN CAST({texts} AS VARCHAR) END AS {name(RAW)}, "
            f"CASE WHEN {doubt} THEN __file END AS {name(FILE)} "
            f"FROM read_csv([{paths}], columns = {{{names}}}, delim = {text(self.separator)}, quote = '\"', escape = '\"', nullstr = '', "
            f"header = {str(self.has_header).lower()}, auto_detect = false, filename = '__file', store_rejects = true, rejects_limit = 0) "
            f"JOIN (VALUES {days}) AS days(__file, __day) USING (__file)) TO {text(str(self.folder))} "
            f"(FORMAT parquet, PER_THREAD_OUTPUT true, FILE_EXTENSION 'parquet')"
        )


_REASONS = {
    "TOO MANY COLUMNS": "more values than the header has",
    "MISSING COLUMNS": "fewer values than the header has",
    "UNQUOTED VALUE": "a quote is not closed",
    "LINE SIZE OVER MAXIMUM": "the line is too long",
    "INVALID ENCODING": "not UTF-8",
}
