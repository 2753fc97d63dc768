"""Compressed text files: the endings that are read, and how each one is opened."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol


class ByteStream(Protocol):
    """What gives bytes, at most so many at a time, and none at its end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Compression:
    """A way to compress a file: the ending of its name, the first bytes of its content, and how it is opened for reading."""

    name: str
    ending: str
    magic: bytes
    open: Callable[[IO[bytes]], ByteStream]


def _bz2(file: IO[bytes]) -> Any:
    """Python's own reader ends without a word where what follows a stream is no other one."""
    import pyarrow as pa

    return pa.CompressedInputStream(file, "bz2")


def _zstd(file: IO[bytes]) -> Any:
    import pyarrow as pa

    return pa.CompressedInputStream(file, "zstd")


COMPRESSIONS = (
    Compression("gzip", ".gz", b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file, mode="rb")),
    Compression("zstd", ".zst", b"\x28\xb5\x2f\xfd", _zstd),
    Compression("bzip2", ".bz2", b"BZh", _bz2),
)
UNREAD_ENDINGS = {
    ".lz4": "lz4",
    ".snappy": "snappy",
    ".sz": "snappy",
    ".deflate": "deflate",
    ".zz": "deflate",
    ".xz": "xz",
    ".lzo": "lzo",
    ".br": "brotli",
    ".zip": "zip",
    ".7z": "7z",
    ".Z": "compress",
}  # compressions that are known by name only
DAMAGE = (EOFError, zlib.error, OSError)  # what a compressed stream raises where it is cut or damaged


def compression_of(path: str) -> Compression | None:
    """The compression that a file's name stands for."""
    return next((known for known in COMPRESSIONS if path.endswith(known.ending)), None)


def without_ending(path: str) -> str:
    """A path without the ending of its compression."""
    known = compression_of(path)
    return path.removesuffix(known.ending) if known else path


def open_text(file: IO[bytes], path: str) -> ByteStream:
    """The text of an open file, decompressed as its path says. Its `read` raises one of DAMAGE for a file that is cut or damaged."""
    known = compression_of(path)
    return known.open(file) if known else file
