"""Where tasks leave the files that their answers name: on a disk that all machines share, or in the staging area of the run."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from etlrun.contracts.engine import ParquetFiles
from etlrun.failures import RunFailure
from etlrun.storage.digests import digest_of
from etlrun.storage.object_store import StoreError
from etlrun.storage.staging_area import StagingArea, as_failure

SHARE_RUNS = (
    "put `runs:` in a store (`s3://`) and remove `staging: disk`, if it is set; or put it and local source files on a disk that driver "
    "and executors share, at the same path, and let them run under the same account: only its owner can open the folder of a run"
)


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new folder for a task on its machine, in the first of the folders that the cluster gives to an executor. It is removed at the end."""
    local = os.environ.get("SPARK_LOCAL_DIRS", "").split(",")[0] or None
    with tempfile.TemporaryDirectory(prefix="etlrun-", dir=local) as scratch:
        yield Path(scratch)


@dataclass(frozen=True)
class TaskFolder:
    """The folder `path` of the driver; with an `area`, its files are in the store of the runs."""

    path: Path
    area: StagingArea | None = None

    def attempt(self, number: int, host: str, scratch: Path) -> TaskAttempt:
        """A new folder for an attempt of a task, which has the folder `scratch` of its machine to itself. Raises RunFailure.

        It fails if the disk is not shared, or the folder no longer exists.
        """
        target = self.path / f"task-{number:06}-{secrets.token_hex(4)}"
        folder = target if self.area is None else scratch / target.name
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise not_writable(str(self.path), host, str(error.strerror)) from error
        return TaskAttempt(folder, target, host, self.area)

    def refuse_unseen(self, paths: Iterable[str], host: str) -> None:
        """Raises RunFailure if this machine does not see a file that an attempt on `host` left."""
        for path in paths:
            if self.area is None and not os.path.exists(path):
                raise unseen_here(path, host)

    def fetch_rows(self, files: Iterable[ParquetFiles], scratch: Path) -> tuple[ParquetFiles, ...]:
        """Parquet files of the driver, on the machine of a task, which has the folder `scratch` to itself. Raises RunFailure."""
        if self.area is None:
            return tuple(files)
        return tuple(
            replace(each, paths=self.area.fetch(each.digest_by_path, scratch / str(n))) for n, each in enumerate(files)
        )

    def fetch(self, path: str) -> Path:
        """A file that a task left, on this machine. Raises RunFailure."""
        if self.area is not None:
            self.area.download({path: ""})
        return Path(path)


@dataclass(frozen=True)
class TaskAttempt:
    """A task writes into `folder`, which the driver calls `target`."""

    folder: Path
    target: Path
    host: str
    area: StagingArea | None

    def leave(self, path: Path) -> str:
        """Leave a file of the folder to the driver; returns its path there. Raises RunFailure."""
        if self.area is None:
            return str(path)
        name = self.target / path.relative_to(self.folder)
        try:
            self.area.opened().put(path, self.area.url_of(name))
        except StoreError as error:
            failure = as_failure(error)
            failure.add(message=f" (on {self.host}, where a task runs)")
            raise failure from error
        return str(name)

    def leave_all(self, files: Iterable[ParquetFiles]) -> tuple[ParquetFiles, ...]:
        """Leave Parquet files of the folder to the driver. Raises RunFailure."""
        return tuple(
            replace(
                each,
                paths=tuple(self.leave(Path(path)) for path in each.paths),
                digests=tuple(digest_of(Path(path)) for path in each.paths) if self.area else (),
            )
            for each in files
        )


def moved(files: tuple[ParquetFiles, ...], scratch: Path, folder: Path) -> tuple[ParquetFiles, ...]:
    """Files below the folder `scratch`, after it became the new folder `folder`, perhaps on another disk. Raises RunFailure."""
    if not files:
        return ()
    try:
        shutil.move(scratch, folder)
    except OSError as error:
        message = f"rows cannot be written to {folder}: {error.strerror}"
        raise RunFailure("source", "disk", message, "free space on the disk of `runs:`, then run again") from error
    return tuple(
        replace(each, paths=tuple(str(folder / Path(path).relative_to(scratch)) for path in each.paths))
        for each in files
    )


def unseen_here(path: str, host: str) -> RunFailure:
    """The failure of a file of a run that another machine wrote, and that does not exist here."""
    return RunFailure(
        "engine", "not-shared", f"{path} was written on {host}, but does not exist on this machine", SHARE_RUNS
    )


def not_writable(folder: str, host: str, reason: str) -> RunFailure:
    """The failure of a folder of a run in which another machine cannot write."""
    message = f"{folder} cannot be written on {host}, where a task runs ({reason})"
    return RunFailure("engine", "not-shared", message, SHARE_RUNS)
