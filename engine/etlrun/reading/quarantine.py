"""Broken records, written down: one JSON object a line with source, file, line, reason and raw text, readable by the owner only."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from etlrun.contracts.source import LIMIT

MAX_RAW = 1_000_000  # bytes of one record that are kept; its lines say where the rest is
SAMPLES = 3


@dataclass(frozen=True, order=True)
class BrokenRecord:
    """A record that could not be read: its file, the line it starts in, from 1, and how many lines and bytes it has.

    `raw` may be the head of a record that is larger than `size` says.
    """

    file: str
    line: int
    reason: str
    raw: bytes
    lines: int = 1
    size: int = 0


@dataclass
class Quarantine:
    """Counts the broken records of one source and, where it has a path, writes them down, up to `limit` bytes."""

    source: str
    path: Path | None
    limit: int = LIMIT
    count: int = 0
    written: int = 0  # bytes
    left_out: int = 0  # records that the limit leaves out
    reasons: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    _first: list[BrokenRecord] = field(default_factory=list)
    _stream: IO[bytes] | None = None

    def add(self, broken: BrokenRecord) -> None:
        self.count += 1
        self.reasons[_general(broken.reason)] += 1
        self.files[broken.file] += 1
        self._sample(broken)
        if self.path is not None:
            self._write(self.path, broken)

    def _sample(self, broken: BrokenRecord) -> None:
        """Keep the first few by file and line, whatever order they come in."""
        if len(self._first) == SAMPLES and (broken.file, broken.line) > (self._first[-1].file, self._first[-1].line):
            return
        kept = BrokenRecord(broken.file, broken.line, broken.reason, b"")
        self._first = sorted([*self._first, kept])[:SAMPLES]
        self.samples = [f"{found.file}:{found.line}: {found.reason}" for found in self._first]

    def _write(self, path: Path, broken: BrokenRecord) -> None:
        line = json.dumps(self._as_object(broken), ensure_ascii=False).encode() + b"\n"
        if self.left_out or self.written + len(line) > self.limit:
            self.left_out += 1
            return
        if self._stream is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._stream = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")
        self._stream.write(line)
        self.written += len(line)

    def _as_object(self, broken: BrokenRecord) -> dict[str, Any]:
        size = max(broken.size, len(broken.raw))
        found: dict[str, Any] = {
            "source": self.source,
            "file": broken.file,
            "line": broken.line,
            "reason": broken.reason,
            "raw": broken.raw[:MAX_RAW].decode("utf-8", errors="backslashreplace"),
            "cut": size > min(len(broken.raw), MAX_RAW),
        }
        return found | {"lines": broken.lines, "bytes": size} if broken.lines > 1 or found["cut"] else found

    def notices(self) -> tuple[str, ...]:
        """What a person must know of the file that was written."""
        if not self.left_out:
            return ()
        return (
            f"`{self.source}`: the quarantine is full ({self.limit:,} bytes): {self.left_out:,} of {self.count:,} broken records are "
            f"counted and not written down; `quarantine_limit` gives it more room",
        )

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def _general(reason: str) -> str:
    """A reason without the values in it, to count by."""
    words = [word for word in reason.split(", and ")[-1:] if word]
    return words[0].split(" (")[0]
