"""Splits many records of separated values at a time: Arrow splits the plain ones, and marks those that it did not split.

A record is plain if it has quotes only around values. Arrow would also accept others, so they are never given to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.language.arrow_values import repeated
from etlrun.language.duckdb_words import text
from etlrun.reading.framing import Records
from etlrun.reading.lines import BOM

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True)
class Splitter:
    """Splits records of `width` values; returns those at `positions`, with null for empty ones, and whether each record was split."""

    separator: str
    width: int
    positions: Sequence[int]

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]:
        """The columns that it adds."""
        import pyarrow as pa

        return [*((f"v{index}", pa.string()) for index in range(len(self.positions))), ("is_split", pa.bool_())]

    def columns(self, records: Records) -> list[pyarrow.Array]:
        """The columns, in the order of the records."""
        import pyarrow as pa

        size = len(records.texts)
        can_split = records.plain and self.width > 1 and self.separator.isascii() and not records.plain.startswith(BOM)
        found = self._plain(records.plain, size) if can_split else None
        if found is None:
            return [*(pa.nulls(size, pa.string()) for _ in self.positions), repeated(False, pa.bool_(), size)]
        return found

    def of_lines(self, lines: str) -> str:
        """The lines of tame files without quotes, with the columns.

        Empty values become null in one pass over the list: with one condition per column, DuckDB needs minutes to plan thousands of columns.
        """
        values = [f"v[{position + 1}] AS v{index}" for index, position in enumerate(self.positions)]
        split = f"list_transform(string_split(l, {text(self.separator)}), lambda value: nullif(value, ''))"
        found = f"SELECT *, {split} AS v FROM ({lines})"
        return f"SELECT {', '.join(('*', *values))}, len(v) = {self.width} AS is_split FROM ({found})"

    def _plain(self, data: bytes, size: int) -> list[pyarrow.Array] | None:
        import pyarrow as pa
        import pyarrow.compute as pc
        from pyarrow import csv

        refused: list[int] = []

        def note(row: csv.InvalidRow) -> str:
            refused.append(row.number - 1)
            return "skip"

        names = [str(index) for index in range(self.width)]
        kept = [names[position] for position in self.positions]
        table = csv.read_csv(
            pa.py_buffer(data),
            csv.ReadOptions(use_threads=False, column_names=names, block_size=len(data) + 1),
            csv.ParseOptions(delimiter=self.separator, ignore_empty_lines=False, invalid_row_handler=note),
            csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(kept, pa.string()),
                include_columns=list(dict.fromkeys(kept)),
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        if len(table) + len(refused) != size:
            return None
        values = [table[name].combine_chunks() for name in kept]
        if not refused:
            return [*values, repeated(True, pa.bool_(), size)]
        gone = set(refused)
        place = iter(range(len(table)))
        places = pa.array([None if index in gone else next(place) for index in range(size)], pa.int64())
        return [*(pc.take(value, places) for value in values), pc.is_valid(places)]
