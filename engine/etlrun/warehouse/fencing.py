"""The rule that keeps an older run from putting its rows over newer ones, whatever database keeps the ledger."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure

MOST_AHEAD = timedelta(days=1)  # of another machine's clock, that may be right
STARTED = re.compile(r"\d{8}T\d{6}Z")


def is_published(load: Load, period: str, found: Collection[tuple[str, str]]) -> bool:
    """Whether this very run is in its table already, under the `period` of the ledger.

    `found` are period and run of what the ledger has for the rows that the load would replace or add to. Raises RunFailure where one
    of these runs started after this one. A run of the far future does not count: a clock was wrong then, and must not stop all later runs.
    """
    if (period, load.run_id) in found:
        return True
    latest = format(datetime.now(UTC) + MOST_AHEAD, "%Y%m%dT%H%M%SZ")
    newer = max((run for _, run in found if started(load.run_id) < started(run) <= latest), default="")
    if newer:
        raise RunFailure(
            "sink",
            "newer-run",
            f"the table `{load.table}` holds the rows of {newer}, which started after this run",
            "its rows are newer: run the pipeline again; a clock that is ahead counts for a day at most",
        )
    return False


def started(run_id: str) -> str:
    """The part of a run's id that says when it started; the rest only tells runs of one second apart. Empty for what is no id."""
    found = STARTED.match(run_id)
    return found.group() if found else ""
