"""Recognize a full disk in the different errors of engines and readers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from etlrun.failures import NO_ROOM, RunFailure

OF_THE_RUN = (
    "engine",
    "unreadable-file",
    "engine-lost",
    "stage-damaged",
)  # codes of failures that write only into the run's folder


def disk_failure(folder: Path, reason: str) -> RunFailure:
    """The failure of a run whose folder cannot be written."""
    detail = f"the run's folder cannot be written: {reason}"
    fix = f"free space on the disk of {folder}, or set `runs:` (`scratch:` if `runs:` is a URL) in etlrun.yaml"
    return RunFailure("engine", "disk", detail, fix)


def as_full_disk(failure: RunFailure, folder: Path) -> RunFailure:
    """`failure`, or the failure of a full disk if that is the cause."""
    texts = list(_texts(failure))
    sign = next((sign for sign in NO_ROOM for text in texts if sign in text), None)
    if sign is None or not (failure.code in OF_THE_RUN or any(str(folder) in text for text in texts)):
        return failure
    return disk_failure(folder, sign)


def _texts(error: BaseException | None) -> Iterator[str]:
    """The texts of an error and its causes."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield str(error)
        error = error.__cause__
