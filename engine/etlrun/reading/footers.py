"""Decides from the footers of Parquet files how each declared column is read. The engine reads the rows itself."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from etlrun.contracts.engine import ABSENT, FileColumn, LinkedFiles
from etlrun.contracts.source import InputFile, ReadRequest, ReadResult
from etlrun.failures import RunFailure
from etlrun.reading.absences import absence_notice
from etlrun.reading.compression import COPY_AGAIN, ENCRYPTED
from etlrun.reading.links import is_encrypted, link_files
from etlrun.reading.parquet_columns import FileSchema, WantedColumn
from etlrun.reading.parquet_types import Misfit
from etlrun.reading.rows import constant_text

if TYPE_CHECKING:
    import pyarrow.parquet

SHOWN = 8
Layout = tuple[FileColumn, ...]  # of the declared columns, in their order


def read_footers(order: ReadRequest, wanted: Sequence[WantedColumn]) -> ReadResult:
    """Find out how each file of `order` stores the columns `wanted`. Files that store them alike are read together.

    Raises RunFailure that lists every file that does not fit.
    """
    layouts: dict[Layout, list[InputFile]] = {}
    rows: dict[str, int] = {}
    problems: list[tuple[str, str]] = []
    files = order.inventory.files
    for index, file in enumerate(files):
        order.progress(f"looking at {order.name}", index, len(files))
        with open_footer(file.at, file.path) as footer:
            rows[file.path] = footer.metadata.num_rows
            layout, wrong = _layout(footer, wanted)
        problems.extend((f"{file.path}: {problem}", fix) for problem, fix in wrong)
        layouts.setdefault(layout, []).append(file)
    order.progress(f"looking at {order.name}", len(files), len(files))
    _refuse(problems)
    _refuse_empty_days(order, rows)
    absent = tuple(_absences(order.name, wanted, layouts))
    parts = []
    for number, (layout, alike) in enumerate(layouts.items()):
        folder = order.folder / f"links-{number}"
        groups = tuple(tuple(map(constant_text, constants)) for constants in link_files(alike, folder))
        parts.append(LinkedFiles(str(folder), layout, groups))
    return ReadResult(tuple(parts), sum(rows.values()), notices=absent, rows_of=rows)


def open_footer(path: str, shown: str) -> pyarrow.parquet.ParquetFile:
    """Open a Parquet file, which messages call `shown`. Raises RunFailure if its schema cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(path)
        found.schema_arrow  # noqa: B018 - is read here, so that it fails here
    except (pa.ArrowException, OSError) as error:
        detail = str(error).split("\n", 1)[0]
        if is_encrypted(detail):
            raise RunFailure("source", "wrong-format", f"{shown}: the file is encrypted", ENCRYPTED) from error
        message = f"{shown}: not a complete Parquet file ({detail})"
        raise RunFailure("source", "damaged-file", message, COPY_AGAIN) from error
    return found


def _layout(
    footer: pyarrow.parquet.ParquetFile, wanted: Sequence[WantedColumn]
) -> tuple[Layout, list[tuple[str, str]]]:
    """How a file stores the columns, and its problems, each with a fix."""
    schema = FileSchema(footer)
    layout, wrong = [], []
    for item in wanted:
        try:
            layout.append(schema.column(item))
        except Misfit as misfit:
            wrong.append((str(misfit), misfit.fix))
    return tuple(layout), wrong


def _refuse(problems: Sequence[tuple[str, str]]) -> None:
    if not problems:
        return
    more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
    fix = next(
        (fix for _, fix in problems if fix),
        "declare the columns and types that the files have, or write the files again",
    )
    raise RunFailure("source", "wrong-columns", "; ".join(text for text, _ in problems[:SHOWN]) + more, fix)


def _absences(name: str, wanted: Sequence[WantedColumn], layouts: dict[Layout, list[InputFile]]) -> Iterator[str]:
    """A notice for each column that some files do not have. Raises RunFailure for a column that no file has."""
    total = sum(map(len, layouts.values()))
    for index, item in enumerate(wanted):
        lacking = [file.path for layout, files in layouts.items() if layout[index] == ABSENT for file in files]
        if lacking:
            yield absence_notice(name, ".".join(item.place), lacking, total)


def _refuse_empty_days(order: ReadRequest, rows: dict[str, int]) -> None:
    """A day whose files hold no row is as empty as a file of no bytes."""
    days: Counter[datetime.date] = Counter()
    for file in order.inventory.files:
        if file.date is not None and file.date not in order.inventory.may_be_empty:
            days[file.date] += rows[file.path]
    for day, count in days.items():
        if not count:
            raise RunFailure(
                "source", "empty-file", f"the day {day} of `{order.name}` has no rows", f"allow it: `empty: [{day}]`"
            )
