"""Splits the rows of a result, in the server's format, into columns without a Python object for each value.

A row is a packet: three bytes of length, one of sequence, then the values as text, each after its own length. 251 in place of a length
means NULL; with 252 and 253 the length is in the next two or three bytes. A packet that begins with 254 and has less than nine
bytes ends the rows, one that begins with 255 is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

import pyarrow as pa
import pyarrow.compute as pc
from pymysql import err
from pymysql.constants import CR

from etlrun.connections._mysql.wire import MysqlConnection

PAGE = 8 << 20  # bytes
SPARE = 3  # so that the bytes after the first byte of a length can always be read
HEADER = 4
LONGEST = 0xFFFFFF  # of a packet; a row of this size continues in the next packet
END_BYTES = 9
NULL, TWO_BYTES, THREE_BYTES, EIGHT_BYTES, ERROR = 251, 252, 253, 254, 255
BYTES = {TWO_BYTES: 2, THREE_BYTES: 3, EIGHT_BYTES: 8}
_word = Struct("<I").unpack_from


@dataclass(frozen=True)
class _Span:
    """The positions of one column's values in a page: of the first byte, and after the last byte."""

    first: pa.Int32Array
    end: pa.Int32Array
    is_null: pa.BooleanArray | None


def read_rows(line: MysqlConnection, width: int) -> Iterator[list[pa.BinaryArray]]:
    """The rows of `width` columns of the query that `line` has sent, about a page at a time. Raises PyMySQL's errors."""
    page = bytearray(PAGE + SPARE)
    filled = done = 0
    starts: list[int] = []
    while True:
        filled += line.receive(memoryview(page)[filled:PAGE])
        done = _find_packets(page, done, filled, starts)
        is_end = bool(starts) and _is_end(page, starts[-1], done)
        if is_end:
            starts.pop()
        if starts and (is_end or filled == PAGE):
            yield _columns(page, starts, width)
        if is_end:
            line.end_rows()
            return
        if filled == PAGE and not done:
            yield [pa.array([value], pa.binary()) for value in _long_row(line, page, width)]
            filled = 0
        elif filled == PAGE:
            rest = filled - done
            page[:rest] = page[done:filled]
            filled = rest
        else:
            continue
        done = 0
        starts = []


def _find_packets(page: bytearray, at: int, filled: int, starts: list[int]) -> int:
    """Add the starts of the complete packets; returns the start of the first incomplete one. This loop takes more time than all other Python code."""
    while at + HEADER <= filled:
        following = at + HEADER + (_word(page, at)[0] & LONGEST)
        if following > filled:
            break
        starts.append(at)
        at = following
    return at


def _is_end(page: bytearray, start: int, end: int) -> bool:
    """Whether a packet ends the rows. Raises the error if it is an error packet."""
    size = end - start - HEADER
    if size and page[start + HEADER] == ERROR:
        err.raise_mysql_exception(bytes(page[start + HEADER : end]))
    return 0 < size < END_BYTES and page[start + HEADER] == EIGHT_BYTES


def _columns(page: bytearray, starts: list[int], width: int) -> list[pa.BinaryArray]:
    """The values of the packets at `starts`, column by column, copied out of the page."""
    memory = pa.py_buffer(page)
    octets = pa.Array.from_buffers(pa.uint8(), len(page), [None, memory])
    begin = pa.array(starts, pa.int32())
    at = pc.add(begin, HEADER)
    end = pc.add(at, _number(octets, begin, 3))
    spans = []
    try:
        for _ in range(width):
            spans.append(_span(octets, at))
            at = spans[-1].end
    except pa.ArrowIndexError as error:
        raise _malformed() from error
    if not at.equals(end):  # otherwise a length could point outside the page
        raise _malformed()
    every_other = pc.subtract(pc.cumulative_sum(pa.repeat(pa.scalar(2, pa.int32()), len(starts))), 2)
    return [_taken(memory, span, every_other) for span in spans]


def _span(octets: pa.UInt8Array, at: pa.Int32Array) -> _Span:
    """The values whose lengths are at `at`."""
    length = octets.take(at).cast(pa.int32())
    first = pc.add(at, 1)
    largest = pc.max(length).as_py()
    if largest < NULL:
        return _Span(first, pc.add(first, length), None)
    is_null = pc.equal(length, NULL)
    size = pc.if_else(is_null, 0, length)
    for mark, count in ((TWO_BYTES, 2), (THREE_BYTES, 3)):
        if largest >= mark:
            is_marked = pc.equal(length, mark)
            size = pc.if_else(is_marked, _number(octets, first, count), size)
            first = pc.if_else(is_marked, pc.add(first, count), first)
    return _Span(first, pc.add(first, size), is_null)


def _number(octets: pa.UInt8Array, at: pa.Int32Array, count: int) -> pa.Int32Array:
    """The numbers of `count` bytes at `at`, little-endian."""
    total = octets.take(at).cast(pa.int32())
    for index in range(1, count):
        total = pc.add(total, pc.shift_left(octets.take(pc.add(at, index)).cast(pa.int32()), 8 * index))
    return total


def _taken(memory: pa.Buffer, span: _Span, every_other: pa.Int32Array) -> pa.BinaryArray:
    """A copy of the values: every second element of an array in which values and the bytes between them alternate."""
    bounds = pc.add(span.first.cast(pa.int64()), pc.shift_left(span.end.cast(pa.int64()), 32))  # two numbers of 32 bits
    count = len(span.first)
    turns = pa.Array.from_buffers(pa.binary(), 2 * count - 1, [None, bounds.buffers()[1], memory])
    chosen = every_other if span.is_null is None else pc.if_else(span.is_null, pa.scalar(None, pa.int32()), every_other)
    return turns.take(chosen)


def _long_row(line: MysqlConnection, page: bytearray, width: int) -> list[bytes | None]:
    """A row that begins in a page but is larger than the page."""
    try:
        return list(_values(_long_packet(line, page), width))
    except LookupError as error:
        raise _malformed() from error


def _long_packet(line: MysqlConnection, page: bytearray) -> bytes:
    """A packet that begins in a page but is larger than the page."""
    held, parts = bytes(page[:PAGE]), []
    while True:
        size = _word(held)[0] & LONGEST
        part = bytearray(held[HEADER:]) + bytearray(size - (len(held) - HEADER))
        _fill(line, memoryview(part)[len(held) - HEADER :])
        parts.append(part)
        if size < LONGEST:
            return b"".join(parts)
        header = bytearray(HEADER)
        _fill(line, memoryview(header))
        held = bytes(header)


def _fill(line: MysqlConnection, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        filled += line.receive(view[filled:])


def _values(packet: bytes, width: int) -> Iterator[bytes | None]:
    """The values of one row."""
    at = 0
    for _ in range(width):
        length, at = packet[at], at + 1
        if length == NULL:
            yield None
            continue
        if length > NULL:
            count = BYTES[length]
            length, at = int.from_bytes(packet[at : at + count], "little"), at + count
        yield packet[at : at + length]
        at += length
    if at != len(packet):
        raise _malformed()


def _malformed() -> err.OperationalError:
    return err.OperationalError(CR.CR_MALFORMED_PACKET, "a row is not as long as it says")
