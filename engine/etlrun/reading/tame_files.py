"""Finds tame files: those that DuckDB splits into the same lines as `lines` does. A fast scan of their bytes shows it.

A file is tame if it is plain UTF-8 text without a byte order mark, and its lines end in LF, are short, and contain no zero byte, none of
the bytes with a meaning for its kind, and not the byte that DuckDB gets as a separator (so that it takes whole lines). The scan saves work
and never changes a result: other files are framed by `framing`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from etlrun.contracts.source import InputFile
from etlrun.language.arrow_values import repeated
from etlrun.language.duckdb_words import can_be_named, file_names
from etlrun.reading.encodings import is_as_stored
from etlrun.reading.framing import Records, any_matches, as_one_text, frame_lines
from etlrun.reading.lines import BOM, CHUNK
from etlrun.reading.opened import records_in
from etlrun.reading.rows import FILE, LINE, RAW
from etlrun.stopping import safe_point

if TYPE_CHECKING:
    import pyarrow

SLICE = 1 << 26  # bytes of a file that one thread scans
WINDOW = 1 << 19  # every window of so many bytes must contain a line end: no line is longer than two windows
LONGEST = 2 * WINDOW
SEPARATOR = "\x01"  # DuckDB takes `\\0` for a backslash and a zero, both of which a text may contain
NUMBERED = "__etlrun_numbered"  # the relation of lines with their numbers


@dataclass(frozen=True)
class LineRules:
    """The rules for tame lines of a kind of text: bytes that must not occur, and patterns that match if lines need a closer check."""

    meaningful: bytes = b""
    patterns: tuple[str, ...] = ()


@dataclass(frozen=True)
class TameFile:
    """A tame file: how many lines it has, and whether a pattern of its kind matches in it."""

    file: InputFile
    lines: int
    is_matched: bool


def find_tame(files: Sequence[InputFile], rules: LineRules, threads: int) -> list[TameFile]:
    """The tame ones of `files`, in order, scanned by `threads` threads."""
    looked = [
        file for file in files if file.end is None and is_as_stored(file.path, file.encoding) and can_be_named(file.at)
    ]
    slices = [(file, start) for file in looked for start in range(0, file.size, SLICE)]
    with ThreadPoolExecutor(threads) as pool:
        looks = list(pool.map(lambda one: _look_at(one[0].at, one[1], rules), slices))
    found: dict[str, TameFile | None] = {}
    for (file, _), look in zip(slices, looks, strict=True):
        before = found.get(file.path, TameFile(file, 0, False))
        if before is None or look is None:
            found[file.path] = None
        else:
            found[file.path] = TameFile(file, before.lines + look[0], before.is_matched or look[1])
    return [tame for tame in found.values() if tame is not None and tame.lines]


def as_lines(files: Sequence[TameFile], skip: int) -> str:
    """The lines of tame files after the first `skip` ones, as DuckDB reads them: `l`, `file` (its index) and `is_matched`."""
    matched = ", ".join(str(tame.is_matched).lower() for tame in files)
    options = (
        "columns = {'l': 'VARCHAR'}, auto_detect = false, compression = 'none', quote = '', escape = '', comment = '', "
        f"delim = '{SEPARATOR}', "
        f"nullstr = '', new_line = '\\n', header = false, skip = {skip}, strict_mode = false, max_line_size = {2 * LONGEST}, "
        "hive_partitioning = false"
    )
    return (
        f"SELECT coalesce(l, '') AS l, file_index::INT AS file, "
        f"[{matched}][file_index::BIGINT + 1] AS is_matched FROM read_csv({file_names(tame.file.at for tame in files)}, {options})"
    )


def number_lines(files: Sequence[InputFile], indexes: Sequence[int], skip: int) -> Iterator[pyarrow.RecordBatch]:
    """The lines of some of `files`, after the first `skip` ones of each, with their numbers."""
    import pyarrow as pa

    for index in indexes:
        for found in records_in(files[index], partial(frame_lines, skip=skip)):
            assert isinstance(found, Records)
            where = repeated(index, pa.int32(), len(found.texts))
            yield pa.RecordBatch.from_arrays([where, found.lines, found.texts], schema=numbered_schema())


def numbered_schema() -> pyarrow.Schema:
    """The columns of `number_lines`."""
    import pyarrow as pa

    return pa.schema([(FILE, pa.int32()), (LINE, pa.int64()), (RAW, pa.large_string())])


def _look_at(path: str, start: int, rules: LineRules) -> tuple[int, bool] | None:
    """The number of lines that start in a slice of a file, and whether a pattern matches in them; None if they are not tame."""
    try:
        with open(path, "rb") as stream:
            if not start and stream.read(len(BOM)) == BOM:
                return None
            return _Look(stream, start, rules).result()
    except OSError:
        return None  # the framer reports what is wrong with it


class _Look:
    """Scans the lines that start in one slice, chunk by chunk in one buffer."""

    def __init__(self, stream: IO[bytes], start: int, rules: LineRules) -> None:
        self.stream = stream
        self.start = start
        self.rules = rules
        self.buffer = bytearray(min(CHUNK, os.fstat(stream.fileno()).st_size + 1))
        self.is_matched = False

    def result(self) -> tuple[int, bool] | None:
        lines = size = 0
        at = self._first_line()
        while at < self.start + SLICE:
            safe_point()
            with memoryview(self.buffer) as view:
                count = self.stream.readinto(view[size:])  # type: ignore[attr-defined]
            size += count
            if not count:  # the rest is a line without a line end
                if size > WINDOW or not self._is_tame(size):
                    return None
                return lines + bool(size), self.is_matched
            end = self._end_of_lines(size, self.start + SLICE - at)
            if not end and size < len(self.buffer):
                continue
            if not (end and self._are_short(end) and self._is_tame(end)):
                return None
            lines += self._line_ends(size, end)
            at += end
            self.buffer[: size - end] = self.buffer[end:size]
            size -= end
        return lines, self.is_matched

    def _first_line(self) -> int:
        """Where the first line of the slice starts."""
        self.stream.seek(max(0, self.start - 1))
        if self.start:
            self.stream.readline(CHUNK)
        return self.stream.tell()

    def _end_of_lines(self, size: int, limit: int) -> int:
        """The end of the lines that start before `limit`, within the first `size` bytes of the buffer."""
        found = self.buffer.find(b"\n", limit - 1, size) if size > limit else -1
        return (found if found >= 0 else self.buffer.rfind(b"\n", 0, size)) + 1

    def _line_ends(self, size: int, end: int) -> int:
        """The number of line ends before `end` in a buffer of `size` bytes. Removing them is four times as fast as `count`."""
        if size < len(self.buffer) or self.buffer.find(b"\n", end) >= 0:
            return self.buffer.count(b"\n", 0, end)
        return size - len(self.buffer.replace(b"\n", b""))

    def _are_short(self, end: int) -> bool:
        return all(self.buffer.find(b"\n", at, at + WINDOW) >= 0 for at in range(0, end, WINDOW))

    def _is_tame(self, end: int) -> bool:
        import pyarrow as pa

        if any(self.buffer.find(byte, 0, end) >= 0 for byte in (0, ord(SEPARATOR), *b"\r", *self.rules.meaningful)):
            return False
        whole = as_one_text(memoryview(self.buffer)[:end])
        try:
            whole.validate(full=True)
        except pa.ArrowInvalid:
            return False
        self.is_matched = self.is_matched or any_matches(whole, self.rules.patterns)
        return True
