"""Compresses many bytes into one zlib stream; pieces are compressed in parallel, each with the best strategy for it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

PIECE = 4 << 20  # bytes; what a piece cannot refer to in the one before costs far less than a thousandth
LEVEL = 6
MEMORY = 9  # how long the blocks are for which a code is chosen
# texts repeat, missing values come in runs, and digits of numbers have nothing but frequencies
STRATEGIES = (zlib.Z_FILTERED, zlib.Z_RLE, zlib.Z_HUFFMAN_ONLY)
_HEADER = b"\x78\x9c"  # deflate with a window of 32 kB, without a dictionary


def deflated(contents: Iterable[bytes]) -> bytes:
    """Compress the contents for `zlib.decompress`, which returns them joined. Pass bytes of different kinds as separate contents."""
    parts = list(contents)
    pieces = [part[start : start + PIECE] for part in parts for start in range(0, len(part), PIECE)]
    checksum = 1
    for part in parts:
        checksum = zlib.adler32(part, checksum)
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        packed = list(threads.map(_piece, pieces))
    return b"".join((_HEADER, *packed, b"\x03\x00", checksum.to_bytes(4, "big")))


def _piece(content: bytes) -> bytes:
    """Blocks of deflate that end at a whole byte and are not the last ones."""
    return min((_blocks(content, strategy) for strategy in STRATEGIES), key=len)


def _blocks(content: bytes, strategy: int) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, MEMORY, strategy)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
