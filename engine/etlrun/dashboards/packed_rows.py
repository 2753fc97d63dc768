"""The rows of a page's table, packed column by column: whole numbers as bytes, and everything else as numbers of its distinct values.

A value is a code, and code 0 is a missing value. The bytes of a column's codes stand plane by plane, lowest bytes first, which deflates
well. Values are sorted, so that codes sort as values do; texts are written without what they share with the text before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

END = "\x00"  # between texts; no text of a database holds it


@dataclass
class Packed:
    """Bytes that grow, and where each piece begins."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, content: bytes) -> int:
        """Where `content` begins."""
        self.parts.append(content)
        self.size += len(content)
        return self.size - len(content)


def pack_table(table: pa.Table, packed: Packed) -> list[dict[str, Any]]:
    """What the page needs to read each column of `table` from the bytes."""
    import pyarrow as pa

    return [
        _pack_whole(column, packed) if pa.types.is_integer(column.type) else _pack_values(column, packed)
        for column in (chunked.combine_chunks() for chunked in table.columns)
    ]


def _pack_whole(column: Any, packed: Packed) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    least = pc.min(column).as_py() or 0
    codes = pc.fill_null(pc.add(pc.subtract(column.cast(pa.int64()), least), 1), 0)
    return {"min": least, **_planes(codes, packed)}


def _pack_values(column: Any, packed: Packed) -> dict[str, Any]:
    """Codes and the distinct values: numbers as they are, everything else as text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))
    else:
        column = column.cast(pa.string())
    values = pc.drop_null(pc.unique(column))
    values = values.take(pc.sort_indices(values))
    codes = pc.fill_null(pc.add(pc.index_in(column, value_set=values).cast(pa.int64()), 1), 0)
    found = _planes(codes, packed)
    if pa.types.is_floating(column.type):
        return {"values": values.to_pylist(), **found}
    return {**_shared(values.to_pylist(), packed), **found}


def _shared(texts: list[str], packed: Packed) -> dict[str, Any]:
    """Each text as how many characters it shares with the one before, at most 255, and the rest."""
    lengths, rests, last = bytearray(), [], ""
    for text in texts:
        most = min(len(text), len(last), 255)
        shared = 0
        while shared < most and text[shared] == last[shared] and text[shared] < "\ud800":
            shared += 1
        lengths.append(shared)
        rests.append(text[shared:])
        last = text
    rest = END.join(rests).encode("utf-8")
    return {"shared": packed.add(bytes(lengths)), "rest": packed.add(rest), "size": len(rest), "texts": len(texts)}


def _planes(codes: Any, packed: Packed) -> dict[str, Any]:
    import pyarrow.compute as pc

    largest = pc.max(codes).as_py() or 0
    content = codes.buffers()[1].to_pybytes()[: 8 * len(codes)] if len(codes) else b""
    count = (largest.bit_length() + 7) // 8
    return {
        "at": packed.add(b"".join(content[plane::8] for plane in range(count))),
        "planes": count,
        "rows": len(codes),
    }
