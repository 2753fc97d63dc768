"""What an examination of `etlrun doctor` tells: a finding about an engine or a connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "trouble"]


@dataclass(frozen=True)
class HealthFinding:
    """What an examination found: all is well, something to know, or something that stands in the way; and what to do."""

    level: Level
    about: str
    detail: str
    fix: str = ""
