"""Splits slices of files into records in threads, as batches for a DuckDB statement. A record that is not text is broken at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.language.arrow_values import repeated
from etlrun.reading.account import SliceCounts
from etlrun.reading.accounting import Accounting
from etlrun.reading.encodings import why_undecodable
from etlrun.reading.framing import Framer, MoreColumns, Records, without_first
from etlrun.reading.lines import MAX_LINE, LongLine
from etlrun.reading.opened import records_in
from etlrun.reading.quarantine import BrokenRecord
from etlrun.reading.side_by_side import side_by_side

if TYPE_CHECKING:
    import pyarrow


@dataclass
class FramedSlices:
    """The records of slices. `more` adds columns to them. With `has_header`, the first record of a file is a header, not a row."""

    accounting: Accounting
    framer: Framer
    more: MoreColumns
    has_header: bool
    _bytes: int = 0

    def schema(self) -> pyarrow.Schema:
        """The columns of the batches."""
        import pyarrow as pa

        of_record = (("l", pa.large_string()), ("line", pa.int64()), ("file", pa.int32()))
        return pa.schema([*of_record, *self.more.fields])

    def batches(self, slice_counts: Sequence[SliceCounts]) -> Iterator[pyarrow.RecordBatch]:
        """The records of all slices. The column `file` is the index of the slice in `slice_counts`."""
        schema = self.schema()
        slices = (self._batches_of(index, counts, schema) for index, counts in enumerate(slice_counts))
        return side_by_side(slices, self.accounting.request.limits.at_once)

    def _batches_of(self, index: int, counts: SliceCounts, schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
        import pyarrow as pa

        for found in self._records(counts):
            size = len(found.texts)
            place = repeated(index, pa.int32(), size)
            yield pa.RecordBatch.from_arrays(
                [found.texts, found.lines, place, *self.more.columns(found)], schema=schema
            )

    def _records(self, counts: SliceCounts) -> Iterator[Records]:
        """The records of a slice that are text."""
        is_header = self.has_header and not counts.file.start
        for found in records_in(counts.file, self.framer, self._progress, counts.add_line_ends):
            if isinstance(found, LongLine):
                counts.records += 1
                reason = f"the line is longer than {MAX_LINE // 1_000_000} MB"
                broken = BrokenRecord(counts.file.path, found.line, reason, found.head, 1, found.size)
                self.accounting.add_broken(counts, "framed", broken)
                continue
            if is_header and len(found):
                found, is_header = without_first(found), False
            counts.records += len(found)
            counts.add_long(found.long)
            self._set_aside(counts, found)
            yield found

    def _set_aside(self, counts: SliceCounts, found: Records) -> None:
        for raw in found.undecodable:
            reason = why_undecodable(raw.data, counts.file.encoding)
            broken = BrokenRecord(counts.file.path, raw.line, reason, raw.data, raw.lines, len(raw.data))
            self.accounting.add_broken(counts, "framed", broken)

    def _progress(self, size: int) -> None:
        request = self.accounting.request
        self._bytes += size
        request.control.share = self._bytes / max(1, request.inventory.bytes)
