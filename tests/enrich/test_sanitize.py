"""What a service says besides answers: one line, a number that fits, and no secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etlrun.models._sanitize import LONGEST, MOST, safe_count, safe_seconds, safe_text
from etlrun.secrets import Secret


@given(st.text(st.characters(codec=None)))
def test_any_text_becomes_one_line_that_can_be_stored(text: str) -> None:
    shown = safe_text(text)
    assert (len(shown.encode()) > 0 or shown == "", len(shown) <= LONGEST, shown.isprintable()) == (True, True, True)


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("STOP", "STOP"),
        (" a\r\n::error::b ", "a ::error::b"),
        ("\x1b[31mred\u202e", "[31mred"),
        ("\ud800", ""),
        ("x" * 999, "x" * LONGEST),
        (None, ""),
        (5, ""),
        (["a"], ""),
        ({"a": 1}, ""),
    ],
)
def test_what_is_no_text_says_nothing_and_the_rest_is_one_short_line(detail: Any, shown: str) -> None:
    assert safe_text(detail) == shown


def test_a_secret_that_a_service_repeats_is_not_shown() -> None:
    Secret("planted-canary-of-the-service")
    assert safe_text("bad planted-canary-of-the-service") == "bad ***"
    assert safe_text("x" * (LONGEST - 5) + "planted-canary-of-the-service") == "x" * (LONGEST - 5) + "***"


@pytest.mark.parametrize(
    ("detail", "count"),
    [(7, 7), (0, 0), (-5, 0), (10**30, MOST), (None, None), ("7", None), (7.5, None), (True, None), ([7], None)],
)
def test_a_count_is_never_negative_and_always_fits(detail: Any, count: int | None) -> None:
    assert safe_count(detail) == count


@pytest.mark.parametrize(
    ("detail", "seconds"),
    [
        ("1.5", 1.5),
        ("-5", 0.0),
        ("inf", MOST),
        ("100000", 100000.0),
        ("1e400", MOST),
        ("nan", None),
        ("", None),
        ("soon", None),
        (None, None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", MOST),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
    ],
)
def test_a_wait_is_never_negative_and_always_fits(detail: Any, seconds: float | None) -> None:
    assert safe_seconds(detail) == seconds
