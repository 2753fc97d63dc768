"""`etlrun doctor`: examine everything that runs of a profile need, without changing anything."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.compiler.producers import ProjectPipelines
from etlrun.contracts.connection import TABLES
from etlrun.contracts.engine import StatementError, Workspace
from etlrun.contracts.health import HealthFinding, Level
from etlrun.diagnostics import SpecError, counted
from etlrun.failures import RunFailure
from etlrun.runtime.publishing import foresee
from etlrun.spec.project import Profile, Project
from etlrun.spec.published import CircularPipelinesError
from etlrun.storage.object_store import StoreError
from etlrun.storage.staging_area import StagingArea
from etlrun.storage.stores import Stores, open_stores
from etlrun.warehouse.access import ServerConnection
from etlrun.warehouse.opening import filled, open_connection

if TYPE_CHECKING:
    from etlrun.reading.task_folder import TaskFolder

LEAST_DISK = 1_000_000_000
PROBES = 32  # tasks that check the machines of a cluster, so many that each machine gets some
PACKAGES = ("pyspark", "duckdb", "pyarrow", "sqlglot", "sqlalchemy", "pymysql", "psycopg", "google-genai")


def examine(project: Project, profile: Profile) -> Iterator[HealthFinding]:
    """The findings, in the order in which a run needs the parts."""
    yield HealthFinding("ok", "python", f"{platform.python_version()} at {sys.executable}")
    yield HealthFinding("ok", "packages", ", ".join(_packages()))
    yield from _disk(project)
    yield from _asked(f"engine {profile.engine.kind}", profile.engine.value.examine)
    yield from _asked("executors", lambda: _executors(project, profile))
    yield from _stores(project, profile)
    for name, use in profile.connections.items():
        found = tuple(_connection(project, profile, name))
        yield from found
        is_examined = isinstance(use.value, ServerConnection) or use.value.holds != TABLES
        if is_examined and not any(each.level == "trouble" for each in found):
            yield from _sinks(project, profile, name)
    for name, uses in profile.models.items():
        for use in uses:
            yield from _references(f"model {name} ({use.kind})", use.value)
    if profile.models:
        yield from _labels(project, profile)
    yield judge_clock(time.time())


def _labels(project: Project, profile: Profile) -> Iterator[HealthFinding]:
    from etlrun.enrich.labels import NETWORK_FIX, store_on_network

    wrong = store_on_network(project, profile)
    yield (
        HealthFinding("warning", "label store", wrong, NETWORK_FIX)
        if wrong
        else HealthFinding("ok", "label store", filled(profile.labels))
    )


def _packages() -> Iterator[str]:
    for name in PACKAGES:
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            continue


def _disk(project: Project) -> Iterator[HealthFinding]:
    runs, there = project.runs_path, _parent_of_runs(project)
    free = shutil.disk_usage(there).free
    if not there.is_dir() or not os.access(there, os.W_OK):
        key = "scratch" if project.runs_url else "runs"
        yield HealthFinding("trouble", "run folders", f"{there} cannot be written", f"set `{key}:` in etlrun.yaml")
    level: Level = "ok" if free >= LEAST_DISK else "warning"
    yield HealthFinding(
        level,
        "disk",
        f"{free / 1e9:,.1f} GB free for {runs}",
        "" if level == "ok" else "runs write copies of their inputs and results there",
    )


def _executors(project: Project, profile: Profile) -> Iterator[HealthFinding]:
    """Whether the machines that read sources, or write rows into the store of runs, can do so. Raises RunFailure for the first that cannot."""
    from etlrun.reading.executor_check import hosts_that_can_read

    parent, engine = _parent_of_runs(project), profile.engine.value
    stages_in_store = project.runs_url is not None and engine.stages_in_store(filled)
    reads = engine.tasks(filled) is not None
    if not (reads or stages_in_store) or not os.access(parent, os.W_OK):
        return
    urls = tuple(project.places({}, profile).urls) if reads else ()
    stores = open_stores(project, profile, filled)
    with (
        tempfile.TemporaryDirectory(prefix="etlrun-") as folder,
        _place_of_tasks(project, parent, stores, stages_in_store) as place,
    ):
        session = engine.start(Workspace(Path(folder)), filled)
        try:
            hosts = hosts_that_can_read(place, urls, stores, PROBES, session.run_tasks)
        finally:
            session.close()
    able = ["read files like this machine"] if reads else []
    able += [f"write to {project.runs_url}"] if stages_in_store else []
    yield HealthFinding("ok", "executors", f"they can {' and '.join(able)}: {', '.join(hosts)}")


@contextmanager
def _place_of_tasks(project: Project, parent: Path, stores: Stores, stages_in_store: bool) -> Iterator[TaskFolder]:
    """A new folder beside those of runs, or with a URL in their store, which is removed at the end. Raises RunFailure."""
    from etlrun.reading.task_folder import TaskFolder

    with tempfile.TemporaryDirectory(prefix=".etlrun-", dir=parent) as name:
        path = Path(name).resolve()
        if not stages_in_store or project.runs_url is None:
            yield TaskFolder(path)
            return
        area = StagingArea(path.parent, project.runs_url, stores.uses, filled)
        try:
            yield TaskFolder(path, area)
        finally:
            area.remove(path)


def _parent_of_runs(project: Project) -> Path:
    """The folder of runs, or the folder in which the first run makes it."""
    runs = project.runs_path
    return next(folder for folder in (runs, *runs.resolve().parents) if folder.exists())


def _stores(project: Project, profile: Profile) -> Iterator[HealthFinding]:
    """Whether each store in the project file can be listed."""
    stores = open_stores(project, profile, filled)
    urls = dict.fromkeys(project.places({}, profile).urls, stores)
    if project.runs_url is not None:
        urls[project.runs_url] = Stores(project.storage, filled)
    for url, opened in urls.items():
        began = time.monotonic()
        try:
            found = opened.of(url).names_in(url)
            if not found:
                opened.of(url).refuse_missing(url)
        except StoreError as error:
            yield HealthFinding("trouble", f"store {url}", str(error).removeprefix(f"{url}: "), error.fix)
            continue
        took = time.monotonic() - began
        yield HealthFinding("ok", f"store {url}", f"listed {counted(len(found), 'name')} in {took:.1f} s")


def _connection(project: Project, profile: Profile, name: str) -> Iterator[HealthFinding]:
    def ask() -> Iterator[HealthFinding]:
        database = open_connection(project, profile, name, writing=False)
        try:
            yield from database.examine()
        finally:
            database.close()

    for found in _asked(f"connection {name}", ask):
        about = found.about if found.about.startswith("connection") else f"connection {name}: {found.about}"
        yield HealthFinding(found.level, about, found.detail, found.fix)


def _sinks(project: Project, profile: Profile, connection: str) -> Iterator[HealthFinding]:
    """Check whether the sinks of the project could publish to a connection: rights, existing tables, names."""
    pipelines = ProjectPipelines(project, profile.name, {})
    ready: list[str] = []
    for path in pipelines.files:
        try:
            checked = pipelines.check_names(path)
        except (SpecError, CircularPipelinesError):
            continue  # `etlrun check` reports the reason
        sinks = {name: use for name, use in checked.pipeline.sinks.items() if use.value.place(name)[0] == connection}
        if sinks and checked.pipeline.unset:
            missing = ", ".join(f"`{param}`" for param in checked.pipeline.unset)
            fix = f"etlrun plan {path} --set {checked.pipeline.unset[0]}=VALUE"
            yield HealthFinding("ok", f"sinks of {path}", f"not examined, because {missing} has no value", fix)
            continue
        for name, use in sinks.items():
            try:
                foresee(checked, name, use)
                ready.append(name)
            except RunFailure as failure:
                yield HealthFinding("trouble", f"sink {name} of {path}", failure.message, failure.fix)
    if ready:
        yield HealthFinding("ok", f"connection {connection}: sinks", f"{', '.join(ready)} can be published")


def _asked(about: str, ask: Callable[[], Iterator[HealthFinding]]) -> Iterator[HealthFinding]:
    """The findings of `ask`; a failure becomes a finding."""
    try:
        yield from ask()
    except RunFailure as failure:
        level: Level = "warning" if failure.code == "connection-missing" else "trouble"
        yield HealthFinding(level, about, failure.message, failure.fix)
    except StatementError as error:
        yield HealthFinding("trouble", about, error.detail, "read the log of the cluster's executors")


def _references(about: str, value: object) -> Iterator[HealthFinding]:
    """Whether every variable that a model's settings refer to is set. Values are never shown."""
    for text in vars(value).values():
        if isinstance(text, str) and "${" in text:
            try:
                filled(text)
            except RunFailure as failure:
                yield HealthFinding("trouble", about, failure.message, failure.fix)
                return
    yield HealthFinding("ok", about, "its settings are complete; `etlrun llm doctor` asks it three questions")


def judge_clock(now: float) -> HealthFinding:
    """Whether this machine's clock, in seconds since 1970, can be right."""
    clock = time.gmtime(now)
    is_late_enough = clock.tm_year >= 2024
    return HealthFinding(
        "ok" if is_late_enough else "trouble",
        "clock",
        time.strftime("%Y-%m-%d %H:%M:%S UTC", clock),
        "" if is_late_enough else "set the clock",
    )
