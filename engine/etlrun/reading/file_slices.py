"""Splits files into slices that several threads or machines read in parallel. Together they give the same rows as the whole files.

A slice is a file, or the lines that start in a range of its bytes. A file is split only if every line is a record that ends in LF:
never if it is compressed or not in UTF-8, if its lines end in CR, or if a quoted value may contain a line end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from etlrun.contracts.source import InputFile
from etlrun.reading.encodings import is_as_stored
from etlrun.reading.lines import BOM, LOOKED_AT, ends_lines_in_cr

SLICE_BYTES = 1 << 26


def cut(files: Sequence[InputFile], size: int) -> list[InputFile]:
    """The slices, of about `size` bytes, of files in which every line is a record."""
    return [piece for file in files for piece in _pieces(file, size)]


def _pieces(file: InputFile, size: int) -> Iterator[InputFile]:
    end = file.size if file.end is None else file.end
    if end - file.start <= size or not _can_be_cut(file):
        yield file
        return
    for start in range(file.start, end, size):
        yield replace(file, start=start, end=min(start + size, end))


def _can_be_cut(file: InputFile) -> bool:
    if not is_as_stored(file.path, file.encoding):
        return False
    try:
        with open(file.at, "rb") as stream:
            head = stream.read(len(BOM) + LOOKED_AT + 1)
    except OSError:
        return False  # the reader reports what is wrong with it
    return not ends_lines_in_cr(head.removeprefix(BOM))
