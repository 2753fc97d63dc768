"""Opens text files: decompressed, and in UTF-8, whatever their encoding is. A character that cannot be decoded makes its record a broken one."""

from __future__ import annotations

import codecs
from typing import IO, Literal

from etlrun.reading.compression import ByteStream, compression_of, decompressed

Encoding = Literal[
    "utf-8",
    "utf-16",
    "utf-16le",
    "utf-16be",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "windows-1253",
    "windows-1254",
    "windows-1255",
    "windows-1256",
    "windows-1257",
    "windows-1258",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-3",
    "iso-8859-4",
    "iso-8859-5",
    "iso-8859-6",
    "iso-8859-7",
    "iso-8859-8",
    "iso-8859-9",
    "iso-8859-10",
    "iso-8859-13",
    "iso-8859-14",
    "iso-8859-15",
    "iso-8859-16",
    "ibm437",
    "ibm850",
    "ibm852",
    "ibm866",
    "koi8-r",
    "koi8-u",
    "macintosh",
    "tis-620",
    "gb18030",
    "big5",
    "shift_jis",
    "cp932",
    "euc-jp",
    "euc-kr",
    "cp949",
]  # names of Python's codecs, as IANA registers them
UNDECODABLE = "etlrun-undecodable"
NEVER_UTF8 = "\udcff"  # is written as the byte FF, which no text in UTF-8 contains
OTHER_ENCODING = "add the encoding of the files to the source, such as `encoding: windows-1252`"
LOOKED_AT = 1 << 12  # first bytes, in which UTF-16 without a byte order mark is seen
LEAST_SHARE = 4  # a byte becomes at most three of UTF-8, and a few may be left from the bytes before


def open_text(file: IO[bytes], path: str, encoding: str = "utf-8") -> ByteStream:
    """Open the text of a file, decompressed by the ending of its path, in UTF-8. Its `read` raises one of DAMAGE if the file is truncated or damaged."""
    stream = decompressed(file, path)
    return stream if encoding == "utf-8" else _Recoded(stream, encoding)


def shown_encoding(encoding: str) -> str:
    """The name of an encoding in a message."""
    return "UTF-8" if encoding == "utf-8" else encoding


def is_as_stored(path: str, encoding: str) -> bool:
    """Whether the bytes of a file are those of its text in UTF-8."""
    return encoding == "utf-8" and compression_of(path) is None


def why_undecodable(record: bytes, encoding: str = "utf-8") -> str:
    """The reason why a record is not text, with the place of the first wrong byte or character; empty if it is text."""
    try:
        record.decode("utf-8")
    except UnicodeDecodeError as error:
        before = record[: error.start]
        place = f"byte {len(before) + 1}" if encoding == "utf-8" else f"character {len(before.decode()) + 1}"
        return f"not {shown_encoding(encoding)} ({place})"
    return ""


def guess_encoding(head: bytes) -> Encoding:
    """The encoding of a text that begins with `head`: UTF-16 and UTF-8 are certain, everything else is taken for the usual one of Windows."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    start = head[:LOOKED_AT]
    if b"\0" in start:  # half of an ASCII character in UTF-16; no other text has such bytes
        return "utf-16le" if start[1::2].count(0) > start[::2].count(0) else "utf-16be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "windows-1252"
    return "utf-8"


class _Recoded:
    """A stream of text in another encoding, as UTF-8."""

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(UNDECODABLE)

    def read(self, size: int, /) -> bytes:
        while True:
            data = self._stream.read(max(1, size // LEAST_SHARE))
            text = self._decoder.decode(data, final=not data)
            if text or not data:
                return text.encode("utf-8", "surrogateescape")


codecs.register_error(UNDECODABLE, lambda error: (NEVER_UTF8, error.end))  # type: ignore[attr-defined]
