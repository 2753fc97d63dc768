"""A finding of `etlrun doctor` about an engine or a connection."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "trouble"]
CLOCK_SECONDS = 5


@dataclass(frozen=True)
class HealthFinding:
    """A finding: no problem, a warning, or a problem that stops runs; and what to do."""

    level: Level
    about: str
    detail: str
    fix: str = ""


def judge_clock(seconds: float) -> HealthFinding:
    """Whether a server's clock, in seconds since 1970, agrees with this machine's."""
    difference = abs(time.time() - seconds)
    level: Level = "ok" if difference <= CLOCK_SECONDS else "warning"
    return HealthFinding(level, "clock", f"{difference:.0f} seconds difference to the clock of this machine")
