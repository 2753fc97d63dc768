"""Splits a file that is one JSON array into its elements, or a file of objects into these, without loading all of it; or takes it as one record.

Only brackets, commas and quotes matter here. Each element is then parsed like a line of JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from etlrun.reading.compression import COPY_AGAIN, ByteStream
from etlrun.reading.framing import FramingError, Raw, Records, from_raws
from etlrun.reading.lines import BOM, CHUNK, MAX_LINE, LongLine

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"


def frame_elements(stream: ByteStream) -> Iterator[Records | LongLine]:
    """The elements of the array, in groups. Raises FramingError if the text is not one array."""
    array = _Array()
    while chunk := stream.read(CHUNK):
        yield from_raws(array.feed(chunk))
    array.finish()


def frame_objects(stream: ByteStream) -> Iterator[Records | LongLine]:
    """Objects that follow each other, with or without white space between them, in groups. Text between them is a record, too."""
    objects = _Objects()
    while chunk := stream.read(CHUNK):
        yield from_raws(objects.feed(chunk))
    yield from_raws(objects.finish())


def frame_document(stream: ByteStream) -> Iterator[Records | LongLine]:
    """The whole text as one record. Raises FramingError for one that is too long."""
    data = b""
    while chunk := stream.read(CHUNK):
        data += chunk
        if len(data) > MAX_LINE:
            fix = "write one object per line, and remove `format`"
            raise FramingError(1, f"the document is longer than {MAX_LINE // 1_000_000} MB", fix)
    if data:
        yield from_raws([Raw(data.removeprefix(BOM), 1)])


class _Brackets:
    """Follows the brackets of a text. `rest` is the text after the last complete record."""

    def __init__(self) -> None:
        self.rest = b""
        self.line = 1  # where `rest` starts
        self.seen = 0  # bytes of `rest` that were scanned
        self.depth = 0  # of brackets

    def _tokens(self) -> Iterator[re.Match[bytes]]:
        """The brackets, commas and strings that are not scanned yet; a string that is not closed yet is left for the next time."""
        for found in _TOKEN.finditer(self.rest, self.seen):
            if found[0] == b'"':
                self.seen = found.start()
                return
            self.seen = found.end()
            yield found
        self.seen = len(self.rest)

    def _keep(self, start: int) -> None:
        """Forget the records before `start`, whose lines are counted."""
        self.rest = self.rest[start:]
        self.seen -= start

    def _refuse_long(self, what: str) -> None:
        if len(self.rest) > MAX_LINE:
            raise self._failure(f"{what} is longer than {MAX_LINE // 1_000_000} MB", "split it")

    def _drop(self, size: int) -> None:
        self.line += self.rest.count(b"\n", 0, size)
        self.rest = self.rest[size:]
        self.seen = 0

    def _failure(self, message: str, fix: str) -> FramingError:
        return FramingError(self.line, message, fix)


class _Objects(_Brackets):
    """Follows the brackets of objects, one after the other."""

    has_begun = False

    def feed(self, chunk: bytes) -> Iterator[Raw]:
        """The objects that end in this chunk."""
        self.rest += chunk
        start = 0
        for found in self._tokens():
            token = found[0]
            if token in (b"[", b"{"):
                if not self.depth:
                    yield from self._record(start, found.start())
                    start = found.start()
                self.depth += 1
            elif self.depth and token in (b"]", b"}"):
                self.depth -= 1
                if not self.depth:
                    yield from self._record(start, found.end())
                    start = found.end()
        self._keep(start)
        self._refuse_long("an object")

    def finish(self) -> Iterator[Raw]:
        """What follows the last complete object."""
        yield from self._record(0, len(self.rest))

    def _record(self, start: int, end: int) -> Iterator[Raw]:
        """The text of `rest` from `start` to `end` without the white space around it, if there is any."""
        whole = self.rest[start:end].removeprefix(b"" if self.has_begun else BOM)
        self.has_begun = True
        text = whole.lstrip(_SPACE)
        if text:
            lead = whole.count(b"\n", 0, len(whole) - len(text))
            yield Raw(text.rstrip(_SPACE), self.line + lead)
        self.line += whole.count(b"\n")


class _Array(_Brackets):
    """Follows the brackets of one array."""

    def __init__(self) -> None:
        super().__init__()
        self.depth = -1  # in front of the array
        self.is_over = False

    def feed(self, chunk: bytes) -> Iterator[Raw]:
        """The elements that end in this chunk."""
        self.rest += chunk
        if self.depth < 0:
            self._start()
        if self.depth >= 0 and not self.is_over:
            yield from self._elements()
        if self.is_over:
            self._refuse_more()
        self._refuse_long("an element")

    def finish(self) -> None:
        """Raises FramingError if the array is not complete."""
        if self.depth < 0 and self.rest.strip(_SPACE):
            self._start()
        if not self.is_over and (self.depth >= 0 or self.rest.strip(_SPACE)):
            self._drop(len(self.rest) - len(self.rest.lstrip(_SPACE)))
            raise self._failure("the array is not closed: the file is incomplete", COPY_AGAIN)

    def _start(self) -> None:
        text = self.rest.removeprefix(BOM).lstrip(_SPACE)
        if not text:
            return
        if not text.startswith(b"["):
            fix = "remove `format` for files with one object per line"
            raise self._failure("the file is not one JSON array: it does not start with `[`", fix)
        self._drop(len(self.rest) - len(text) + 1)
        self.depth = 0

    def _elements(self) -> Iterator[Raw]:
        start = 0
        for found in self._tokens():
            token = found[0]
            if token in (b"[", b"{"):
                self.depth += 1
            elif self.depth and token in (b"]", b"}"):
                self.depth -= 1
            elif not self.depth and token in (b"]", b","):
                element = self.rest[start : found.start()]
                text = element.lstrip(_SPACE)
                if text or token == b",":
                    lead = element[: len(element) - len(text)].count(b"\n")
                    text = text.rstrip(_SPACE)
                    yield Raw(text, self.line + lead)
                self.line += element.count(b"\n")
                start = found.end()
                if token == b"]":
                    self.is_over = True
                    break
        self._keep(start)

    def _refuse_more(self) -> None:
        if self.rest.strip(_SPACE):
            lead = len(self.rest) - len(self.rest.lstrip(_SPACE))
            self._drop(lead)
            raise self._failure("there is more text after the array", "write one array in each file, and nothing else")
        self._drop(len(self.rest))
