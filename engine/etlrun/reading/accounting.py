"""Collects the account of a source while threads read the slices of its files, and adds it up at the end."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from etlrun.contracts.engine import InputFiles
from etlrun.contracts.source import FileAccount, InputFile, ReadRequest, ReadResult
from etlrun.reading.absences import absence_notices
from etlrun.reading.account import SliceCounts, left_out, merge, read_result
from etlrun.reading.quarantine import BrokenRecord, Quarantine, Spools, Way


@dataclass
class Accounting:
    """Counts the records in all slices of one request, and keeps the broken ones for the quarantine."""

    request: ReadRequest
    spools: Spools
    slice_counts: list[SliceCounts] = field(default_factory=list)

    def open(self, slices: Sequence[InputFile], lacking: tuple[str, ...] = ()) -> list[SliceCounts]:
        """Start a counter for each slice. `lacking` are the columns that its files do not have."""
        places = {file.path: index for index, file in reversed([*enumerate(self.request.inventory.files)])}
        opened = [SliceCounts(piece, (places[piece.path], piece.start), lacking) for piece in slices]
        self.slice_counts += opened
        return opened

    def add_broken(self, counts: SliceCounts, way: Way, broken: BrokenRecord) -> None:
        """Count a broken record. Those of one slice and stage (framed or judged) come in order, from one thread at a time."""
        counts.add_broken(broken)
        if self.request.quarantine is not None:
            self.spools.add(counts.place, way, broken.as_json(self.request.name))

    def accounts(self, rows: int) -> tuple[FileAccount, ...]:
        """The account of each file, in order. Raises if rows + broken + blank is not the number of records, where `rows` is the sum of rows."""
        self.slice_counts.sort(key=lambda counts: counts.place)
        accounts = merge(counts.account() for counts in self.slice_counts)
        if sum(account.rows for account in accounts) != rows:
            raise AssertionError(f"{rows} rows, and {accounts}")
        return accounts

    def broken(self) -> Iterator[bytes]:
        """The broken records that were kept, in order, as lines of a quarantine: at least as many as fit into it."""
        line_ends, path = 0, ""
        for counts in self.slice_counts:
            line_ends = line_ends if counts.file.path == path else 0
            yield from self.spools.lines(counts.place, line_ends)
            line_ends, path = line_ends + counts.line_ends, counts.file.path

    def close(self) -> None:
        """Delete what was kept for the quarantine."""
        shutil.rmtree(self.spools.folder, ignore_errors=True)


def sum_up(
    request: ReadRequest, files: tuple[InputFiles, ...], accounts: tuple[FileAccount, ...], broken: Iterable[bytes]
) -> ReadResult:
    """Write `broken`, lines in order, to the quarantine, and return the result of reading the source."""
    full: tuple[str, ...] = ()
    if request.quarantine is not None:
        with closing(Quarantine(request.quarantine, request.quarantine_limit)) as quarantine:
            for line in broken:
                quarantine.add(line)
        full = left_out(request.name, accounts, quarantine.written, request.quarantine_limit)
    return read_result(request.name, files, accounts, (*absence_notices(request.name, accounts), *full))
