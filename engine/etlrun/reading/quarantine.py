"""Broken records, written down: one JSON object a line with source, file, line, reason and raw text, readable by the owner only."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from etlrun.reading.lines import raw_lines

MAX_RAW = 4096
MAX_SOUGHT = 20_000  # broken records of one source whose line number is looked for
SAMPLES = 3


@dataclass(frozen=True)
class BrokenRecord:
    """A record that could not be read; `line` counts from 1, 0 where it is not known."""

    file: str
    line: int
    reason: str
    raw: bytes


@dataclass
class Quarantine:
    """Counts the broken records of one source and, where it has a path, writes them down."""

    source: str
    path: Path | None
    count: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    _stream: IO[str] | None = None

    def add(self, broken: BrokenRecord) -> None:
        self.count += 1
        self.reasons[_general(broken.reason)] += 1
        self.files[broken.file] += 1
        if len(self.samples) < SAMPLES:
            place = f"{broken.file}:{broken.line}" if broken.line else broken.file
            self.samples.append(f"{place}: {broken.reason}")
        if self.path is None:
            return
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._stream = os.fdopen(
                os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a", encoding="utf-8"
            )
        self._stream.write(json.dumps(self._as_object(broken), ensure_ascii=False) + "\n")

    def _as_object(self, broken: BrokenRecord) -> dict[str, Any]:
        raw = broken.raw[:MAX_RAW].decode("utf-8", errors="backslashreplace")
        return {
            "source": self.source,
            "file": broken.file,
            "line": broken.line or None,
            "reason": broken.reason,
            "raw": raw,
            "cut": len(broken.raw) > MAX_RAW,
        }

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def with_line_numbers(broken: Iterable[BrokenRecord]) -> Iterator[BrokenRecord]:
    """The same records with the line each stands in, found by reading their files once more."""
    by_file: dict[str, list[BrokenRecord]] = {}
    for record in broken:
        by_file.setdefault(record.file, []).append(record)
    for file, records in by_file.items():
        if len(records) > MAX_SOUGHT:
            yield from records
            continue
        waiting: dict[bytes, list[BrokenRecord]] = {}
        for record in records:
            waiting.setdefault(record.raw, []).append(record)
        for number, raw in enumerate(raw_lines(file), 1):
            if waiting.get(raw):
                record = waiting[raw].pop(0)
                yield BrokenRecord(file, number, record.reason, raw)
        for rest in waiting.values():
            yield from rest


def _general(reason: str) -> str:
    """A reason without the values in it, to count by."""
    words = [word for word in reason.split(", and ")[-1:] if word]
    return words[0].split(" (")[0]
