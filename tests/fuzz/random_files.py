"""Random files of every format that sources read, mutated: other bytes, encodings, line ends, types and compressions.

The format of a file is the ending of its name, such as `tsv.gz`; `array` and `document` are the formats of JSON with these names.
"""

from __future__ import annotations

import bz2
import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pyarrow as pa

from .random_parquet import parquet_file, parquet_rows
from .rows import TEXTS

COLUMNS = {
    "a": "int",
    "b": "string",
    "c": "double",
    "d": "date",
    "e": "decimal(6,2)",
    "f": "timestamp",
    "g": "boolean",
    "h": "bigint not null",
}
PIECES = ("", '"', '""', ",", "\n", "\n\n", "{", "}", "\\", "\\u0041", "\\ud83d", "null", "1e3", "-0.0", " ", "\t", "é", "\ufeff", "'", ": ", "[]", "[", "]")  # fmt: skip
TEXT = {"max_bad_rows": "100%"}
FORMATS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "json": ("json", TEXT),
    "csv": ("csv", TEXT),
    "tsv": ("csv", {**TEXT, "separator": "\t"}),
    "array": ("json", {**TEXT, "format": "array"}),
    "document": ("json", {**TEXT, "format": "document"}),
    "parquet": ("parquet", {}),
}
LIKELY = ("json", "json", "csv", "csv", "tsv", "array", "document", "parquet", "parquet")


def source_keys(ending: str, path: str) -> dict[str, Any]:
    """A source that reads the files at a path, all with this ending."""
    kind, keys = FORMATS[ending.partition(".")[0]]
    columns = {name: {"type": of, "optional": True} if name in "bf" else of for name, of in COLUMNS.items()}
    return {kind: {"path": path, "columns": columns if kind == "parquet" else COLUMNS, **keys}}


def mutated(random: Random) -> tuple[str, bytes]:
    """A file: its ending and its content."""
    kind = random.choice(LIKELY)
    rows = [_values(random) for _ in range(random.randint(1, 12))]
    if kind == "parquet":
        return kind, parquet_file(random)
    content = _text(random, kind, rows).encode("utf-8", "surrogatepass")
    for _ in range(random.choice([0, 0, 0, 1] if kind in ("array", "document") else [0, 1, 1, 2, 4])):
        content = random.choice(MUTATIONS)(random, content)
    if random.random() < 0.25:
        content = random.choice(ENCODINGS)(content)
    if random.random() < 0.3:
        ending = random.choice(list(COMPRESSIONS))
        return f"{kind}.{ending}", _compressed(random, ending, content)
    return kind, content


def records(ending: str, content: bytes) -> int | None:
    """The records of a file, blank lines too, where they can be counted in another way than etlrun does."""
    kind = ending.partition(".")[0]
    if kind == "parquet":
        return parquet_rows(content)
    text = _decompressed(ending, content)
    if kind == "document" or not text:
        return 1 if text else None
    if kind == "array":
        try:
            return len(json.loads(text.removeprefix(b"\xef\xbb\xbf")))
        except ValueError:
            return None
    text = text.replace(b"\r\n", b"\n")
    if b"\r" in text or b"\x00" in text or kind != "json" and b'"' in text:
        return None
    lines = text.count(b"\n") + (0 if text.endswith(b"\n") else 1)
    return lines - (0 if kind == "json" else 1)


def is_whole(ending: str, content: bytes) -> bool:
    """Whether a file, compressed perhaps, is not cut off."""
    return ending == "parquet" or _decompressed(ending, content) is not None


def _text(random: Random, kind: str, rows: list[dict[str, Any]]) -> str:
    ascii_only = random.random() < 0.3
    if kind == "document":
        return json.dumps(rows[0], ensure_ascii=ascii_only, indent=random.choice([None, 2]))
    if kind == "array":
        return json.dumps(rows, ensure_ascii=ascii_only, indent=random.choice([None, 2]))
    if kind == "json":
        lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
    else:
        separator = "," if kind == "csv" else "\t"
        cells = [list(COLUMNS), *([_cell(value, separator) for value in row.values()] for row in rows)]
        lines = [separator.join(row) for row in cells]
    return "\n".join(lines) + random.choice(["\n", ""])


def _values(random: Random) -> dict[str, Any]:
    """A record that is read, or nearly."""
    return {
        "a": random.choice([1, None, -5, 2147483647, 2147483648, 1.5, "7"]),
        "b": random.choice(TEXTS),
        "c": random.choice([0.5, -0.0, 1e20, None, 3, 1e-7, "x"]),
        "d": random.choice(["2024-02-29", "2023-02-29", "0001-01-01", "9999-12-31", None, "2024-2-9", "20240101"]),
        "e": random.choice(["1.50", 1.5, "9999.99", "10000", "1.234", None, 0, "-0.01"]),
        "f": random.choice(
            ["2024-02-29 20:30:00", "2022-04-01T23:59:59.999999", "2022-04-01 24:00:00", None, "2022-04-01"]
        ),
        "g": random.choice([True, False, None, "true", "yes", 1]),
        "h": random.choice([0, 9223372036854775807, -9223372036854775808, None, 9223372036854775808, 5, 5]),
    }


def _cell(value: Any, separator: str) -> str:
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & {separator, '"', "\n", "\r"} else text


def _put(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + random.choice(PIECES).encode() + content[at:]


def _cut(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    return content[:at] + content[at + random.choice([1, 1, 5, 40]) :]


def _bytes(random: Random, content: bytes) -> bytes:
    at = random.randrange(len(content) + 1)
    return (
        content[:at]
        + random.choice([b"\xff", b"\xc3", b"\x00", b"\r\n", b"\r", b"\xef\xbb\xbf", b"\xf0\x9f"])
        + content[at:]
    )


def _double(random: Random, content: bytes) -> bytes:
    lines = content.split(b"\n")
    lines.insert(random.randrange(len(lines)) + 1, random.choice(lines))
    return b"\n".join(lines)


def _compressed(random: Random, ending: str, content: bytes) -> bytes:
    """The content in one stream or in two, and now and then cut off, or with bytes behind it."""
    at = random.choice([0, 0, random.randrange(len(content) + 1)])
    compress = COMPRESSIONS[ending][0]
    packed = (compress(content[:at]) if at else b"") + compress(content[at:])
    return random.choice([*[packed] * 40, packed[:-3], packed[: len(packed) // 2], packed + b"more", packed + b"\x00"])


def _decompressed(ending: str, content: bytes) -> bytes | None:
    """The text of a file; None for one that is cut off."""
    compression = ending.partition(".")[2]
    if not compression:
        return content
    try:
        return COMPRESSIONS[compression][1](content)
    except (EOFError, OSError, ValueError, zlib.error):
        return None


def _zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


def _of_zstd(content: bytes) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(content), "zstd") as stream:
        return bytes(stream.read())


def _as_latin(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode("latin-1", "replace")


def _as_utf16(content: bytes) -> bytes:
    return content.decode("utf-8", "replace").encode("utf-16")


MUTATIONS: tuple[Callable[[Random, bytes], bytes], ...] = (_put, _put, _cut, _cut, _bytes, _double)
ENCODINGS: tuple[Callable[[bytes], bytes], ...] = (
    lambda content: b"\xef\xbb\xbf" + content,
    lambda content: content.replace(b"\n", b"\r\n"),
    lambda content: content.replace(b"\n", b"\r"),
    _as_latin,
    _as_utf16,
)
COMPRESSIONS: Mapping[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "gz": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "zst": (_zstd, _of_zstd),
}
