"""Downloads the objects of a Parquet source or a lake table in tasks on other machines, into a folder that this machine sees as well.

No row and no object goes through this machine: it reads only the footers of the copies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from etlrun.contracts.source import InputFile, Inventory, RunTasks, Source
from etlrun.reading.fetching import COPIES, Fetching
from etlrun.reading.fingerprint import reader_fingerprint
from etlrun.reading.slice_job import Group, SliceAnswer, answer_of, groups_of, payload_of
from etlrun.reading.task_folder import TaskFolder, unseen_here
from etlrun.reading.task_reader import TASK_BYTES, refuse_failed_tasks
from etlrun.spec.project import Use
from etlrun.spec.urls import Url, is_url
from etlrun.storage.stores import Stores


@dataclass(frozen=True)
class FetchJob:
    """Everything that tasks need to download objects. Task N downloads those in `groups[N]` into a new folder below `folder`."""

    source: Source
    groups: tuple[Group, ...]
    folder: str
    storages: Mapping[Url, Use]
    environment: Callable[[str], str]

    def fingerprint(self) -> str:
        return reader_fingerprint(type(self.source))

    def run(self, number: int, host: str) -> SliceAnswer:
        folder, stores = (
            TaskFolder(Path(self.folder)).attempt(number, host, Path()).folder,
            Stores(self.storages, self.environment),
        )
        fetched = Fetching(Inventory(self.groups[number]), folder / COPIES, stores).fetch()
        digests = {file.path: file.sha256 for file in fetched.files}
        return SliceAnswer(host, digests=digests, copies={file.path: file.at for file in fetched.files})


def fetch_in_tasks(
    inventory: Inventory, source: Source, folder: Path, stores: Stores, run_tasks: RunTasks
) -> Inventory:
    """The inventory with the paths of copies that tasks wrote into the new folder `folder`. Raises RunFailure."""
    folder.mkdir(parents=True)
    groups = groups_of((file for file in inventory.files if is_url(file.at)), TASK_BYTES)
    job = FetchJob(source, groups, str(folder), stores.uses, stores.environment)
    answers = [answer_of(text) for text in run_tasks(payload_of(job), len(groups))]
    refuse_failed_tasks(answers)
    copies = {file.path: _copied(file, answer) for group, answer in zip(groups, answers, strict=True) for file in group}
    return replace(inventory, files=tuple(copies.get(file.path, file) for file in inventory.files))


def _copied(file: InputFile, answer: SliceAnswer) -> InputFile:
    """The file with the path of its copy. Raises RunFailure if this machine does not see it."""
    copy = answer.copies[file.path]
    try:
        found = os.stat(copy)
    except OSError as error:
        raise unseen_here(copy, answer.host) from error
    digest = answer.digests.get(file.path, "")
    return replace(file, copy=copy, sha256=digest, identity=(found.st_dev, found.st_ino))
