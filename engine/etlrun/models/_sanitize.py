"""Sanitizes the other fields of a reply (finish reason, model name, counts), so that they can be stored, added up and shown safely."""

from __future__ import annotations

import email.utils
import math
import time
import unicodedata

from etlrun.secrets import hide_secrets

LONGEST = 200  # characters: the limit of the label store
MOST = 2**31 - 1  # of a count: the limit of a column of the label store


def safe_text(value: object, longest: int = LONGEST) -> str:
    """One line of `value`, at most `longest` characters, without secrets, control characters and invalid Unicode. `""` if it is not a text."""
    if not isinstance(value, str):
        return ""
    shown = hide_secrets(value)[: 20 * longest]
    return " ".join("".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in shown).split())[
        :longest
    ]


def safe_count(value: object) -> int | None:
    """`value` if it is an integer, limited to 0 and the largest number that can be stored; None otherwise."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return min(max(value, 0), MOST)


def safe_seconds(text: object) -> float | None:
    """The seconds to wait from a Retry-After header, a number or a date; at least 0. None if it is neither."""
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
    ):  # errors of the parser for an invalid date
        return math.nan
