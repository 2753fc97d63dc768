"""The folder of one run: its inputs, staged rows, failing rows and record. Only the owner can read it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etlrun.failures import RunFailure
from etlrun.language.duckdb_words import can_be_named
from etlrun.private import private_folder
from etlrun.runtime.run_store import HEARTBEAT, RunStore

RECORD = "run.json"
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
INPUTS = "inputs.json"
ABANDONED_SECONDS = 3600  # the age after which an unfinished file is abandoned
_UNFINISHED = re.compile(r"\.json\.[0-9a-f]{8}$")
LEFT_BEHIND = ("sources", "spill", "work")
STAGE = "stage"


@dataclass(frozen=True)
class RunFolder:
    """The folder of the run `id`. If runs are in a `store`, it is a copy on this machine, and the record is written to both."""

    id: str
    path: Path
    store: RunStore | None = field(default=None, compare=False, repr=False)

    def sources(self, name: str) -> Path:
        return self.path / "sources" / name

    def stage(self, relation: str) -> Path:
        return self.path / STAGE / relation

    def work(self, name: str) -> Path:
        return self.path / "work" / name

    def quarantine(self, source: str) -> Path:
        return self.path / "quarantine" / f"{source}.jsonl"

    def failing(self, relation: str, check: str) -> Path:
        """The rows that fail a check."""
        return self.path / "failing" / f"{relation}.{check}.parquet"

    def shown(self, path: Path) -> str:
        """The place of a file of the run, for messages."""
        return str(path) if self.store is None else self.store.shown(self._name(path))

    def expect_others(self) -> None:
        """Other machines write files of the run into the store of runs."""
        if self.store is not None:
            for name in (*LEFT_BEHIND, STAGE):
                self.store.expect(f"{self.id}/{name}")

    def write_record(self, record: dict[str, Any]) -> None:
        """Write the record. Raises OSError, and RunFailure if the store fails."""
        text = json.dumps(record, ensure_ascii=False, indent=1)
        if self.store is not None:
            self.store.write(f"{self.id}/{RECORD}", text.encode())
        write_whole(self.path / RECORD, text)

    def show_life(self) -> None:
        """Renew the sign that the process of the run is alive. Raises OSError, and RunFailure if the store fails."""
        if self.store is not None:
            self.store.write(f"{self.id}/{HEARTBEAT}", b"")
        elif (self.path / RECORD).exists():
            os.utime(self.path / RECORD)

    def end_life(self) -> None:
        """The run has ended: remove its sign of life. Raises RunFailure if the store fails."""
        (self.path / HEARTBEAT).unlink(missing_ok=True)
        if self.store is not None and self.store.holds(f"{self.id}/{HEARTBEAT}"):
            self.store.delete(f"{self.id}/{HEARTBEAT}")

    def upload(self, *names: str, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Copy files and folders of the run to the store of runs, if there is one. `goes_on` is asked before each. Raises RunFailure."""
        if self.store is not None:
            files = (path for name in names for path in _files(self.path / name))
            self.store.upload(((self._name(path), path) for path in files), goes_on)

    def refresh(self) -> None:
        """Copy the record from the store of runs again, if there is one. Raises RunFailure."""
        content = self.store.read(f"{self.id}/{RECORD}") if self.store is not None else None
        if content is not None:
            write_whole(self.path / RECORD, content.decode("utf-8", "replace"))

    def download(self, paths: Iterable[Path]) -> None:
        """Copy files that are not on this machine from the store of runs, as far as it has them. Raises RunFailure."""
        if self.store is not None:
            self.store.download((self._name(path), path) for path in paths if not path.exists())

    def _name(self, path: Path) -> str:
        return f"{self.id}/{path.relative_to(self.path).as_posix()}".removesuffix("/.")

    def write_inputs(self, inputs: list[dict[str, Any]]) -> None:
        """Save the list of the run's inputs next to its record, one per line: indented JSON takes four times as long."""
        lines = ",\n".join(json.dumps(item, ensure_ascii=False) for item in inputs)
        write_whole(self.path / INPUTS, f"[\n{lines}\n]\n")

    def sweep(self, *, staged: bool) -> None:
        """Remove temporary files of the run; with `staged`, also the rows to publish."""
        for name in (*LEFT_BEHIND, *([STAGE] if staged else [])):
            shutil.rmtree(self.path / name, ignore_errors=True)

    def drop_failing(self) -> None:
        """Remove the rows that fail checks."""
        shutil.rmtree(self.path / "failing", ignore_errors=True)

    def sweep_store(self, *names: str) -> None:
        """Remove folders of the run from the store of runs, if it has them. Raises RunFailure."""
        for name in names:
            if self.store is not None and self.store.holds(f"{self.id}/{name}"):
                self.store.delete_below(f"{self.id}/{name}")


def _files(place: Path) -> list[Path]:
    """A file, or the files in a folder at any depth; none if it does not exist."""
    return [path for path in (place, *sorted(place.rglob("*"))) if path.is_file()]


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


def new_run(runs: Path, store: RunStore | None = None) -> RunFolder:
    """A new, unique folder below `runs`; its id sorts by time. Raises OSError, and RunFailure if other users may write to `runs`."""
    now = datetime.now(UTC)
    run_id = f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.randbelow(16):x}"
    if not can_be_named(str(runs.resolve())):
        message = f"{runs.resolve()} has a `\\` next to a `*`, `?` or `[`, and DuckDB cannot read such a path"
        raise RunFailure(
            "usage", "bad-file-name", message, "rename the folder, or choose another for `runs:` in etlrun.yaml"
        )
    path = private_folder(runs.resolve()) / run_id
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:  # of a run that began in the same microsecond
        return new_run(runs, store)
    return RunFolder(run_id, path, store)
