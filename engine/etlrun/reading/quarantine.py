"""Writes broken records to a file: one JSON object per line with source, file, line, reason and raw text, readable by its owner only.

Threads find them in any order. They wait in spools, one for each slice and stage (framed or judged), until all slices are read. Then they
are written in the order of their files and lines, up to the limit of the quarantine.
"""

from __future__ import annotations

import heapq
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from etlrun.contracts.source import LIMIT

LARGEST_LINE = 10_000_000  # bytes of one record as a line: each of its bytes may need six, `\\xff` or `\u0000`
MAX_RAW = 1_000_000  # bytes that are kept of one record; the line numbers show where the rest is
IN_MEMORY = 1_000_000  # bytes of a spool
Way = Literal["framed", "judged"]  # whether a record was found broken when it was framed, or when it was judged
Place = tuple[int, int]  # of a slice: the index of its file in the order, and the byte where it starts
WAYS: tuple[Way, ...] = ("framed", "judged")


@dataclass(frozen=True)
class BrokenRecord:
    """A record that could not be read: its file, the line it starts in, from 1, and how many lines and bytes it has.

    `raw` may be only the start of a record of `size` bytes.
    """

    file: str
    line: int
    reason: str
    raw: bytes
    lines: int = 1
    size: int = 0

    def as_json(self, source: str) -> bytes:
        """The line of this record in a quarantine."""
        size = max(self.size, len(self.raw))
        found: dict[str, Any] = {
            "source": source,
            "file": self.file,
            "line": self.line,
            "reason": self.reason,
            "raw": self.raw[:MAX_RAW].decode("utf-8", errors="backslashreplace"),
            "cut": size > min(len(self.raw), MAX_RAW),
        }
        if self.lines > 1 or found["cut"]:
            found |= {"lines": self.lines, "bytes": size}
        return _as_line(found)


@dataclass
class Spools:
    """The broken records of the slices of one source, by the slice's place in the order.

    Of the records beyond the limit only the first is kept. So the quarantine ends at the same record, whichever thread was faster.
    """

    folder: Path
    limit: int = LIMIT
    _waiting: dict[tuple[Place, Way], list[bytes]] = field(default_factory=lambda: defaultdict(list))
    _bytes: Counter[tuple[Place, Way]] = field(default_factory=Counter)
    _in_memory: Counter[tuple[Place, Way]] = field(default_factory=Counter)
    _total: int = 0
    _full: set[tuple[Place, Way]] = field(default_factory=set)  # those that have reached the limit

    def add(self, place: Place, way: Way, line: bytes) -> None:
        """Keep a line of a quarantine. Those of one place and stage come in order, from one thread at a time."""
        key = place, way
        if key in self._full or any(place > other for other, _ in self._full):
            return
        if self._leaves_out(key, len(line)):
            self._full = {closed for closed in self._full if closed[0] <= place} | {key}
        self._total += len(line)
        self._bytes[key] += len(line)
        self._in_memory[key] += len(line)
        self._waiting[key].append(line)
        if self._in_memory[key] > IN_MEMORY:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _appending(self._path(key)) as stream:
                stream.writelines(self._waiting.pop(key))
            self._in_memory[key] = 0

    def _leaves_out(self, key: tuple[Place, Way], size: int) -> bool:
        """Whether the records before a line, as far as they are known, already fill the quarantine."""
        if self._total + size <= self.limit:
            return False
        before = sum(found for (place, _), found in list(self._bytes.items()) if place < key[0])
        return before + self._bytes[key] + size > self.limit

    def lines(self, place: Place, line_ends: int) -> Iterator[bytes]:
        """The lines of one place, in order. `line_ends` is the number of line ends in the earlier slices of the file."""
        ways = [self._read((place, way)) for way in WAYS if (place, way) in self._bytes]
        if len(ways) == 1 and not line_ends:
            yield from ways[0]
            return
        for found in heapq.merge(*(map(json.loads, way) for way in ways), key=lambda found: int(found["line"])):
            yield _as_line({**found, "line": found["line"] + line_ends})

    def _read(self, key: tuple[Place, Way]) -> Iterator[bytes]:
        if self._path(key).exists():
            with self._path(key).open("rb") as stream:
                yield from stream
        yield from self._waiting.get(key, ())

    def _path(self, key: tuple[Place, Way]) -> Path:
        (file, start), way = key
        return self.folder / f"{file}-{start}-{way}.jsonl"


@dataclass
class Quarantine:
    """The file of broken records of one source. It takes lines, in order, up to `limit` bytes, and is created with the first of them."""

    path: Path
    limit: int = LIMIT
    written: int = 0  # records
    size: int = 0  # bytes
    is_full: bool = False
    _stream: IO[bytes] | None = None

    def add(self, line: bytes) -> None:
        if self.is_full or self.size + len(line) > self.limit:
            self.is_full = True
            return
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._stream = _appending(self.path)
        self._stream.write(line)
        self.written += 1
        self.size += len(line)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def further_on(line: bytes, line_ends: int) -> bytes:
    """A line of a quarantine with its line number moved by `line_ends`, the number of line ends before its slice."""
    if not line_ends:
        return line
    found = json.loads(line)
    return _as_line({**found, "line": found["line"] + line_ends})


def _appending(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def _as_line(found: dict[str, Any]) -> bytes:
    return json.dumps(found, ensure_ascii=False).encode() + b"\n"
