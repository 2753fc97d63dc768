"""Explains, from its first bytes, what a file contains that does not contain the expected records."""

from __future__ import annotations

import json
import re

from etlrun.contracts.source import InputFile
from etlrun.reading.compression import DAMAGE
from etlrun.reading.encodings import open_text
from etlrun.reading.lines import BOM

LOOKED_AT = 1 << 16
UNREAD_FIX = "decompress it, or compress it with gzip, zstd or bzip2"
BINARY = (
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\xff\x06\x00\x00sNaPpY", "snappy"),
    (b"\x78\x01", "deflate (zlib)"),
    (b"\x78\x9c", "deflate (zlib)"),
    (b"\x78\xda", "deflate (zlib)"),
    (b"\xfd7zXZ", "xz"),
    (b"PK\x03\x04", "zip"),
)


def first_bytes(found: InputFile) -> bytes:
    """The first bytes of a file's text; empty if it cannot be read."""
    try:
        with open(found.at, "rb") as file:
            return open_text(file, found.path, found.encoding).read(LOOKED_AT)
    except DAMAGE:
        return b""


def explain_known(head: bytes) -> tuple[str, str] | None:
    """Name the unsupported compression that the first bytes of a file show, and what to do."""
    known = next((name for magic, name in BINARY if head.startswith(magic)), "")
    return (f"the file is compressed with {known}", UNREAD_FIX) if known else None


def explain_bytes(head: bytes) -> tuple[str, str] | None:
    """Name the format of bytes that are not text, and what to do."""
    known = explain_known(head)
    if known:
        return known
    controls = len(re.findall(rb"[\x00-\x08\x0e-\x1f]", head))
    if controls * 20 > len(head):
        fix = "if it is compressed (lz4, snappy, deflate), decompress it; use the source for its format"
        return "the file is not text: it is compressed, or has another format", fix
    return None


def explain_json(head: bytes) -> tuple[str, str] | None:
    """Name what a file contains in place of one JSON object in each line, and what to do."""
    text = head.removeprefix(BOM).decode("utf-8", errors="replace").lstrip(" \t\r\n")
    line = text.splitlines()[0] if text else ""
    if re.match(r"\[\s*[{\]]", text):
        return "the file is one JSON array", "add `format: array` to the source"
    if text.startswith("{") and not _is_json(line):
        if _starts_object(text):
            fix = "add `format: objects` to the source; or `format: document` if each file is one object"
            return "the file is pretty-printed JSON: its objects have several lines", fix
        if _starts_two_objects(line):
            return "several objects follow each other in one line", "add `format: objects` to the source"
    return None


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _starts_object(text: str) -> bool:
    """Whether a text, which may be cut off, starts with an object that spans several lines."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except RecursionError:
        return False
    except json.JSONDecodeError as error:
        return "\n" in text and len(text) >= LOOKED_AT - 4 and error.pos > len(text) - 1000
    return "\n" in text[:end]


def _starts_two_objects(line: str) -> bool:
    """Whether a line, which may be cut off, starts with an object and the beginning of another one."""
    try:
        _, end = json.JSONDecoder().raw_decode(line)
    except (ValueError, RecursionError):
        return False
    return line[end:].lstrip().startswith("{")
