"""Waits for a table to which another run is publishing, as long as the user allows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from etlrun.failures import RunFailure
from etlrun.stopping import pause
from etlrun.working import Reporter

BUSY = ("table-busy", "connection-busy")
EVERY_SECONDS = 1.0
T = TypeVar("T")


def when_free(publish: Callable[[], T], seconds: float, reporter: Reporter) -> T:
    """Run `publish`, and retry it for `seconds` while others have locked the table. Raises RunFailure."""
    deadline = time.monotonic() + seconds
    is_reported = False
    while True:
        try:
            return publish()
        except RunFailure as failure:
            if failure.code not in BUSY or time.monotonic() >= deadline:
                raise
            if not is_reported:
                reporter.say(f"waiting up to {seconds:.0f} s: {failure.message}")
            is_reported = True
        pause(EVERY_SECONDS)
