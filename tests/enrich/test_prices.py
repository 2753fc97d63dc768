"""Prices: the list and its date, a project's own price, and the most that a request can cost."""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import Price, Usage
from etlrun.enrich.prices import Tariff, listed_tariff, tariff_of
from etlrun.enrich.questions import write_sheet
from etlrun.enrich.tiers import tiers_of
from etlrun.models._known_models import known_models, note_on, table_date
from etlrun.models._rerouted_names import rerouted_name
from etlrun.models.gemini import Gemini
from etlrun.models.openai import Openai
from etlrun.models.vertex import Vertex

DAY = datetime.date(2026, 11, 1)


def price(name: str, tier: str = "standard", day: datetime.date = DAY) -> Price | None:
    return tariff_of(Gemini(model=name, service_tier=tier), name, day).price  # type: ignore[arg-type]


def test_the_list_has_a_date_and_a_price_for_every_entry() -> None:
    assert datetime.date.fromisoformat(table_date())
    for name, model in known_models().items():
        thinks = bool(model.levels) or model.budget is not None
        assert thinks or name == "claude-haiku-4-5"  # which thinks only where it is asked to
        found = price(name)
        assert found is not None
        assert 0 < found.input < found.output < 100


def test_a_price_begins_on_its_day() -> None:
    assert price("gemini-3.8-flash", day=datetime.date(2026, 12, 31)) == Price(0.75, 3.75)
    assert price("gemini-3.8-flash", day=datetime.date(2027, 1, 1)) == Price(1.5, 7.5)


def test_a_tier_multiplies_the_price_and_an_unknown_tier_has_none() -> None:
    assert (
        price("gemini-2.5-flash", "flex") == listed_tariff("gemini-2.5-flash", "batch", DAY).price == Price(0.15, 1.25)
    )
    assert price("gemini-2.5-flash", "priority") == Price(0.6, 5.0)
    assert listed_tariff("gemini-2.5-flash", "another", DAY).price is None


def test_a_long_request_costs_what_long_ones_do() -> None:
    tariff = listed_tariff("claude-haiku-5-5", "batch", DAY)
    assert tariff.cost(Usage(100_000, 1_000)) == pytest.approx(0.005 + 0.00025)
    assert tariff.cost(Usage(100_001, 1_000)) == pytest.approx(0.025 + 0.00125, rel=1e-4)


def test_a_release_costs_what_its_model_costs_and_a_rerouted_name_what_the_one_that_answers_costs() -> None:
    assert price("models/gemini-3.8-flash-001") == price("gemini-3.8-flash") == Price(0.75, 3.75)
    assert price("gpt-6-luna-2026-09-22") == Price(0.1, 0.5)
    assert price("gemini-2.5-pro", day=datetime.date(2026, 12, 1)) == price("gemini-3.8-flash")


@pytest.mark.parametrize(
    ("name", "note"),
    [
        (
            "gemini-2.5-flush",
            "`gemini-2.5-flush` is not in the list of models of 2026-11-28: did you mean `gemini-2.5-flash`? "
            "From 2026-12-01 on, the service answers that name with `gemini-3.5-flash-lite`: set `model: gemini-3.5-flash-lite`",
        ),
        ("qwen3", "`qwen3` is not in the list of models of 2026-11-28"),
        ("gemini-3.8-flash", ""),
    ],
)
def test_an_unknown_name_is_reported(name: str, note: str) -> None:
    assert note_on(name) == note


def test_a_name_that_another_model_answers_is_reported_with_the_day_and_what_to_write() -> None:
    rerouted = rerouted_name("models/gemini-2.5-flash", ())
    assert rerouted is not None
    assert rerouted.message == (
        "from 2026-12-01 on, the service answers requests for `gemini-2.5-flash` with `gemini-3.5-flash-lite`"
    )
    assert rerouted.fix.startswith("set `model: gemini-3.5-flash-lite`, or add `accept: [gemini-3.5-flash-lite]`")


@pytest.mark.parametrize(
    ("name", "accepted"),
    [("gemini-3.5-flash-lite", ()), ("gemini-2.5-flash", ("gemini-3.5-flash-lite",)), ("qwen3", ()), ("", ())],
)
def test_a_name_whose_answerer_is_accepted_or_that_stays_is_not_reported(name: str, accepted: tuple[str, ...]) -> None:
    assert rerouted_name(name, accepted) is None


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


@pytest.mark.parametrize(
    ("location", "factor"), [("global", 1.0), ("europe-west4", 1.1), ("us", 1.1), ("${WHERE}", 1.1)]
)
def test_a_location_of_vertex_costs_more_than_the_global_one_and_a_price_of_the_project_is_what_it_says(
    location: str, factor: float
) -> None:
    def tariff(**more: Any) -> Tariff:
        model = Vertex(
            model="gemini-3.5-flash-lite", project="p", location=location, accept=("gemini-3.6-flash",), **more
        )
        (tier,) = tiers_of(posing.prompt(), [model], Path(), lambda text: text.replace("${WHERE}", "asia-southeast1"))
        return tier.tariff_by("gemini-3.6-flash") if not more else tier.tariff

    listed = listed_tariff("gemini-3.6-flash").times(factor).price
    assert tariff().price == listed
    assert tariff(price=Price(9, 9)).price == Price(9, 9)
