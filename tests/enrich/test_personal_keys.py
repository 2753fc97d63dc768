"""Personal keys: what is held back however it is written, and what is not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etlrun.spec.personal import is_personal


@pytest.mark.parametrize(
    "separator",
    [
        "",
        " ",
        "-",
        " - ",
        "  -  ",
        "\u2010",
        "\u2011",
        "\u2012",
        "\u2013",
        " \u2013 ",
        "\u2212",
        "_",
        ",",
        "·",
        ":",
        "*",
        "+",
        "#",
        "|",
        "\\",
        "'",
        "•",
        "・",
        "…",
        "...",
        "......",
        "/",
        ".",
        "ー",
        "\n",
        "\u00a0\u00a0\u00a0\u00a0",
        "\u2028",
        "\u034f",
        "\u3164",
        "\u200b",
        "\u2800",
        "\U000e0030",
    ],
)
def test_a_number_is_personal_whatever_parts_it(separator: str) -> None:
    assert is_personal(f"gọi {separator.join(('0912', '345', '678'))}")
    assert is_personal(separator.join("091234567"))


@pytest.mark.parametrize(
    "digits",
    [
        "０９１２３４５６７",
        "٠٩١٢٣٤٥٦٧",
        "০৯১২৩৪৫৬৭",
        "①②③④⑤⑥⑦⑧⑨",
        "❶❷❸❹❺❻❼❽❾",
        "𝟎𝟗𝟏𝟐𝟑𝟒𝟓𝟔𝟕",
        "⁰⁹¹²³⁴⁵⁶⁷",
        "ⅠⅡⅢⅣⅤⅥⅦⅧⅨ",
        "〇九一二三四五六七",
        "".join(digit + "\ufe0f\u20e3" for digit in "091234567"),
        "".join(digit + "\u0336" for digit in "091234567"),
    ],
)
def test_a_number_is_personal_in_digits_of_any_style(digits: str) -> None:
    assert is_personal(digits)
    assert is_personal(f"gọi {digits} nhé")


def test_every_ideograph_that_is_a_numeral_counts_as_a_digit() -> None:
    numerals = [chr(code) for code in range(0x4E00, 0xA000) if 0 <= unicodedata.numeric(chr(code), -1) < 100]
    assert [numeral for numeral in numerals if not is_personal(numeral * 9)] == []


@pytest.mark.parametrize(
    "address",
    [
        "nguyen@gmail.com",
        "nguyen @ gmail . com",
        "nguyen@ gmail. com",
        "user@gmail。com",
        "user@gmail｡com",
        "nguyen＠gmail．com",
        "nguyen(at)gmail.com",
        "nguyen [AT] gmail.com",
        "nguyen (at) mail.gmail (dot) com",
        "nguyen(\u200bat)gmail.com",
        "nguyễn@thư.vn",
        "nguyen\u200b@\u200bgmail.com",
        "a @ グーグル.com",
    ],
)
def test_an_e_mail_address_is_personal_however_it_is_written(address: str) -> None:
    assert is_personal(f"thư {address}")


@pytest.mark.parametrize(
    "title",
    [
        "phim 2022 2023",
        "24h",
        "tập 1 2 3",
        "1080p",
        "2001: a space odyssey",
        "world cup 2022 - 2026",
        "2022-04-01",
        "phim (2022) [full hd]",
        "sao băng 12345678",
        "live @ home",
        "the at (at) team",
        "½ phim ½",
        "ⅠⅡⅢ",
        "三国演义 2010",
        "1 vs 100 tập 12",
        "a@b",
        "90210, 24 x",
        "(a) b.c",
        "𝟏𝟐𝟑",
        "năm 2020 tập 1080 số 123",
    ],
)
def test_a_title_is_not_personal(title: str) -> None:
    assert not is_personal(title)


@given(st.text(), st.text(), st.text(alphabet="0123456789", min_size=9, max_size=15))
def test_a_number_is_personal_between_any_words(before: str, after: str, number: str) -> None:
    assert is_personal(f"{before} {number} {after}")


@pytest.mark.parametrize(
    "part", ["a", "1", "@", "a@", "@a", "1 ", "(", "( ", "a.", "@a.", "1x", ".", "½", "\u0336", "(at)"]
)
def test_a_text_of_a_million_characters_is_told_at_once(part: str) -> None:
    assert is_personal(part * (1_000_000 // len(part)) + " 0912345678")
