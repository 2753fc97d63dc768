"""Turns blocks of lines into records: texts that the engine parses in bulk, and bytes that are parsed one by one.

Each record keeps the number of its first line, for messages. Both ways give the same values.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from etlrun.language import arrow_values
from etlrun.language.arrow_values import repeated, whole_numbers
from etlrun.reading.compression import ByteStream
from etlrun.reading.lines import Block, LongLine, blocks

if TYPE_CHECKING:
    import pyarrow

MANY_LINES = 5  # of one record; a notice names records with more
FEW_BYTES = 100_000  # are split without `pyarrow.compute`, whose import takes longer
SHORT = 1 << 13  # bytes of a text that `re` searches instead, in a time that may grow with the square of its size


@dataclass(frozen=True)
class Raw:
    """The bytes of one record, the line it starts in, and how many lines it has."""

    data: bytes
    line: int
    lines: int = 1


@dataclass(frozen=True)
class Records:
    """Records that are text, as an Arrow array, with the line that each starts in; and those that are not UTF-8.

    `plain` holds the same texts, separated by LF, if each is one line that can be split in bulk.
    """

    texts: pyarrow.Array
    lines: pyarrow.Array
    undecodable: tuple[Raw, ...] = ()
    long: tuple[Raw, ...] = ()  # the records of many lines, without their data
    plain: bytes = b""

    def __len__(self) -> int:
        return len(self.texts) + len(self.undecodable)


class MoreColumns(Protocol):
    """Adds columns to records: their names and types, and their values for a group of records."""

    @property
    def fields(self) -> list[tuple[str, pyarrow.DataType]]: ...

    def columns(self, records: Records) -> list[pyarrow.Array]: ...

    def of_lines(self, lines: str) -> str:
        """The lines of tame files with these columns, as SQL; `lines` has the columns of `as_lines`."""


class FramingError(ValueError):
    """A text that cannot be split into records at all: the line, and what to do."""

    def __init__(self, line: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.line = line
        self.fix = fix


Framer = Callable[[ByteStream], Iterator[Records | LongLine]]


def frame_lines(stream: ByteStream, skip: int = 0) -> Iterator[Records | LongLine]:
    """Take every line as a record, except the first `skip`."""
    for block in blocks(stream, skip):
        yield block if isinstance(block, LongLine) else lines_of(block)


def lines_of(block: Block) -> Records:
    """The lines of a block, each a record."""
    plain = block.plain()
    texts = _split(plain)
    if texts is None:
        return from_raws(Raw(data, line) for line, data in enumerate(plain.split(b"\n"), block.line))
    return Records(texts, _counting_from(block.line, len(texts)), plain=plain)


def from_raws(raws: Iterable[Raw]) -> Records:
    """Collect single records."""
    texts: list[bytes] = []
    lines: list[int] = []
    undecodable: list[Raw] = []
    long: list[Raw] = []
    for raw in raws:
        if raw.lines > MANY_LINES:
            long.append(Raw(b"", raw.line, raw.lines))
        try:
            raw.data.decode("utf-8")
        except UnicodeDecodeError:
            undecodable.append(raw)
            continue
        texts.append(raw.data)
        lines.append(raw.line)
    return Records(arrow_values.texts(texts), whole_numbers(lines), tuple(undecodable), tuple(long))


def without_first(records: Records) -> Records:
    """The records without the first one, which is the header."""
    plain = records.plain.partition(b"\n")[2]
    return Records(records.texts.slice(1), records.lines.slice(1), records.undecodable, records.long, plain)


def as_one_text(data: bytes | memoryview) -> pyarrow.Array:
    """An Arrow array of one text that shares the memory of `data`. It is not checked to be UTF-8."""
    import pyarrow as pa

    ends = pa.py_buffer(struct.pack("=2q", 0, len(data)))
    return pa.Array.from_buffers(pa.large_string(), 1, [None, ends, pa.py_buffer(data)])


def any_matches(texts: pyarrow.Array, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns matches in the first text."""
    if not patterns:
        return False
    if texts.nbytes < SHORT:
        one = "|".join(f"(?:{pattern})" for pattern in patterns)
        return re.search(one.encode(), texts[0].as_buffer()) is not None
    import pyarrow.compute as pc

    return any(pc.match_substring_regex(texts, pattern)[0].as_py() for pattern in patterns)


def _split(data: bytes) -> pyarrow.Array | None:
    """The lines as an Arrow array, made with one copy; None if some are not UTF-8."""
    import pyarrow as pa

    whole = as_one_text(data)
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return None
    if len(data) < FEW_BYTES:
        return arrow_values.texts(data.split(b"\n"))
    import pyarrow.compute as pc

    return pc.split_pattern(whole, "\n").flatten()


def _counting_from(first: int, size: int) -> pyarrow.Array:
    """`size` numbers from `first` on, each greater by one."""
    import pyarrow as pa

    if size < FEW_BYTES:
        return whole_numbers(range(first, first + size))
    import pyarrow.compute as pc

    ones = repeated(1, pa.int64(), size)
    return pc.cumulative_sum(ones, start=repeated(first - 1, pa.int64(), 1)[0])
