"""Writes rows one by one into a Parquet file, and defines the columns with which DuckDB leaves records to the exact reader."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import InputFile
from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Column, Columns
from etlrun.language.duckdb_words import name, text, type_name

if TYPE_CHECKING:
    import pyarrow.parquet

ROWS_AT_ONCE = 50_000
# The text, file (its index) and line of a record that DuckDB leaves to the judge of its kind; null in every other row.
RAW, FILE, LINE = "__etlrun_raw", "__etlrun_file", "__etlrun_line"
INCOMING = "__etlrun_incoming"  # the relation of all records, with the columns `l` (text), `line`, `file` (its index) and those of `constant_name`
SETTLED = "settled.parquet"  # the rows that the judge read
# Arrow would silently accept more: 3.5 as the int 3, a timestamp as its date, the number 3 as 1970-01-04.
TAKEN: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "tinyint": (int,),
    "smallint": (int,),
    "int": (int,),
    "bigint": (int,),
    "float": (float, int),
    "double": (float, int),
    "decimal": (Decimal, int),
    "string": (str,),
    "binary": (bytes,),
    "date": (datetime.date,),
    "timestamp": (datetime.datetime,),
    "timestamptz": (datetime.datetime,),
}
OTHERS = {(bool, name) for name, taken in TAKEN.items() if int in taken} | {
    (datetime.datetime, "date")
}  # subclasses of those in Python, but different types in SQL


def written_parts(folders: Iterable[Path]) -> tuple[ParquetFiles, ...]:
    """The files that reading wrote into `folders`: the rows of DuckDB (with records that it left open), and the rows of the judge."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.parquet"))]
    settled = tuple(str(path) for path in paths if path.name == SETTLED)
    taken = tuple(str(path) for path in paths if path.name != SETTLED)
    parts = (ParquetFiles(taken, marker=RAW), ParquetFiles(settled))
    return tuple(part for part in parts if part.paths)


def typed_rows(values: Mapping[str, str], columns: Columns, records: str) -> str:
    """The rows of `records`: the typed `values` of each column; if `doubt` is true, also the record itself.

    `records` has the columns of INCOMING and `doubt`. A column not in `values` has the value of the file.
    """
    typed = [f"{values.get(item.name) or constant_name(item)} AS {name(item.name)}" for item in columns]
    kept = [
        f"CASE WHEN doubt THEN {value} END AS {name(column)}"
        for value, column in (("l", RAW), ("file", FILE), ("line", LINE))
    ]
    return f"SELECT {', '.join((*typed, *kept))} FROM ({records})"


def copy_statement(rows: str, target: Path) -> str:
    """Write `rows` into the folder `target`."""
    return f"COPY ({rows}) TO {text(str(target))} (FORMAT parquet, PER_THREAD_OUTPUT true, FILE_EXTENSION 'parquet')"


def constant_name(column: Column) -> str:
    """The column of INCOMING with the value of `column` that all rows of a file share."""
    return name(f"__etlrun_file_{column.name}")


def with_constants(records: str, columns: Sequence[Column], files: Sequence[InputFile]) -> str:
    """The rows of `records`, whose column `file` is an index in `files`, with the values of `columns` that these files have."""
    texts = (_texts([file.constants[index] for file in files]) for index in range(len(columns)))
    values = (
        f"CAST({found} AS {type_name(item.type)}[])[file::BIGINT + 1] AS {constant_name(item)}"
        for found, item in zip(texts, columns, strict=True)
    )
    return f"SELECT {', '.join(('*', *values))} FROM {records}"


def _texts(values: Iterable[object]) -> str:
    found = map(constant_text, values)
    return f"[{', '.join('NULL' if value is None else text(value) for value in found)}]"


def constant_text(value: object) -> str | None:
    """A constant value of a file as text, which each engine casts to its type; None for null."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else f"{value:f}" if isinstance(value, Decimal) else str(value)


class RowWriter:
    """Collects tuples of values in the order of `columns`. The file is created with the first of them.

    Raises pyarrow.ArrowTypeError or ArrowInvalid for a value of another type than its column's, at the latest when it ends.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns
        self.schema = arrow_schema(columns)
        self.waiting: list[tuple[Any, ...]] = []
        self.writer: pyarrow.parquet.ParquetWriter | None = None

    def add(self, values: tuple[Any, ...]) -> None:
        self.waiting.append(values)
        if len(self.waiting) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if not self.waiting:
            return
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, self.schema)
        by_column = list(zip(*self.waiting, strict=True))
        for item, values in zip(self.columns, by_column, strict=True):
            _refuse_other_types(item, values)
        arrays = [pa.array(values, kind) for values, kind in zip(by_column, self.schema.types, strict=True)]
        self.writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))
        self.waiting.clear()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        if self.writer is not None:
            self.writer.close()


def _refuse_other_types(column: Column, values: tuple[Any, ...]) -> None:
    for kind in set(map(type, values)) - {type(None)}:
        if not issubclass(kind, TAKEN.get(column.type.name, (object,))) or (kind, column.type.name) in OTHERS:
            from pyarrow import ArrowTypeError

            found = next(value for value in values if type(value) is kind)
            raise ArrowTypeError(f"`{column.name}`: {found!r} is not a value of the type {column.type}")


def together(files: Iterable[ParquetFiles]) -> tuple[ParquetFiles, ...]:
    """Put files with the same marker together."""
    found: dict[str, dict[str, str]] = {}
    for each in files:
        found.setdefault(each.marker, {}).update(each.digest_by_path)
    return tuple(
        ParquetFiles(tuple(paths), marker, digests=tuple(paths.values()) if any(paths.values()) else ())
        for marker, paths in found.items()
    )
