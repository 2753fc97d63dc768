"""Reads text files one by one into parts: parts that earlier runs kept are reused, the other files are read, several at once.

A part is the result of reading its file alone. All parts together are the same as reading all files at once: the same rows, accounts and
quarantine. Checks over several files run before (a column that no file has), or after, over the sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.contracts.source import Control, FilePart, InputFile, Inventory, PartStore, ReadRequest, ReadResult
from etlrun.language.columns import Columns
from etlrun.reading.account import merge
from etlrun.reading.accounting import Accounting, sum_up
from etlrun.reading.opened import refuse_changed
from etlrun.reading.quarantine import Spools
from etlrun.reading.rows import together
from etlrun.reading.text_files import Form, TextReader
from etlrun.stopping import safe_point

if TYPE_CHECKING:
    import duckdb

BROKEN = "broken.jsonl"


@dataclass
class PartReader:
    """Reads the files of one request, or reuses their parts from `store`."""

    request: ReadRequest
    columns: Columns
    connection: duckdb.DuckDBPyConnection
    store: PartStore
    parts: list[tuple[int, FilePart]] = field(default_factory=list)  # each with the index of its file in the request
    numbers: Iterator[int] = field(default_factory=count)
    bytes: int = 0

    def read(self, files: Sequence[InputFile], form: Form) -> None:
        """Read files of the same form. Raises RunFailure for the first that is truncated, damaged, not readable or changing."""
        places = {file.path: index for index, file in reversed([*enumerate(self.request.inventory.files)])}
        with ThreadPoolExecutor(self.request.limits.at_once) as pool:
            waiting = [pool.submit(self._part_of, file, form) for file in files]
            try:
                for file, part in zip(files, waiting, strict=True):
                    self.parts.append((places[file.path], part.result()))
                    self.bytes += file.size
                    self.request.control.share = self.bytes / max(1, self.request.inventory.bytes)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self.request.control.interrupt()
                raise

    def read_result(self) -> ReadResult:
        """The rows and the account."""
        self.parts.sort(key=lambda found: found[0])
        parts = [part for _, part in self.parts]
        broken = chain.from_iterable(map(_lines, parts))
        return sum_up(
            self.request,
            together(files for part in parts for files in part.files),
            merge(part.account for part in parts),
            broken,
        )

    def _part_of(self, file: InputFile, form: Form) -> FilePart:
        safe_point()
        if file.part is not None:
            return file.part
        folder = self.request.folder / f"part-{next(self.numbers)}"
        found = self.store.find(file, folder)
        if found is not None:
            refuse_changed([file])
            return found
        return self.store.keep(file, self._read(file, form, folder))

    def _read(self, file: InputFile, form: Form, folder: Path) -> FilePart:
        control = self.request.control
        request = replace(self.request, inventory=Inventory((file,)), folder=folder, control=Control(), parts=None)
        spools = Spools(folder / "broken", request.quarantine_limit)
        folder.mkdir(parents=True)
        with closing(self.connection.cursor()) as cursor, closing(Accounting(request, spools)) as accounting:
            control.follow(cursor)
            try:
                reader = TextReader(request, self.columns, cursor, accounting)
                reader.read((file,), form)
                return reader.part(folder / BROKEN, form.header)
            finally:
                control.leave(cursor)


def _lines(part: FilePart) -> Iterator[bytes]:
    if part.quarantine.exists():
        with part.quarantine.open("rb") as stream:
            yield from stream
