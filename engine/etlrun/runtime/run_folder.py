"""The folder of one run: what it read, staged and refused, and its record. Only the owner can look into it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from etlrun.private import private_folder

RECORD = "run.json"
INPUTS = "inputs.json"
KEEP_DAYS = 7  # of a stage that nobody resumed
LEFT_BEHIND = ("sources", "spill", "work")


@dataclass(frozen=True)
class RunFolder:
    """The folder of the run `id`."""

    id: str
    path: Path

    def sources(self, name: str) -> Path:
        return self.path / "sources" / name

    def stage(self, relation: str) -> Path:
        return self.path / "stage" / relation

    def work(self, name: str) -> Path:
        return self.path / "work" / name

    def quarantine(self, source: str) -> Path:
        return self.path / "quarantine" / f"{source}.jsonl"

    def write_record(self, record: dict[str, Any]) -> None:
        self._write(RECORD, record)

    def write_inputs(self, inputs: list[dict[str, Any]]) -> None:
        """Keep the list of what the run read beside its record."""
        self._write(INPUTS, inputs)

    def _write(self, name: str, content: Any) -> None:
        """Put a file in its place at once, so that a reader never sees half of it."""
        new = self.path / f"{name}.{os.getpid()}"  # another process may mark the same run as killed
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
            json.dump(content, stream, ensure_ascii=False, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self.path / name)

    def sweep(self, *, staged: bool) -> None:
        """Remove what only served the run; with `staged` also the rows it would have published."""
        for name in (*LEFT_BEHIND, *(["stage"] if staged else [])):
            shutil.rmtree(self.path / name, ignore_errors=True)


def new_run(runs: Path) -> RunFolder:
    """A new folder below `runs`; its id sorts by time. Raises OSError, and RunFailure where others may write to `runs`."""
    started = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = RunFolder(f"{started}-{secrets.token_hex(3)}", runs)
    path = private_folder(runs.resolve()) / folder.id
    path.mkdir(mode=0o700)
    return RunFolder(folder.id, path)


def read_records(runs: Path) -> Iterator[dict[str, Any]]:
    """The records of all runs, latest first. A run whose process is gone without a word counts as `killed`."""
    for record in _records(runs):
        if _is_lost(record):
            record["status"] = "killed"
        yield record


def _records(runs: Path) -> Iterator[dict[str, Any]]:
    """The records as they stand."""
    for path in sorted(runs.glob(f"*/{RECORD}"), reverse=True):
        try:
            yield json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue


def _is_lost(record: dict[str, Any]) -> bool:
    return record.get("status") == "running" and not is_alive(record)


def sweep_old(runs: Path, days: int = KEEP_DAYS) -> None:
    """Remove what killed runs left behind, and stages older than `days` days; records and quarantines stay.

    A stage that was checked stays for `etlrun resume` meanwhile.
    """
    oldest = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%dT%H%M%SZ")
    for record in _records(runs):
        folder = RunFolder(record["run_id"], runs / record["run_id"])
        is_old = record["run_id"] < oldest
        if _is_lost(record):
            record["status"] = "killed"
            folder.write_record(record)
        if record["status"] == "killed":
            folder.sweep(staged=is_old or not record.get("staged"))
        elif record["status"] != "running" and is_old:
            folder.sweep(staged=True)


def is_alive(record: dict[str, Any]) -> bool:
    """Whether the process of a running record may still be at work; on another host nobody can tell."""
    if record.get("host") != socket.gethostname():
        return True
    try:
        os.kill(int(record.get("pid") or 0), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return int(record.get("pid") or 0) > 0
