"""The lines of a text file, in blocks: the one definition of where a line ends.

A line ends in LF or CR LF; in CR too where the first MiB of the text holds CR and no LF. The mark of a UTF-8 file (BOM) is no part of
its first line. A line has at most MAX_LINE bytes: of a longer one only the head is kept, so that memory has a bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from etlrun.reading.compression import ByteStream, open_text

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 22
LOOKED_AT = 1 << 20  # bytes that say whether CR alone ends a line
MAX_LINE = 64_000_000
HEAD = 1 << 16  # bytes that are kept of a line that is too long


@dataclass(frozen=True)
class Block:
    """Whole lines that follow each other, without the LF of the last one. `line` is the number of the first, from 1."""

    data: bytes
    line: int

    @property
    def after(self) -> int:
        """The number of the line that follows."""
        return self.line + self.data.count(b"\n") + 1

    def plain(self) -> bytes:
        """The lines, with LF between them."""
        if b"\r" not in self.data:
            return self.data
        return self.data.replace(b"\r\n", b"\n").removesuffix(b"\r")


@dataclass(frozen=True)
class LongLine:
    """A line of more than MAX_LINE bytes: its number, its first bytes, and how many it has."""

    line: int
    head: bytes
    size: int


def blocks(stream: ByteStream) -> Iterator[Block | LongLine]:
    """Everything that a text holds, in order."""
    line, is_mac = 1, False
    pending: list[bytes] = []
    size = 0
    for index, chunk in enumerate(_chunks(stream)):
        if index == 0:
            chunk = chunk.removeprefix(BOM)
            is_mac = b"\r" in chunk[:LOOKED_AT] and b"\n" not in chunk[: LOOKED_AT + 1]
        if is_mac:
            chunk = chunk.replace(b"\r", b"\n")
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if last < 0:
            size += len(chunk)
            pending.append(chunk)
            if size > MAX_LINE:
                pending = [b"".join(pending)[:HEAD]]
            continue
        if size + first > MAX_LINE:
            yield LongLine(line, b"".join((*pending, chunk[:first]))[:HEAD], size + first)
            line += 1
            whole = [chunk[first + 1 : last]] if last > first else []
        else:
            whole = [b"".join((*pending, chunk[:last]))]
        for data in whole:
            block = Block(data, line)
            yield block
            line = block.after
        pending = [chunk[last + 1 :]]
        size = len(pending[0])
    if size > MAX_LINE:
        yield LongLine(line, pending[0][:HEAD], size)
    elif size:
        yield Block(b"".join(pending), line)


def raw_lines(path: str) -> Iterator[bytes]:
    """Each line of a file without its end; of a line that is too long its head. Raises one of DAMAGE."""
    with open(path, "rb") as file:
        for block in blocks(open_text(file, path)):
            if isinstance(block, LongLine):
                yield block.head
            else:
                yield from block.plain().split(b"\n")


def _chunks(stream: ByteStream) -> Iterator[bytes]:
    """Chunks of CHUNK bytes each, the last one aside, however few a stream gives at a time."""
    parts: list[bytes] = []
    size = 0
    while part := stream.read(CHUNK - size):
        parts.append(part)
        size += len(part)
        if size >= CHUNK:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)
