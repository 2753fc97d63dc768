"""Splits a text file into lines, in blocks. This is the only definition of where a line ends.

A line ends in LF or CR LF, and also in CR if the first MiB of the text contains CR but no LF. A UTF-8 byte order mark (BOM) is not part
of the first line. A line has at most MAX_LINE bytes: of a longer one only the start is kept, so that memory is bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from etlrun.reading.compression import ByteStream
from etlrun.reading.encodings import open_text

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 22
LOOKED_AT = 1 << 20  # first bytes, which decide whether CR alone ends a line
MAX_LINE = 64_000_000
HEAD = 1 << 16  # bytes that are kept of a line that is too long
_AT_ONCE = 1 << 16  # bytes read at a time of a line that crosses the end of a slice


@dataclass(frozen=True)
class Block:
    """Consecutive whole lines, without the LF of the last one. `line` is the number of the first, from 1."""

    data: bytes
    line: int

    @property
    def after(self) -> int:
        """The number of the line after this block."""
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


def blocks(stream: ByteStream, skip: int = 0) -> Iterator[Block | LongLine]:
    """All lines of a text in order, without its first `skip` lines."""
    for block in _blocks(stream):
        if not skip:
            yield block
        elif isinstance(block, LongLine):
            skip -= 1
        else:
            *skipped, rest = block.data.split(b"\n", skip)
            if len(skipped) == skip:
                yield Block(rest, block.line + skip)
            skip -= min(skip, len(skipped) + 1)


def _blocks(stream: ByteStream) -> Iterator[Block | LongLine]:
    line, is_mac = 1, False
    begins_text = not (isinstance(stream, LinesBetween) and stream.start)
    pending: list[bytes] = []
    size = 0
    for index, chunk in enumerate(_chunks(stream)):
        if index == 0 and begins_text:
            chunk = chunk.removeprefix(BOM)
            is_mac = ends_lines_in_cr(chunk)
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


def ends_lines_in_cr(head: bytes) -> bool:
    """Whether CR alone ends a line in a text that starts with these bytes, its byte order mark removed."""
    return b"\r" in head[:LOOKED_AT] and b"\n" not in head[: LOOKED_AT + 1]


class LinesBetween:
    """A stream of the lines that start between the bytes `start` and `end` of a file with LF line ends. It counts the line ends."""

    def __init__(self, stream: IO[bytes], start: int, end: int) -> None:
        self.stream = stream
        self.start = start
        self.end = end
        self.line_ends = 0
        stream.seek(max(0, start - 1))
        while start and (skipped := stream.readline(_AT_ONCE)) and not skipped.endswith(b"\n"):
            pass  # the line of the byte before `start` belongs to the slice before
        self.at = stream.tell()
        self.is_over = self.at >= end

    def read(self, size: int, /) -> bytes:
        if self.is_over:
            return b""
        left = self.end - self.at
        data = self.stream.read(min(size, left if left > 0 else _AT_ONCE))
        if left <= 0:  # the last line continues after the end of the slice
            after = data.find(b"\n") + 1
            self.is_over = after > 0 or not data
            data = data[:after] if after else data
        else:
            self.is_over = not data or (len(data) == left and data.endswith(b"\n"))
        self.at += len(data)
        self.line_ends += data.count(b"\n")
        return data


def raw_lines(path: str, encoding: str = "utf-8") -> Iterator[bytes]:
    """Each line of a file without its line end; of a line that is too long, its start. Raises one of DAMAGE."""
    with open(path, "rb") as file:
        for block in blocks(open_text(file, path, encoding)):
            if isinstance(block, LongLine):
                yield block.head
            else:
                yield from block.plain().split(b"\n")


def _chunks(stream: ByteStream) -> Iterator[bytes]:
    """Chunks of exactly CHUNK bytes (the last may be shorter), even if the stream returns fewer at a time."""
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
