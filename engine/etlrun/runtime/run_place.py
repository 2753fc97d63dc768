"""Where a project keeps its runs: a folder, or a store of which this machine keeps copies of the records."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from etlrun.failures import RunFailure
from etlrun.private import private_folder
from etlrun.runtime.run_folder import ABANDONED_SECONDS, LEFT_BEHIND, RECORD, RUN_ID, STAGE, RunFolder, write_whole
from etlrun.runtime.run_store import HEARTBEAT, RunStore
from etlrun.spec.project import Project
from etlrun.storage.object_store import StoreError
from etlrun.storage.stores import Stores
from etlrun.warehouse.opening import filled

GROUP = 32  # records that are downloaded together
UNFINISHED = (HEARTBEAT, STAGE, "failing", *LEFT_BEHIND)  # names of a run that a later run may have to remove


@dataclass(frozen=True)
class RunPlace:
    """The folder `path` of this machine with runs; it holds copies if the runs are in a `store`."""

    path: Path
    store: RunStore | None = None

    def ids(self) -> list[str]:
        """The runs that have a record, latest first."""
        if self.store is None:
            return sorted((found.parent.name for found in self.path.glob(f"*/{RECORD}")), reverse=True)
        names = (name.partition("/") for name in self.store.found)
        return sorted((run for run, _, rest in names if rest == RECORD and RUN_ID.fullmatch(run)), reverse=True)

    def unfinished(self) -> list[str]:
        """The runs that may have files to remove, the first one first."""
        if self.store is None:
            return self.ids()[::-1]
        names = (name.split("/") for name in self.store.found)
        there = {run for run, *rest in names if rest and rest[0] in UNFINISHED}
        here = {path.parent.name for name in UNFINISHED for path in self.path.glob(f"*/{name}")}
        return sorted((there | here) & set(self.ids()))

    def folders(self, runs: Sequence[str]) -> Iterator[RunFolder]:
        """The folders of runs, with their records. Raises RunFailure if the store fails."""
        for start in range(0, len(runs), GROUP):
            group = runs[start : start + GROUP]
            if self.store is not None:
                self._copy_records(group, self.store)
            for run in group:
                yield RunFolder(run, self.path / run, self.store)

    def write(self, name: str, text: str) -> None:
        """Write a file beside the folders of runs. Raises OSError and RunFailure."""
        if self.store is not None:
            self.store.write(name, text.encode())
        write_whole(private_folder(self.path.resolve()) / name, text)

    def read(self, name: str) -> str | None:
        """A file beside the folders of runs; None if it does not exist. Raises RunFailure if the store fails."""
        if self.store is not None:
            content = self.store.read(name)
            return None if content is None else content.decode("utf-8", "replace")
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def sweep_copies(self) -> None:
        """Remove what belongs to no run of the store: folders of this machine, and heartbeats of runs that were killed at their start."""
        if self.store is None:
            return
        known, before = (
            set(self.ids()),
            time.time() - ABANDONED_SECONDS,
        )  # a young one may belong to a run that is starting
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if RUN_ID.fullmatch(path.name) and path.name not in known and path.lstat().st_mtime < before:
                shutil.rmtree(path, ignore_errors=True)
        for name, found in list(self.store.found.items()):
            run, _, rest = name.partition("/")
            if rest == HEARTBEAT and run not in known and found.modified / 1e9 < before:
                self.store.delete(name)

    def _copy_records(self, runs: Sequence[str], store: RunStore) -> None:
        """Copy records that are new or have changed to this machine, with the times of the store."""
        private_folder(self.path)
        stale = [f"{run}/{RECORD}" for run in runs if not self._is_copied(f"{run}/{RECORD}", store)]
        for name, content in store.read_all(stale).items():
            path = self.path / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if content is not None:
                write_whole(path, content.decode("utf-8", "replace"))
                os.utime(path, ns=(store.found[name].modified,) * 2)
        for run in runs:
            sign, found = self.path / run / HEARTBEAT, store.found.get(f"{run}/{HEARTBEAT}")
            sign.unlink(missing_ok=True)
            if found is not None:
                sign.touch(mode=0o600)
                os.utime(sign, ns=(found.modified,) * 2)

    def _is_copied(self, name: str, store: RunStore) -> bool:
        found, path = store.found[name], self.path / name
        if not path.is_file():
            return False
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (found.size, found.modified)


def run_place(project: Project) -> RunPlace:
    """The place of the runs of a project. Raises RunFailure if they are in a store that cannot be listed."""
    url = project.runs_url
    if url is None:
        return RunPlace(project.runs_path)
    try:
        store = RunStore(url, Stores(project.storage, filled).of(url))
    except StoreError as error:
        raise RunFailure("engine", error.code, str(error), error.fix) from error
    store.look()
    return RunPlace(project.runs_path.resolve(), store)
