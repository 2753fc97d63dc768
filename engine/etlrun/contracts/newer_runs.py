"""Fencing: an older run never replaces the rows of a newer run, in databases and in lake tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from etlrun.failures import RunFailure

MOST_AHEAD = timedelta(days=1)  # of another machine's clock, that may be right
STARTED = re.compile(r"\d{8}T\d{6}Z")


def refuse_newer_runs(table: str, run_id: str, found: Iterable[str]) -> None:
    """Raises RunFailure where one of the runs `found` in a table started after `run_id`.

    A run of the far future does not count: a clock was wrong then, and must not stop all later runs.
    """
    latest = format(datetime.now(UTC) + MOST_AHEAD, "%Y%m%dT%H%M%SZ")
    newer = max((run for run in found if started(run_id) < started(run) <= latest), default="")
    if newer:
        raise RunFailure(
            "sink",
            "newer-run",
            f"the table `{table}` holds the rows of {newer}, which started after this run",
            "run the pipeline again; if the clock of a machine was ahead, wait until the time of that run (at most a day)",
        )


def started(run_id: str) -> str:
    """The start time in the id of a run; the rest of the id distinguishes runs of the same second. Empty if the text is not an id."""
    found = STARTED.match(run_id)
    return found.group() if found else ""
