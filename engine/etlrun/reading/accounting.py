"""The account of a source while it is read: what every thread finds in the slices of its files, and in the end the sum."""

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
    """Counts the records of the slices of one request, and writes the broken ones down."""

    request: ReadRequest
    spools: Spools
    slice_counts: list[SliceCounts] = field(default_factory=list)

    def open(self, slices: Sequence[InputFile], lacking: tuple[str, ...] = ()) -> list[SliceCounts]:
        """Counts, from zero, for each slice of files of the request, which have not the columns `lacking`."""
        places = {file.path: index for index, file in reversed([*enumerate(self.request.inventory.files)])}
        opened = [SliceCounts(piece, (places[piece.path], piece.start), lacking) for piece in slices]
        self.slice_counts += opened
        return opened

    def add_broken(self, counts: SliceCounts, way: Way, broken: BrokenRecord) -> None:
        """Count a broken record; those of one slice and way come in order, from one thread at a time."""
        counts.add_broken(broken)
        if self.request.quarantine is not None:
            self.spools.add(counts.place, way, broken.as_json(self.request.name))

    def accounts(self, rows: int) -> tuple[FileAccount, ...]:
        """An account for each file, in order. There are `rows`; every record is a row, broken or blank, or this raises."""
        self.slice_counts.sort(key=lambda counts: counts.place)
        accounts = merge(counts.account() for counts in self.slice_counts)
        if sum(account.rows for account in accounts) != rows:
            raise AssertionError(f"{rows} rows, and {accounts}")
        return accounts

    def broken(self) -> Iterator[bytes]:
        """The broken records that were kept, in order, as lines of a quarantine: all that it has room for, and more."""
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
    """What reading a source gave, with its quarantine written; `broken` are the lines for it, in order."""
    full: tuple[str, ...] = ()
    if request.quarantine is not None:
        with closing(Quarantine(request.quarantine, request.quarantine_limit)) as quarantine:
            for line in broken:
                quarantine.add(line)
        full = left_out(request.name, accounts, quarantine.written, request.quarantine_limit)
    return read_result(request.name, files, accounts, (*absence_notices(request.name, accounts), *full))
