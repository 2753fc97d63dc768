"""The state of the inputs of a dashboard page - project files and published rows - to see whether it must be built again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from etlrun.dashboards.checked import CheckedDashboard
from etlrun.failures import RunFailure
from etlrun.runtime.run_folder import RECORD
from etlrun.sinks.files import Files
from etlrun.spec.project import Project
from etlrun.warehouse.opening import database_reader

FOLDERS = ("dashboards", "pipelines", "mappings", "prompts")
State: TypeAlias = tuple[object, ...]


def state_of_files(project: Project) -> State:
    """The files that people edit: the project file and those of pipelines, dashboards, mappings and prompts."""
    return tuple(_files([project.path("etlrun.yaml"), *map(project.path, FOLDERS)]))


def state_of_rows(dashboard: CheckedDashboard) -> State:
    """The last publish to the dashboard's table in its ledger, and the last run with a record on this machine."""
    project = dashboard.checked.project
    runs = sorted(project.runs_path.glob(f"*/{RECORD}"))[-1:]
    return (_published(dashboard), *_files(runs))


def _published(dashboard: CheckedDashboard) -> object:
    project = dashboard.checked.project
    if isinstance(dashboard.sink, Files):
        return tuple(_files([project.path(dashboard.sink.path)]))
    try:
        database = database_reader(project, dashboard.checked.profile)(dashboard.sink.connection)
        try:
            return tuple(entry for entry in database.entries() if entry.table.lower() == dashboard.table.lower())
        finally:
            database.close()
    except RunFailure as failure:
        return failure.diagnostic  # the build reports it, and builds again after a change


def _files(paths: Sequence[Path]) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        if path.is_dir():
            yield from _files(sorted(path.iterdir()))
            continue
        try:
            found = path.stat()
        except OSError:  # not there, or no longer
            continue
        yield str(path), found.st_mtime_ns, found.st_size
