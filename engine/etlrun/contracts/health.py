"""What an examination of `etlrun doctor` tells: a finding about an engine or a connection."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "trouble"]
CLOCK_SECONDS = 5


@dataclass(frozen=True)
class HealthFinding:
    """What an examination found: all is well, something to know, or something that stands in the way; and what to do."""

    level: Level
    about: str
    detail: str
    fix: str = ""


def judge_clock(seconds: float) -> HealthFinding:
    """Whether a server's clock, in seconds since 1970, agrees with this machine's."""
    difference = abs(time.time() - seconds)
    level: Level = "ok" if difference <= CLOCK_SECONDS else "warning"
    return HealthFinding(level, "clock", f"{difference:.0f} seconds difference to the clock of this machine")
