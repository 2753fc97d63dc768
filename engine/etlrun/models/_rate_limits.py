"""Reads rate limits from the headers of a reply: how many requests and tokens are left, and when the limits are full again.

OpenAI and most of those that speak its API: `x-ratelimit-limit-requests`, `-remaining-`, `-reset-` (`6m0s`, `20ms`), and the same for tokens, where
input and the reserved output count. Anthropic: `anthropic-ratelimit-input-tokens-limit`, `-remaining`, `-reset` (a time, RFC 3339). Both refill
evenly.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime

from etlrun.contracts.model import Allowance, Counted
from etlrun.models._reaching import LONGEST_PAUSE
from etlrun.models._sanitize import MOST, safe_seconds

DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?")
UNITS = (3600.0, 60.0, 1.0, 0.001)  # seconds of each group
OPENAI: Mapping[Counted, str] = {"requests": "x-ratelimit-{}-requests", "tokens": "x-ratelimit-{}-tokens"}
ANTHROPIC: Mapping[Counted, str] = {
    "requests": "anthropic-ratelimit-requests-{}",
    "tokens": "anthropic-ratelimit-tokens-{}",
    "input tokens": "anthropic-ratelimit-input-tokens-{}",
}


def allowances(headers: Mapping[str, str], names: Mapping[Counted, str]) -> tuple[Allowance, ...]:
    """The remaining limits, if the headers have valid numbers; `names` are the headers, by what they count."""
    found = []
    for counted, name in names.items():
        limit, left = (_whole(headers.get(name.format(word))) for word in ("limit", "remaining"))
        seconds = _seconds(headers.get(name.format("reset"), ""))
        if limit and left is not None and seconds is not None:
            found.append(Allowance(counted, limit, min(left, limit), seconds))
    return tuple(found)


def seconds_to_wait(headers: Mapping[str, str], names: Mapping[Counted, str]) -> float | None:
    """How long the service asks to wait; None if it does not say."""
    asked = safe_seconds(headers.get("retry-after"))
    if asked is not None:
        return asked
    used_up = [found.seconds / found.limit for found in allowances(headers, names) if not found.left]
    return max(used_up, default=None)


def _whole(text: str | None) -> int | None:
    return min(int(text), MOST) if text is not None and re.fullmatch(r"[0-9]{1,18}", text) else None


def _seconds(text: str) -> float | None:
    """The seconds of a duration or a number, or until a time; at most an hour."""
    parts = DURATION.fullmatch(text)
    if text and parts:
        found = sum(unit * float(part) for unit, part in zip(UNITS, parts.groups()) if part)
    elif re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        found = float(text)
    else:
        try:
            found = datetime.fromisoformat(text).timestamp() - time.time()
        except (ValueError, OverflowError, OSError):
            return None
    return min(LONGEST_PAUSE, max(0.0, found))
