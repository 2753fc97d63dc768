"""The text of a file that `etlrun new` inspects: its encoding is guessed, and characters that cannot be decoded are replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from etlrun.failures import RunFailure
from etlrun.reading.elements import frame_elements
from etlrun.reading.encodings import guess_encoding, open_text
from etlrun.reading.framing import Framer, FramingError, Records
from etlrun.reading.lines import raw_lines
from etlrun.reading.quoting import RecordFramer

LINES = 5_000  # or records, that are inspected
MOST_LINES = 100  # of one record
LONGEST_DOCUMENT = 64 << 20  # bytes of a file that is inspected as one record
DECIDING = 16 << 20  # first bytes, which decide the encoding


@dataclass(frozen=True)
class SketchedText:
    """A text file and its encoding."""

    path: Path
    encoding: str

    def lines(self) -> Iterator[str]:
        """Its lines without their ends."""
        return map(_decoded, raw_lines(str(self.path), self.encoding))

    def records(self, separator: str) -> Iterator[str]:
        """Its records of separated values."""
        with self.path.open("rb") as stream:
            for found in RecordFramer(separator, MOST_LINES)(open_text(stream, str(self.path), self.encoding)):
                if isinstance(found, Records):
                    yield from found.texts.to_pylist()

    def whole(self) -> str:
        """The whole text, if it is short enough for one record."""
        with self.path.open("rb") as stream:
            return _decoded(open_text(stream, str(self.path), self.encoding).read(LONGEST_DOCUMENT)).removeprefix(
                "\ufeff"
            )

    def elements(self, framer: Framer = frame_elements) -> Iterator[str]:
        """The objects of the JSON array that it is, or those of another framer. Raises RunFailure if it has another form."""
        try:
            with self.path.open("rb") as stream:
                for found in framer(open_text(stream, str(self.path), self.encoding)):
                    if isinstance(found, Records):
                        yield from found.texts.to_pylist()
        except FramingError as error:
            raise RunFailure("source", "wrong-format", f"{self.path}:{error.line}: {error}", error.fix) from error


def sketched_text(path: Path) -> SketchedText:
    """Open a text file, with the encoding that its beginning shows."""
    with path.open("rb") as stream:
        return SketchedText(path, guess_encoding(open_text(stream, str(path)).read(DECIDING)))


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")
