"""Kinds of personal data in keys: how each is found, what is hidden, and what is sent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etlrun.enrich.keys import distinct_keys
from etlrun.spec.normal_form import PART
from etlrun.spec.personal import is_personal
from etlrun.spec.personal_kinds import E_MAIL, NUMBER, count_kinds, kinds_of, masked

FOUND = [
    ("gọi 0912345678", NUMBER, "gọi ***"),
    ("thư nam.a@mail.com.vn nhé", E_MAIL, "thư *** nhé"),
    ("gọi 09o1234567", "number with letters in it", "gọi ***"),
    ("o912 345 67l", "number with letters in it", "***"),
    ("không chín một hai ba bốn năm sáu bảy", "number in words", "***"),
    ("ZERO nine one two three four five six", "number in words", "***"),
    ("kênh @mixigaming", "@handle", "kênh ***"),
    ("xe 51F-123.45", "number plate", "xe ***"),
    ("nhà 12/3 đường Nguyễn Huệ", "street address", "nhà ***"),
    ("221b baker street", "street address", "***"),
    ("số nhà 5", "street address", "***"),
]
PLAIN = [
    "phim 2022 2023", "24h", "tập 1 2 3", "live @ home", "running man 2023 tap 500", "năm năm tháng tháng", "ba hai một",
    "lol oil 2022 looooooooool", "1080p",
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "rest"), FOUND)
def test_each_kind_is_found_and_masked(text: str, kind: str, rest: str) -> None:
    assert kinds_of(text) == (kind,)
    assert masked(text) == rest


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_not_personal_is_neither(text: str) -> None:
    assert (kinds_of(text), masked(text)) == ((), text)


def test_each_part_of_a_key_is_masked_by_itself() -> None:
    assert masked(PART.join(("gọi 0912345678", "phim"))) == PART.join(("gọi ***", "phim"))


def test_a_step_says_whether_personal_keys_are_held_back_masked_or_sent() -> None:
    spellings = [
        ("gọi 0912345678", 2),
        ("Gọi 0987654321", 3),
        ("0912345678", 1),
        ("phim hay", 1),
        ("gọi ０９１２３４５６７８", 1),
    ]
    shown = {
        how: [(key.shown, key.rows) for key in distinct_keys(spellings, personal=how).asked]
        for how in ("refuse", "mask", "allow")
    }
    assert shown["refuse"] == [("phim hay", 1)]
    assert shown["mask"] == [("Gọi ***", 5), ("phim hay", 1)]
    assert [rows for _, rows in shown["allow"]] == [3, 3, 1]
    assert distinct_keys(spellings).held_back() == {NUMBER: 4}
    assert distinct_keys(spellings, personal="mask").held_back() == {NUMBER: 2}


@given(st.text(), st.from_regex(r"[0-9]{9,12}", fullmatch=True), st.text())
def test_nothing_certain_is_sent_masked(before: str, number: str, after: str) -> None:
    keys = distinct_keys([(f"{before} {number} {after}", 1)], personal="mask")
    assert not any(is_personal(key.shown) or is_personal(key.normal) for key in keys.asked)


@pytest.mark.parametrize("part", ["1", "@", "a@", "không ", "12a", "51F-", "o0", "số nhà 1/", "1 x ", "@a."])
def test_a_long_text_is_judged_at_once(part: str) -> None:
    assert count_kinds([part * (20_000 // len(part)) + " phim"]) is not None
