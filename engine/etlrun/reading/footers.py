"""Parquet files: their footers say whether every one holds the declared columns; the engine reads the rows itself."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from etlrun.failures import RunFailure
from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import Column, Columns, Type
from etlrun.language.functions import common_type
from etlrun.reading.intake import Intake, Order
from etlrun.spec.dates import DATE_COLUMN
from etlrun.spec.engine import ParquetFiles

if TYPE_CHECKING:
    import pyarrow

SHOWN = 8


def read_footers(order: Order, columns: Columns, names: Mapping[str, str]) -> Intake:
    """Check every file of `order`; `names` gives each declared column its name in the files.

    Raises RunFailure with every file that does not fit.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    problems: list[str] = []
    rows: dict[str, int] = {}
    by_day: dict[datetime.date | None, list[str]] = {}
    files = order.inventory.files
    for index, file in enumerate(files):
        order.progress(f"looking at {order.name}", index, len(files))
        try:
            footer = pq.ParquetFile(file.path)
        except (pa.ArrowInvalid, OSError) as error:
            raise RunFailure(
                "source",
                "damaged-file",
                f"{file.path}: not a whole Parquet file ({_first_line(error)})",
                "fetch it again",
            ) from error
        problems.extend(f"{file.path}: {problem}" for problem in _misfits(footer.schema_arrow, columns, names))
        rows[file.path] = footer.metadata.num_rows
        by_day.setdefault(file.date, []).append(file.path)
    order.progress(f"looking at {order.name}", len(files), len(files))
    if problems:
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        fix = "declare what the files hold, or write them again"
        raise RunFailure("source", "wrong-columns", "; ".join(problems[:SHOWN]) + more, fix)
    _refuse_empty_days(order, by_day)
    return Intake(
        tuple(ParquetFiles(tuple(paths), day, names=names) for day, paths in by_day.items()),
        sum(rows.values()),
        rows_of=rows,
    )


def _misfits(schema: pyarrow.Schema, columns: Columns, names: Mapping[str, str]) -> Iterator[str]:
    found = {field.name.lower(): field for field in schema}
    for column in columns:
        if column.name not in names and column.name == DATE_COLUMN:
            continue
        wanted = names[column.name]
        if wanted.lower() not in found:
            yield f"there is no column `{wanted}`"
            continue
        kind = type_of_arrow(found[wanted.lower()].type)
        if kind is None or not _fits(column, kind):
            yield f"`{wanted}` is {kind or found[wanted.lower()].type}, and {column.type} is declared"


def _fits(column: Column, kind: Type) -> bool:
    return kind == column.type or (
        column.type.is_numeric and kind.is_numeric and common_type((kind, column.type)) == column.type
    )


def _refuse_empty_days(order: Order, by_day: Mapping[datetime.date | None, list[str]]) -> None:
    """A day whose files hold no row is as empty as a file of no bytes."""
    import pyarrow.parquet as pq

    for day, paths in by_day.items():
        if (
            day is not None
            and day not in order.inventory.may_be_empty
            and not any(pq.ParquetFile(path).metadata.num_rows for path in paths)
        ):
            raise RunFailure(
                "source", "empty-file", f"the day {day} of `{order.name}` has no row", f"allow it: `empty: [{day}]`"
            )


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
