"""Compressed text files: the file name endings that are supported, and how each is opened."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Any, Protocol


class ByteStream(Protocol):
    """A stream of bytes: `read` returns at most the given number, and no bytes at the end."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Compression:
    """A way to compress a file: the ending of its name, the first bytes of its content, and how it is opened for reading."""

    name: str
    ending: str
    magic: bytes
    open: Callable[[IO[bytes]], ByteStream]


def _bz2(file: IO[bytes]) -> Any:
    """Open a bzip2 file. Python's own reader silently ignores bytes after a stream that are not another stream."""
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
DAMAGE = (EOFError, zlib.error, OSError)  # what reading a truncated or damaged file raises
COPY_AGAIN = "copy it again; if it is still being written, wait until it is complete"  # the fix for such a file
ENCRYPTED = "write the file without encryption"


def compression_of(path: str) -> Compression | None:
    """The compression that the ending of a file name means."""
    return next((known for known in COMPRESSIONS if path.endswith(known.ending)), None)


def without_ending(path: str) -> str:
    """A path without the ending of its compression."""
    known = compression_of(path)
    return path.removesuffix(known.ending) if known else path


def decompressed(file: IO[bytes], path: str) -> ByteStream:
    """The content of a file, decompressed by the ending of its path. Its `read` raises one of DAMAGE if the file is truncated or damaged."""
    known = compression_of(path)
    return known.open(file) if known else file
