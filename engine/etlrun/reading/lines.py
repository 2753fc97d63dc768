"""The raw lines of a text file, plain or gzip."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

BOM = b"\xef\xbb\xbf"
CHUNK = 1 << 20


def raw_lines(path: str) -> Iterator[bytes]:
    """Each line without its end, the mark of a UTF-8 file left out. Lines end in LF, CR LF or CR.

    Raises EOFError, OSError or zlib.error for a gzip file that is cut or damaged.
    """
    opened = gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb")  # noqa: SIM115 - closed below
    with opened as stream:
        rest, first, mac = b"", True, False
        while chunk := stream.read(CHUNK):
            if first:
                chunk, first = chunk.removeprefix(BOM), False
                mac = b"\r" in chunk and b"\n" not in chunk
            parts = (rest + chunk).split(b"\r" if mac else b"\n")
            rest = parts.pop()
            for part in parts:
                yield part.removesuffix(b"\r")
        if rest:
            yield rest.removesuffix(b"\r")


def check_gzip(path: str) -> None:
    """Decompress a gzip file to its end, checksum included. Raises EOFError, OSError or zlib.error."""
    with gzip.open(path, "rb") as stream:
        while stream.read(CHUNK):
            pass
