"""Reads Parquet files that others have written: files of this machine in place, by the engine, and objects of a store in tasks of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Columns
from etlrun.reading.footers import read_footers
from etlrun.reading.links import linked_files
from etlrun.reading.parquet_columns import WantedColumn
from etlrun.spec.urls import is_url


def read_parquet(
    request: ReadRequest, wanted: Sequence[WantedColumn], columns: Columns, constants: frozenset[str] = frozenset()
) -> ReadResult:
    """The rows of the files of `request`, which have the columns `wanted`; the further `columns` have one value in all rows of a file.

    `constants` are the names of these; default: the last columns. Raises RunFailure that lists every file that does not fit, and
    TroublesFound for objects that are no Parquet files.
    """
    footers = read_footers(request, wanted)
    found = ReadResult((), sum(footers.rows.values()), notices=footers.notices, rows_of=footers.rows)
    tasks, objects = request.tasks, [file for file in request.inventory.files if is_url(file.at)]
    if not objects:
        parts = (
            linked_files(files, layout, request.folder / f"links-{number}", constants)
            for number, (layout, files) in enumerate(footers.layouts.items())
        )
        return replace(found, files=tuple(parts))
    assert tasks is not None, objects
    from etlrun.reading.parquet_job import ParquetForm, read_in_tasks  # most runs read on this machine

    form = ParquetForm(tuple(wanted), columns, constants, request.unread)
    rows = tasks.attempt(lambda run: read_in_tasks(request, form, footers, tasks.starter(), run))
    if rows is not None:
        return replace(found, files=rows.files, digests=rows.digests)
    here = replace(request, tasks=None, inventory=request.fetch(request.inventory))
    return read_parquet(here, wanted, columns, constants)
