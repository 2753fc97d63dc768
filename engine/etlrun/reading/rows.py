"""Rows one by one into a Parquet file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from etlrun.language.arrow import arrow_schema
from etlrun.language.columns import Columns
from etlrun.spec.engine import ParquetFiles

if TYPE_CHECKING:
    import pyarrow.parquet

ROWS_AT_ONCE = 50_000
RAW, FILE = "__etlrun_raw", "__etlrun_file"  # of a record that DuckDB leaves to `records`; null in every other row
SETTLED = "settled.parquet"  # the rows that `records` read


def written_parts(folders: Iterable[Path]) -> tuple[ParquetFiles, ...]:
    """What reading wrote into `folders`: the rows of DuckDB, among which some are left open, and those that `records` settled."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.parquet"))]
    settled = tuple(str(path) for path in paths if path.name == SETTLED)
    taken = tuple(str(path) for path in paths if path.name != SETTLED)
    parts = (ParquetFiles(taken, marker=RAW, ours=True), ParquetFiles(settled, ours=True))
    return tuple(part for part in parts if part.paths)


class RowWriter:
    """Collects tuples of values in the order of `columns`; the file appears with the first of them."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.schema = arrow_schema(columns)
        self.waiting: list[tuple[Any, ...]] = []
        self.writer: pyarrow.parquet.ParquetWriter | None = None

    def add(self, values: tuple[Any, ...]) -> None:
        self.waiting.append(values)
        if len(self.waiting) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.waiting:
            return
        if self.writer is None:
            self.writer = pq.ParquetWriter(self.path, self.schema)
        arrays = [
            pa.array(values, kind)
            for values, kind in zip(zip(*self.waiting, strict=True), self.schema.types, strict=True)
        ]
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
