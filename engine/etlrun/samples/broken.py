"""Broken lines: what a torn write, a wrong exporter or a wrong encoding leaves in a log."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

BROKEN = (
    b'{"_index":"history","_type":"vod","_id":"AX1","_score":0,"_source":{"Contract":"HNH000001","Mac":"0C96E62F',
    b"connection reset by peer",
    b'{"_source":{"Contract":"HNH000001","TotalDuration":60,"AppName":"VOD"}}'
    b'{"_source":{"Contract":"HNH000002","TotalDuration":60,"AppName":"VOD"}}',
    b'{"_source":{"Contract":"HNH000001","TotalDuration":"12","AppName":"VOD"}}',
    b'{"_source":{"Contract":"HNH000001","TotalDuration":1.5,"AppName":"VOD"}}',
    b'[{"_source":{"Contract":"HNH000001","TotalDuration":60,"AppName":"VOD"}}]',
    b"\x00" * 64,
    b'{"_source":{"Contract":"HNH\xff\xfe01","TotalDuration":60,"AppName":"VOD"}}',
    b'{"_source":{"Contract":"HNH000001","TotalDuration":60,"TotalDuration":90,"AppName":"VOD"}}',
)


def broken_lines(total: int, day: int, days: int) -> list[bytes]:
    """The share of the day numbered `day` when `total` broken lines go over `days` days in turn."""
    return [BROKEN[number % len(BROKEN)] for number in range(day, total, days)]


def splice(path: Path, lines: list[bytes]) -> None:
    """Put `lines` into the file of lines at `path`, evenly spread."""
    new = path.with_suffix(".part")
    size = path.stat().st_size
    with path.open("rb") as source, new.open("wb") as target:
        for number, line in enumerate(lines, start=1):
            _copy_lines(source, target, size * number // (len(lines) + 1))
            target.write(line + b"\n")
        shutil.copyfileobj(source, target, 1 << 20)
    new.replace(path)


def _copy_lines(source: BinaryIO, target: BinaryIO, until: int) -> None:
    """Copy whole lines up to the one that reaches the offset `until`."""
    while (left := until - source.tell()) > 0:
        chunk = source.read(min(left, 1 << 20))
        if not chunk:
            return
        target.write(chunk)
    target.write(source.readline())
