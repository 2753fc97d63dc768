"""Date patterns: the fields that every engine prints and reads alike."""

from __future__ import annotations

import re

import pytest

from etlrun.language.clocks import ClockError, read_clock


@pytest.mark.parametrize(
    ("pattern", "printed"),
    [
        ("yyyy-MM-dd", "%Y-%m-%d"),
        ("yyyyMMddHHmmss", "%Y%m%d%H%M%S"),
        ("d/M/yy", "%-d/%-m/%y"),
        ("EEEE, d MMMM", "%A, %-d %B"),
        ("HH 'o''clock' '%'", "%H o'clock %%"),
        ("yyyy''MM", "%Y'%m"),
        ("HH:mm:ss.SSS", "%H:%M:%S.%g"),
    ],
)
def test_a_pattern_is_printed_by_strftime(pattern: str, printed: str) -> None:
    assert read_clock(pattern).to_print() == printed


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "YYYY-MM-dd",
        "yyyy-MM-DD'",
        "[yyyy]",
        "yyyyy",
        "z",
        "VV",
        "QQ",
        "LLL",
        "w",
        "u",
        "G",
        "SS",
        "kk",
        "{yyyy}",
        "#",
    ],
)
def test_a_field_that_differs_is_refused(pattern: str) -> None:
    with pytest.raises(ClockError):
        read_clock(pattern).to_print()


def test_reading_picks_each_field_and_puts_it_into_iso_order() -> None:
    pattern, order = read_clock("dd/MM/yyyy HH:mm").to_read()
    found = re.fullmatch(pattern, "30/04/2022 20:15")
    assert found is not None and found.expand(order) == "2022-04-30 20:15:00.0"


def test_a_field_of_one_digit_or_two_is_read_and_a_year_of_two_is_after_2000() -> None:
    pattern, order = read_clock("d-MMM-yy H:m").to_read()
    found = re.fullmatch(pattern, "3-Apr-99 7:05")
    assert found is not None and found.expand(order.replace("20\\3", "20\\g<3>")) == "2099-Apr-3 7:05:00.0"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("yyyyMMdd", "2022411"), ("yyyy-MM-dd", "2022-4-1"), ("HH yyyy", "24 2022"), ("yyyy.MM", "2022x04")],
)
def test_text_of_another_form_is_not_read(pattern: str, text: str) -> None:
    assert re.fullmatch(read_clock(pattern).to_read()[0], text) is None


@pytest.mark.parametrize(
    "pattern", ["MM-dd", "yyyy yyyy", "yyyy yy", "dMyyyy", "yyyy M MMM", "yyyy SSS SSSSSS", "yyyy MMMM", "yyyy hh"]
)
def test_what_cannot_be_read_alike_is_refused(pattern: str) -> None:
    with pytest.raises(ClockError):
        read_clock(pattern).to_read()
