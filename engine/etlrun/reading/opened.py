"""Opens a text file and yields its records, or fails with the reason. A file that changes while it is read is a failure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import IO

from etlrun.contracts.source import InputFile
from etlrun.failures import RunFailure
from etlrun.reading.compression import COPY_AGAIN, DAMAGE, ByteStream
from etlrun.reading.encodings import open_text
from etlrun.reading.framing import Framer, FramingError, Records
from etlrun.reading.lines import LinesBetween, LongLine


def records_in(
    file: InputFile,
    framer: Framer,
    progress: Callable[[int], None] = lambda size: None,
    line_ends: Callable[[int], None] = lambda count: None,
) -> Iterator[Records | LongLine]:
    """The records of a file or a slice, in order. Raises RunFailure if the file is damaged, or has changed since it was found.

    `progress` is called with the bytes of every piece that is read, `line_ends` with the number of line ends in a slice.
    """
    try:
        stream = open(file.at, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise _unreadable(file, error) from error
    with stream:
        try:
            text = _text_of(stream, file)  # in a variable: some streams close the file when they are deleted
            before = stream.tell()
            for found in framer(text):
                yield found
                progress(stream.tell() - before)
                before = stream.tell()
        except FramingError as error:
            place = f"{file.path}:{error.line}: {error}"
            raise RunFailure("source", "wrong-format", place, error.fix) from error
        except DAMAGE as error:
            if isinstance(error, OSError) and error.errno:
                raise _unreadable(file, error) from error
            _refuse_changed(file, os.fstat(stream.fileno()))
            raise RunFailure(
                "source", "damaged-file", f"{file.path}: the file is incomplete or damaged ({error})", COPY_AGAIN
            ) from error
        _refuse_changed(file, os.fstat(stream.fileno()))
        if isinstance(text, LinesBetween):
            line_ends(text.line_ends)


def _text_of(stream: IO[bytes], file: InputFile) -> ByteStream:
    if file.end is not None:
        return LinesBetween(stream, file.start, file.end)
    return open_text(stream, file.path, file.encoding)


def refuse_changed(files: Iterable[InputFile]) -> None:
    """Raises RunFailure if a file has changed since it was found."""
    for file in files:
        try:
            now = os.stat(file.at)
        except OSError as error:
            raise _unreadable(file, error) from error
        _refuse_changed(file, now)


def _refuse_changed(file: InputFile, now: os.stat_result) -> None:
    if (now.st_size, now.st_mtime_ns) != (file.size, file.modified):
        raise changed(file.path)


def changed(path: str) -> RunFailure:
    """The failure of a file that has changed since it was found."""
    return RunFailure(
        "source",
        "changed-file",
        f"{path}: the file changed while the run read it, so it is not known which rows were read",
        "wait until it is complete, then run again",
    )


def _unreadable(file: InputFile, error: OSError) -> RunFailure:
    fix = "check the disk and the file's permissions"
    return RunFailure("source", "unreadable-file", f"{file.path}: {error.strerror or error}", fix)
