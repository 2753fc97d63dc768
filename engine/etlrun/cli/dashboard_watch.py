"""The loop of `etlrun dashboard watch`: build pages, wait until something they depend on has changed, build them again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from etlrun.cli.words import failure_text, tell
from etlrun.dashboards.checked import CheckedDashboard
from etlrun.diagnostics import SpecError, format_text
from etlrun.failures import RunFailure
from etlrun.runtime.dashboards import build_page
from etlrun.runtime.page_changes import State, state_of_files, state_of_rows
from etlrun.runtime.page_server import WatchedPages
from etlrun.spec.project_file import find_project
from etlrun.stopping import orderly, pause

EVERY_SECONDS = 1.0


def watch_pages(pages: WatchedPages, check: Callable[[], Sequence[CheckedDashboard]]) -> None:
    """Build the dashboards that `check` returns after every change, until a signal comes. Raises Stopped then."""
    project = find_project(Path.cwd())
    dashboards: Sequence[CheckedDashboard] = ()
    files: State | None = None
    seen: dict[str, State] = {}
    with orderly():
        while True:
            if (now := state_of_files(project)) != files:
                files, seen = now, {}
                dashboards = _check(pages, check)
            states = {dashboard.name: state_of_rows(dashboard) for dashboard in dashboards}
            for dashboard in dashboards:
                if seen.get(dashboard.name) != states[dashboard.name]:
                    _build(pages, dashboard)
            seen = states
            pause(EVERY_SECONDS)


def _check(pages: WatchedPages, check: Callable[[], Sequence[CheckedDashboard]]) -> Sequence[CheckedDashboard]:
    """The dashboards; none if one has a mistake, which is shown."""
    try:
        found = check()
    except SpecError as error:
        return _complain(pages, "", format_text(error.diagnostics))
    except RunFailure as failure:
        return _complain(pages, "", failure_text(failure))
    except click.UsageError as error:
        return _complain(pages, "", error.format_message())
    pages.problems = {}
    return found


def _build(pages: WatchedPages, dashboard: CheckedDashboard) -> None:
    try:
        built = build_page(dashboard, pages.folder)
    except RunFailure as failure:
        _complain(pages, dashboard.name, failure_text(failure))
        return
    pages.built(dashboard.name)
    tell(f"{time.strftime('%H:%M:%S')} {built.summary}")


def _complain(pages: WatchedPages, name: str, problem: str) -> tuple[()]:
    """Show a problem in the terminal and above the pages."""
    pages.problems = {**pages.problems, name: problem} if name else {"": problem}
    tell(f"{time.strftime('%H:%M:%S')} {problem}", err=True)
    return ()
