"""Prices: the list and its date, a project's own price, and the most that a request can cost."""

from __future__ import annotations

import datetime
import random

import posing
import pytest

from etlrun.enrich.model import Price, Usage
from etlrun.enrich.prices import Tariff, price_list, tariff_of
from etlrun.enrich.questions import write_sheet
from etlrun.models.gemini import Gemini
from etlrun.models.openai import Openai

DAY = datetime.date(2026, 11, 1)


def price(name: str, tier: str = "standard", day: datetime.date = DAY) -> Price | None:
    return tariff_of(Gemini(model=name), name, tier, day).price


def test_the_list_has_a_date_and_a_price_for_every_entry() -> None:
    assert datetime.date.fromisoformat(price_list()["as_of"])
    for name in price_list()["models"]:
        found = price(name)
        assert found is not None
        assert 0 < found.input < found.output < 100


def test_a_price_begins_on_its_day() -> None:
    assert price("gemini-3.8-flash", day=datetime.date(2026, 12, 31)) == Price(0.75, 3.75)
    assert price("gemini-3.8-flash", day=datetime.date(2027, 1, 1)) == Price(1.5, 7.5)


def test_flex_is_half_price_and_an_unknown_tier_has_no_price() -> None:
    assert price("gemini-2.5-flash", "flex") == Price(0.15, 1.25)
    assert price("gemini-2.5-flash", "priority") is None


def test_the_projects_own_price_goes_first_and_an_unknown_model_has_none() -> None:
    assert tariff_of(Gemini(model="gemini-2.5-flash", price=Price(9, 9)), "gemini-2.5-flash") == Tariff(
        Price(9, 9), "the project file"
    )
    assert tariff_of(Openai(model="qwen", url="http://h/v1"), "qwen").price is None


@pytest.mark.parametrize("text", ["từ khoá", "👨‍👩‍👧‍👦 phim", "\u4e2d\u6587\u7535\u5f71", "a" * 120])
def test_no_token_count_can_pass_the_worst_case(text: str) -> None:
    """A token is at least a byte: even a service that counts every byte stays below."""
    from etlrun.enrich.keys import distinct_keys

    (key,) = distinct_keys([(text, 1)]).asked
    request = write_sheet(posing.question(Gemini(model="m")), [key] * 50, random.Random(1)).request
    tariff = Tariff(Price(0.3, 2.5), "")
    every_byte = Usage(len((request.system + request.user).encode()), request.max_output_tokens)
    assert tariff.cost(every_byte) <= tariff.worst(request)
