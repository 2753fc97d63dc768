"""What a service says besides answers - why it ended, who it is, what it counted - as far as that can be stored, added up and shown."""

from __future__ import annotations

import email.utils
import math
import time
import unicodedata

from etlrun.secrets import hide_secrets

LONGEST = 200  # characters: what the label store has room for
MOST = 2**31 - 1  # of anything counted: what a column of the label store holds


def safe_text(value: object, longest: int = LONGEST) -> str:
    """One line of `value`, cut at `longest`: no secrets, no control characters, nothing that no encoding takes. `""` where it is no text."""
    if not isinstance(value, str):
        return ""
    shown = hide_secrets(value)[: 20 * longest]
    return " ".join("".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in shown).split())[
        :longest
    ]


def safe_count(value: object) -> int | None:
    """`value` where it is a whole number, never below 0 and never above what can be stored; None where it is anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return min(max(value, 0), MOST)


def safe_seconds(text: object) -> float | None:
    """The seconds to wait of a Retry-After header, a number or a date: never below 0. None where it says neither."""
    if not isinstance(text, str):
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = _seconds_until(text)
    return min(float(MOST), max(0.0, seconds)) if not math.isnan(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp() - time.time()
    except (
        ValueError,
        TypeError,
        IndexError,
        OverflowError,
        OSError,
    ):  # whatever the parser makes of a stranger's date
        return math.nan
