"""Reads lines that only a kind's own Python code can parse: its `judge` parses them one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import type_name
from etlrun.reading.framing import Framer, Records, frame_lines
from etlrun.reading.rows import INCOMING, typed_rows
from etlrun.reading.text_files import Form, Judge
from etlrun.reading.text_reader import text_reader

if TYPE_CHECKING:
    import pyarrow


class _NoColumns:
    """Adds no columns: only the text of a record and its place are kept."""

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]:
        return []

    def columns(self, records: Records) -> list[pyarrow.Array]:
        return []

    def of_lines(self, lines: str) -> str:
        return lines


def read_lines(request: ReadRequest, columns: Columns, judge: Judge, framer: Framer = frame_lines) -> ReadResult:
    """Read the files of `request`: `judge` decides whether each record is a row, blank or broken. Raises RunFailure if a file is damaged."""
    count = len(columns) - len(request.inventory.files[0].constants) if request.inventory.files else len(columns)
    nulls = {item.name: f"CAST(NULL AS {type_name(item.type)})" for item in columns.items[:count]}
    every = f"SELECT *, true AS doubt FROM {INCOMING}"
    form = Form(framer, judge, typed_rows(nulls, columns, every), _NoColumns())
    with text_reader(request, columns) as reader:
        reader.read(request.inventory.files, form)
        return reader.read_result()
