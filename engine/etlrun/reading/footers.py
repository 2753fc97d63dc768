"""Decides from the footers of Parquet files how each declared column is read. Of an object in a store, only the footer is read."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from etlrun.contracts.engine import ABSENT, FileColumn
from etlrun.contracts.source import InputFile, ReadRequest, Trouble
from etlrun.failures import RunFailure
from etlrun.reading.absences import absence_notice
from etlrun.reading.compression import COPY_AGAIN, ENCRYPTED
from etlrun.reading.inventory import HEAD, TroublesFound, trouble_of
from etlrun.reading.links import is_encrypted
from etlrun.reading.parquet_columns import FileSchema, WantedColumn
from etlrun.reading.parquet_types import Misfit
from etlrun.spec.urls import is_url, read_url
from etlrun.storage.object_store import StoreError
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    import pyarrow.parquet

AT_ONCE = 24  # footers of a store: each costs two round trips
SHOWN = 8
Layout = tuple[FileColumn, ...]  # of the declared columns, in their order


@dataclass(frozen=True)
class Footers:
    """What the footers of a source's files say: the files by how they store the columns, the rows of each by path, and notices for a person."""

    layouts: Mapping[Layout, Sequence[InputFile]]
    rows: Mapping[str, int]
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Footer:
    """What one footer says: how the file stores the columns, its rows, and its problems, each with a fix."""

    layout: Layout
    rows: int
    problems: tuple[tuple[str, str], ...]


def read_footers(request: ReadRequest, wanted: Sequence[WantedColumn]) -> Footers:
    """Find out how each file of `request` stores the columns `wanted`.

    Raises RunFailure that lists every file that does not fit, and TroublesFound for objects that are no Parquet files.
    """
    layouts: dict[Layout, list[InputFile]] = {}
    rows: dict[str, int] = {}
    problems: list[tuple[str, str]] = []
    troubles: list[Trouble] = []
    files = request.inventory.files
    for index, (file, found) in enumerate(zip(files, _footers(request, wanted), strict=True)):
        request.progress(f"looking at {request.name}", index, len(files))
        if isinstance(found, Footer):
            rows[file.path] = found.rows
            problems.extend((f"{file.path}: {problem}", fix) for problem, fix in found.problems)
            layouts.setdefault(found.layout, []).append(file)
        else:
            troubles.extend(found)
    request.progress(f"looking at {request.name}", len(files), len(files))
    if troubles:
        raise TroublesFound(troubles)
    _refuse(problems)
    _refuse_empty_days(request, rows)
    return Footers(layouts, rows, tuple(_absences(request.name, wanted, layouts)))


def footer_of(file: InputFile, wanted: Sequence[WantedColumn], stores: Stores) -> Footer:
    """How a file stores the columns `wanted`. Raises RunFailure, and TroublesFound for an object that is no Parquet file."""
    opened = _open_object(file, stores) if is_url(file.at) else open_footer(file.at, file.path)
    layout, wrong = [], []
    with opened as footer:
        schema = FileSchema(footer)
        for item in wanted:
            try:
                layout.append(schema.column(item))
            except Misfit as misfit:
                wrong.append((str(misfit), misfit.fix))
        return Footer(tuple(layout), footer.metadata.num_rows, tuple(wrong))


def open_footer(content: Any, shown: str) -> pyarrow.parquet.ParquetFile:
    """Open a Parquet file, its path or its end in a buffer, which messages call `shown`. Raises RunFailure if its schema cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(content)
        found.schema_arrow  # noqa: B018 - is read here, so that it fails here
    except (pa.ArrowException, OSError) as error:
        detail = str(error).split("\n", 1)[0]
        if is_encrypted(detail):
            raise RunFailure("source", "wrong-format", f"{shown}: the file is encrypted", ENCRYPTED) from error
        message = f"{shown}: not a complete Parquet file ({detail})"
        raise RunFailure("source", "damaged-file", message, COPY_AGAIN) from error
    return found


def _open_object(file: InputFile, stores: Stores) -> pyarrow.parquet.ParquetFile:
    """Open an object whose rows tasks will read. Raises RunFailure, and TroublesFound if its first bytes are not those of a Parquet file."""
    import pyarrow as pa

    url = read_url(file.path)
    try:
        store = stores.of(url)
        end = store.footer(url, file.size)
        if not end.endswith(b"PAR1"):
            troubles = tuple(trouble_of(file, store.head(url, HEAD), "parquet"))
            if troubles:
                raise TroublesFound(troubles)
    except StoreError as error:
        raise RunFailure("source", error.code, str(error), error.fix) from error
    return open_footer(pa.BufferReader(end), file.path)


def _footers(request: ReadRequest, wanted: Sequence[WantedColumn]) -> Iterator[Footer | Sequence[Trouble]]:
    """The footers of all files in order, or the troubles of those that are no Parquet files; several objects of a store are asked at once."""
    files = request.inventory.files
    look = partial(_looked_at, wanted=wanted, stores=request.stores)
    if not any(is_url(file.at) for file in files):
        yield from map(look, files)
        return
    with ThreadPoolExecutor(AT_ONCE) as threads:
        stop = partial(threads.shutdown, wait=False, cancel_futures=True)
        waiting = [threads.submit(look, file) for file in files]
        try:
            with request.control.following(stop):
                for each in waiting:
                    yield each.result()
        finally:
            stop()


def _looked_at(file: InputFile, wanted: Sequence[WantedColumn], stores: Stores) -> Footer | Sequence[Trouble]:
    try:
        return footer_of(file, wanted, stores)
    except TroublesFound as error:
        return error.troubles


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
