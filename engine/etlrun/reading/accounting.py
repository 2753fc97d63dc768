"""The account of a source while it is read: what every thread finds in the slices of its files, and in the end the sum."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from etlrun.contracts.engine import InputFiles
from etlrun.contracts.source import InputFile, ReadRequest, ReadResult
from etlrun.reading.account import SliceCounts, left_out, merge, read_result
from etlrun.reading.quarantine import BrokenRecord, Quarantine, Spools, Way


@dataclass
class Accounting:
    """Counts the records of the slices of one request, and writes the broken ones down."""

    request: ReadRequest
    spools: Spools
    slice_counts: list[SliceCounts] = field(default_factory=list)

    def open(self, slices: Sequence[InputFile]) -> list[SliceCounts]:
        """Counts, from zero, for each slice of files of the request."""
        places = {file.path: index for index, file in reversed([*enumerate(self.request.inventory.files)])}
        opened = [SliceCounts(piece, (places[piece.path], piece.start)) for piece in slices]
        self.slice_counts += opened
        return opened

    def add_broken(self, counts: SliceCounts, way: Way, broken: BrokenRecord) -> None:
        """Count a broken record; those of one slice and way come in order, from one thread at a time."""
        counts.add_broken(broken)
        if self.request.quarantine is not None:
            self.spools.add(counts.place, way, broken.as_json(self.request.name))

    def read_result(self, files: tuple[InputFiles, ...], rows: int) -> ReadResult:
        """The sum, with the quarantine written. `files` hold `rows`; every record is a row, broken or blank, or this raises."""
        request = self.request
        self.slice_counts.sort(key=lambda counts: counts.place)
        accounts = merge(counts.account() for counts in self.slice_counts)
        if sum(account.rows for account in accounts) != rows:
            raise AssertionError(f"{rows} rows, and {accounts}")
        written = self._write_quarantine()
        full = () if written is None else left_out(request.name, accounts, written, request.quarantine_limit)
        return read_result(request.name, files, accounts, full)

    def _write_quarantine(self) -> int | None:
        """Write the broken records down, in order; gives how many there was room for."""
        if self.request.quarantine is None:
            return None
        with closing(Quarantine(self.request.quarantine, self.request.quarantine_limit)) as quarantine:
            line_ends, path = 0, ""
            for counts in self.slice_counts:
                line_ends = line_ends if counts.file.path == path else 0
                for line in self.spools.lines(counts.place, line_ends):
                    quarantine.add(line)
                line_ends, path = line_ends + counts.line_ends, counts.file.path
        return quarantine.written

    def close(self) -> None:
        """Delete what was kept for the quarantine."""
        shutil.rmtree(self.spools.folder, ignore_errors=True)
