"""Run a `parse` step: the JSON texts of a column become columns, by the same rules as for files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etlrun.contracts.step import ReadTexts
from etlrun.failures import RunFailure, without_personal
from etlrun.language.arrow import arrow_schema
from etlrun.reading.record_values import BrokenRecordError
from etlrun.stopping import safe_point

if TYPE_CHECKING:
    import pyarrow

SHOWN = 200  # characters of a text that a message quotes


@dataclass
class TextColumns:
    """Reads the texts of rows, a batch at a time, and counts those that cannot be read."""

    parse: ReadTexts
    rows: int = 0
    broken: int = 0
    first: str = field(default="")

    def files(self, paths: Iterable[str], result: Path) -> None:
        """Write the rows of Parquet files, with the new columns, to the new file `result`. Raises RunFailure if a text must be readable."""
        import pyarrow.parquet as pq

        schema = arrow_schema(self.parse.columns)
        with pq.ParquetWriter(result, schema) as writer:
            for path in paths:
                for batch in pq.ParquetFile(path).iter_batches(batch_size=20_000):
                    safe_point()
                    writer.write_batch(self.batch(batch, schema))
        self.judge()

    def table(self, rows: pyarrow.Table) -> pyarrow.Table:
        """The rows with the new columns. Raises RunFailure if a text must be readable."""
        import pyarrow as pa

        schema = arrow_schema(self.parse.columns)
        found = pa.Table.from_batches([self.batch(batch, schema) for batch in rows.to_batches()], schema)
        self.judge()
        return found

    def batch(self, rows: pyarrow.RecordBatch, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
        """The rows of a batch with the new columns."""
        import pyarrow as pa

        found = list(self._read(rows.column(self.parse.column).to_pylist()))
        if self.parse.bad_rows == "drop":
            kept = [values is not None for values, _ in found]
            rows, found = rows.filter(pa.array(kept, pa.bool_())), [item for item in found if item[0] is not None]
        new = len(self.parse.names)
        columns = [[values[at] if values else None for values, _ in found] for at in range(new)]
        if self.parse.reason:
            columns.append([reason for _, reason in found])
        old = len(schema) - len(columns)
        given = [rows.column(name).cast(schema.field(name).type) for name in schema.names[:old]]
        made = [pa.array(values, kind) for values, kind in zip(columns, schema.types[old:], strict=True)]
        return pa.RecordBatch.from_arrays([*given, *made], schema=schema)

    def judge(self) -> None:
        """Raises RunFailure if a text could not be read and none may be."""
        if self.broken and self.parse.bad_rows == "fail":
            fix = "correct the types in `as`, or write `bad_rows: keep` to set them to null, or `bad_rows: drop` to remove their rows"
            raise RunFailure("engine", "bad-value", self.summary(), fix)

    def summary(self) -> str:
        """How many texts could not be read, and the first of them."""
        return (
            f"{self.broken:,} of {self.rows:,} texts in `{self.parse.column}` cannot be read, the first: {self.first}"
        )

    def _read(self, texts: Iterable[str | None]) -> Iterator[tuple[tuple[Any, ...] | None, str | None]]:
        """The values of each text, or None and the reason."""
        for text in texts:
            self.rows += 1
            try:
                yield self.parse.read(text), None
            except BrokenRecordError as error:
                if not self.broken:
                    shown = (text or "null") if len(text or "") <= SHOWN else (text or "")[:SHOWN] + "..."
                    self.first = f"{without_personal(str(error))} in {without_personal(shown)}"
                self.broken += 1
                yield None, str(error)
