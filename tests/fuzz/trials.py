"""What came of a trial: how many inputs were tried, and what was wrong."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """The inputs that one seed made, and how many of them both engines or the checker refused; each finding is text with the input in it."""

    tried: int
    findings: tuple[str, ...] = ()
    failed: int = 0
