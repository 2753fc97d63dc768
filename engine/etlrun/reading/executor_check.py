"""Checks in tasks, for `etlrun doctor`, whether the machines of a cluster can do what tasks of runs do.

They must have the reader of this machine, list the stores, and write to the folder of the runs or to its copy in a store, where this machine and
they themselves see what they wrote.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etlrun.contracts.source import RunTasks
from etlrun.failures import RunFailure
from etlrun.reading.fingerprint import reader_fingerprint
from etlrun.reading.slice_job import TOO, SliceAnswer, answer_of, payload_of
from etlrun.reading.task_folder import TaskFolder, scratch_folder
from etlrun.reading.task_reader import refuse_failed_tasks
from etlrun.spec.project import Use
from etlrun.spec.urls import Url
from etlrun.storage.object_store import StoreError
from etlrun.storage.staging_area import StagingArea, as_failure
from etlrun.storage.stores import Stores

FILE = "written"  # the name of the file that a task writes


@dataclass(frozen=True)
class ExecutorCheck:
    """Everything that a task needs to check its machine: where it writes a file, and the URLs that it lists."""

    folder: TaskFolder
    urls: tuple[Url, ...]
    storages: Mapping[Url, Use]
    environment: Callable[[str], str]

    def fingerprint(self) -> str:
        return reader_fingerprint(type(self))

    def run(self, number: int, host: str) -> SliceAnswer:
        stores = Stores(self.storages, self.environment)
        with scratch_folder() as scratch:
            attempt = self.folder.attempt(number, host, scratch)
            (attempt.folder / FILE).write_text(host, encoding="utf-8")
            left = attempt.leave(attempt.folder / FILE)
            if self.folder.area is not None:
                refuse_unreadable(self.folder.area, left, f"{host}, where a task runs")
        for url in self.urls:
            try:
                stores.of(url).names_in(url)
            except StoreError as error:
                message = f"{error} (on {host}, where a task runs)"
                raise RunFailure("source", error.code, message, f"{error.fix}; {TOO}") from error
        return SliceAnswer(host, left=left)


def refuse_unreadable(area: StagingArea, path: str, place: str) -> None:
    """Raises RunFailure if this machine, which messages call `place`, cannot read a file from the staging area."""
    url = area.url_of(path)
    try:
        found = area.opened().read(url)
    except StoreError as error:
        failure = as_failure(error)
        failure.add(message=f" (on {place})")
        raise failure from error
    if found is None:
        message = f"{url} was written, but cannot be read on {place}"
        raise RunFailure("engine", "storage-failed", message, "let the store show objects as soon as they are written")


def hosts_that_can_read(
    folder: TaskFolder, urls: tuple[Url, ...], stores: Stores, count: int, run_tasks: RunTasks
) -> list[str]:
    """The hosts of so many tasks, each of which writes a file into `folder` and lists `urls`. Raises RunFailure if one cannot."""
    job = ExecutorCheck(folder, urls, stores.uses, stores.environment)
    answers = [answer_of(text) for text in run_tasks(payload_of(job), count)]
    refuse_failed_tasks(answers)
    for answer in answers:
        folder.refuse_unseen([answer.left], answer.host)
        if folder.area is not None:
            refuse_unreadable(folder.area, answer.left, "this machine")
    return sorted({answer.host for answer in answers})
