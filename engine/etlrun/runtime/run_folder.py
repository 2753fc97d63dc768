"""The folder of one run: its inputs, staged rows, failing rows and record. Only the owner can read it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etlrun.failures import RunFailure
from etlrun.language.duckdb_words import can_be_named
from etlrun.private import private_folder

RECORD = "run.json"
INPUTS = "inputs.json"
ABANDONED_SECONDS = 3600  # the age after which an unfinished file is abandoned
_UNFINISHED = re.compile(r"\.json\.[0-9a-f]{8}$")
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

    def failing(self, relation: str, check: str) -> Path:
        """The rows that fail a check."""
        return self.path / "failing" / f"{relation}.{check}.parquet"

    def write_record(self, record: dict[str, Any]) -> None:
        write_whole(self.path / RECORD, json.dumps(record, ensure_ascii=False, indent=1))

    def write_inputs(self, inputs: list[dict[str, Any]]) -> None:
        """Save the list of the run's inputs next to its record, one per line: indented JSON takes four times as long."""
        lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in inputs)
        write_whole(self.path / INPUTS, f"[\n{lines}\n]\n")

    def sweep(self, *, staged: bool) -> None:
        """Remove temporary files of the run; with `staged`, also the rows to publish."""
        for name in (*LEFT_BEHIND, *(["stage"] if staged else [])):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def drop_failing(self) -> None:
        """Remove the rows that fail checks."""
        shutil.rmtree(self.path / "failing", ignore_errors=True)


def write_whole(path: Path, content: str) -> None:
    """Write a file atomically, so that a reader never sees half of it."""
    # Another process, or another pipeline of this one, may write the same file, such as the record of a killed run.
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(path)


def sweep_unfinished(runs: Path) -> None:
    """Remove files that processes killed in `write_whole` left below `runs`, and folders of runs that are empty otherwise."""
    before = time.time() - ABANDONED_SECONDS
    for path in (*runs.glob("*.json.*"), *runs.glob("*/*.json.*")):
        with contextlib.suppress(OSError):  # another process removes it, or the folder has other files
            if _UNFINISHED.search(path.name) and path.lstat().st_mtime < before:
                path.unlink()
                if path.parent != runs:
                    path.parent.rmdir()


def new_run(runs: Path) -> RunFolder:
    """A new, unique folder below `runs`; its id sorts by time. Raises OSError, and RunFailure if other users may write to `runs`."""
    now = datetime.now(UTC)
    folder = RunFolder(f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.randbelow(16):x}", runs)
    if not can_be_named(str(runs.resolve())):
        message = f"{runs.resolve()} has a `\\` next to a `*`, `?` or `[`, and DuckDB cannot read such a path"
        raise RunFailure(
            "usage", "bad-file-name", message, "rename the folder, or choose another for `runs:` in etlrun.yaml"
        )
    path = private_folder(runs.resolve()) / folder.id
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:  # of a run that began in the same microsecond
        return new_run(runs)
    return RunFolder(folder.id, path)
