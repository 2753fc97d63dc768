"""Reads in tasks of the engine, and falls back to this machine where the profile allows it; downloads the objects of a source."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from etlrun.compiler.check import Checked
from etlrun.contracts.engine import EngineSession, StatementError, TaskSettings, Workspace
from etlrun.contracts.source import Control, Inventory, RunTasks
from etlrun.diagnostics import counted
from etlrun.engines.duckdb import Duckdb
from etlrun.failures import RunFailure
from etlrun.reading.fetching import COPIES, Fetching
from etlrun.runtime.blame import blame_source
from etlrun.storage.stores import Stores
from etlrun.warehouse.opening import ConnectionOpener
from etlrun.working import Reporter

Result = TypeVar("Result")
CANNOT_READ = ("worker-mismatch", "not-shared", "missing-variable")  # of tasks


class NotStarted(Exception):
    """The engine did not start, for which no source is to blame."""

    def __init__(self, failure: RunFailure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True)
class EngineTasks:
    """The tasks of the engine that read for the source `name`, which keeps its rows in `folder`."""

    name: str
    folder: Path
    checked: Checked
    settings: TaskSettings
    session: Callable[[], EngineSession]
    control: Control
    reporter: Reporter

    def attempt(self, read: Callable[[RunTasks], Result | None]) -> Result | None:
        """The result of `read`, which gets the function that runs tasks.

        None if tasks cannot read and are not required. Raises RunFailure, and NotStarted.
        """
        try:
            session = self.session()
        except RunFailure as failure:
            raise NotStarted(failure) from failure
        try:
            with self.control.following(session.cancel, session.progress):
                return read(session.run_tasks)
        except StatementError as error:
            raise blame_source(self.checked, error) from error
        except RunFailure as failure:
            if failure.code not in CANNOT_READ or not self.settings.is_optional:
                raise
            self.reporter.warn(f"`{self.name}` is read on this machine: {failure.message}")
            shutil.rmtree(self.folder, ignore_errors=True)  # a task may still write there
            return None

    def opener(self, connection: str) -> ConnectionOpener:
        """What opens a connection on another machine. The check of the project allows no secret in its settings, only `${NAME}`."""
        return ConnectionOpener(
            connection, self.checked.profile.connections[connection], self.checked.project.data_folder
        )

    def starter(self) -> Callable[[Workspace], EngineSession]:
        """What starts a session on another machine that reads files of others, with the memory of a task."""
        return partial(Duckdb(threads=1, memory=self.settings.memory).start, environment=str)


@dataclass(frozen=True)
class ObjectFetcher:
    """Downloads the objects of the source `name` into a new folder below `folder`."""

    name: str
    folder: Path
    stores: Stores
    control: Control
    reporter: Reporter

    def fetch(self, inventory: Inventory) -> Inventory:
        """The inventory with the paths of the copies. Raises RunFailure."""
        here = Fetching(inventory, self.folder / COPIES, self.stores)
        if not here.files:
            return inventory
        objects = counted(len(here.files), "object")
        self.reporter.say(f"fetching {objects} of {self.name}, {here.size / 1e6:,.1f} MB")
        with self.control.following(here.stopped.set, lambda: (here.done * 100 // here.size, 100)):
            return here.fetch()
