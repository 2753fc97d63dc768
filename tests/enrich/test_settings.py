"""The settings of a model: a strict service takes every request as it comes by default, and a refusal names the key to change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.enrich.prices import Tariff
from etlrun.enrich.terms import Budget
from fake_gemini import FakeServer

STRICT = [
    (posing.gemini, "gemini-3.5-flash-lite", ("MINIMAL", "LOW", "MEDIUM", "HIGH")),
    (posing.gemini, "gemini-3.8-flash", ("LOW", "MEDIUM", "HIGH")),
    (posing.gemini, "gemini-2.5-flash", ()),
    (posing.openai, "gpt-6-luna", ("none", "low", "medium", "high", "xhigh", "max")),
    (posing.openai, "some-model", ()),
    (posing.anthropic, "claude-haiku-5-5", ("none", "low", "medium")),
    (posing.anthropic, "claude-opus-5-5", ("low", "medium")),
    (posing.anthropic, "claude-haiku-4-5", ()),
    (posing.vertex, "gemini-3.8-flash", ("LOW", "MEDIUM", "HIGH")),
]


@pytest.mark.parametrize(("kind", "name", "levels"), STRICT)
def test_a_strict_service_takes_what_is_sent_by_default(
    kind: Any, name: str, levels: tuple[str, ...], tmp_path: Path
) -> None:
    with posing.server(strict=True, levels=levels) as served:
        report = posing.pose(kind(served, model=name), posing.keys(60), posing.new_store(tmp_path))
        assert (report.ok, report.stopped) == (60, None)


REFUSED = [
    (posing.gemini, {"temperature": 0}, "temperature", "remove `temperature`"),
    (posing.gemini, {"model": "gemini-3.8-flash", "thinking": "high"}, "thinking", "`thinking: default`"),
    (posing.openai, {"temperature": 0}, "temperature", "remove `temperature`"),
    (posing.openai, {"reasoning_effort": "high"}, "reasoning_effort", "`reasoning_effort: default`"),
    (posing.anthropic, {"temperature": 0}, "temperature", "remove `temperature`"),
    (posing.anthropic, {"effort": "xhigh"}, "effort", "`effort: default`"),
    (posing.anthropic, {"effort": "none"}, "thinking", "`effort: default`"),
]


@pytest.mark.parametrize(("kind", "settings", "key", "fix"), REFUSED)
def test_a_setting_that_is_refused_stops_at_once_and_is_named(
    kind: Any, settings: dict[str, Any], key: str, fix: str, tmp_path: Path
) -> None:
    with posing.server(strict=True, levels=("LOW",)) as served:
        report = posing.pose(kind(served, **settings), posing.keys(400), posing.new_store(tmp_path))
        assert report.stopped is not None
        assert (report.stopped.reason, report.ok, report.usd) == ("setup", 0, 0)
        assert f"does not take `{key}`" in report.stopped.message
        assert fix in report.stopped.fix
        assert len(served.records) <= 2


def test_effort_and_tier_are_sent_as_they_are_written() -> None:
    with posing.server() as served:
        for settings in ({"model": "gpt-6-luna"}, {"reasoning_effort": "low", "service_tier": "flex"}):
            bodies(served, posing.openai(served, **settings))
        first, second = (record.body for record in served.records)
        assert (first["reasoning_effort"], "service_tier" in first, "temperature" in first) == ("none", False, False)
        assert (second["reasoning_effort"], second["service_tier"]) == ("low", "flex")
        bodies(served, posing.openai(served, model="gpt-6-luna", reasoning_effort="default"))
        assert "reasoning_effort" not in served.records[-1].body


def bodies(served: FakeServer, model: Any) -> None:
    import asyncio
    import random

    from etlrun.enrich.questions import write_sheet

    async def work() -> None:
        client = model.open(posing.as_written)
        await client.answer(write_sheet(posing.question(model), posing.keys(2), random.Random(1)).request)
        await client.close()

    asyncio.run(work())


EATERS = [
    (posing.gemini, {"model": "gemini-2.5-flash"}, "`thinking`"),
    (posing.openai, {}, "`reasoning_effort`"),
]


@pytest.mark.parametrize(("kind", "settings", "key"), EATERS)
@pytest.mark.parametrize("count", [3, 400])
def test_a_model_that_thinks_the_answers_room_away_is_noticed_after_three_requests(
    kind: Any, settings: dict[str, Any], key: str, count: int, tmp_path: Path
) -> None:
    with posing.server(thinks=30_000) as served:
        model, store = kind(served, **settings), posing.new_store(tmp_path)
        terms = posing.terms(more_room=model.more_room)
        report = posing.pose(model, posing.keys(count), store, terms)
        assert report.stopped is not None
        assert (report.requests, len(served.records), report.ok) == (3, 3, 0)
        assert "went into thinking (`thoughts` is 0)" in report.stopped.message
        assert "raise `thoughts`" in report.stopped.fix and key in report.stopped.fix
        followed = kind(served, **settings, thoughts=40_000)
        summary = posing.terms(thoughts=followed.thought_tokens(followed.model))
        assert posing.pose(followed, posing.keys(3), store, summary).ok == 3


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai])
def test_a_misspelled_model_is_said_to_be_one_before_a_price_is_asked_for(kind: Any, tmp_path: Path) -> None:
    with posing.server(models=["gemini-2.5-flash"]) as served:
        terms = posing.terms(tariff=Tariff(None, ""), budget=Budget(usd=1.0))
        wrong = posing.pose(kind(served, model="gemini-2.5-flush"), posing.keys(9), posing.new_store(tmp_path), terms)
        right = posing.pose(kind(served, model="gemini-2.5-flash"), posing.keys(9), posing.new_store(tmp_path), terms)
        assert wrong.stopped is not None and right.stopped is not None
        assert "there is no model `gemini-2.5-flush`" in wrong.stopped.message
        assert "needs a price" in right.stopped.message
        assert served.records == []


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [
        (posing.gemini, "gemini-3.8-flush", "gemini-3.8-flash"),
        (posing.anthropic, "claude-haiku-5-6", "claude-haiku-5-5"),
    ],
)
def test_a_misspelt_model_is_reported_with_the_one_that_was_meant(
    kind: Any, name: str, meant: str, tmp_path: Path
) -> None:
    with posing.server(models=[meant]) as served:
        report = posing.pose(kind(served, model=name), posing.keys(10), posing.new_store(tmp_path))
    assert report.stopped is not None
    assert (report.stopped.reason, report.stopped.fix.partition(" (all names")[0]) == (
        "model",
        f"did you mean `{meant}`?",
    )
