"""Two models that must agree: what both say counts, the rest goes to the next model or to people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import posing
import pytest

from etlrun.contracts.model import Model, ModelError
from etlrun.enrich.answers import Answers, answer_keys, known_answers
from etlrun.enrich.estimates import estimate
from etlrun.enrich.keys import distinct_keys
from etlrun.enrich.store import Store
from etlrun.enrich.terms import Budget
from etlrun.enrich.tiers import Tier, tiers_of, with_a_pair
from fake_gemini import FakeServer
from fake_gemini.truth import Truth

KEYS = distinct_keys([(f"từ khoá {number}", 1) for number in range(100)])
DISPUTED = [f"từ khoá {number}" for number in range(0, 100, 4)]
PRICES = {"price": posing.PRICE}
BOTH = "gemini gemini-2.5-flash and openai some-model"


@pytest.fixture
def served() -> Iterator[FakeServer]:
    with posing.server() as server:
        yield server


@pytest.fixture
def dissenting(served: FakeServer) -> Iterator[FakeServer]:
    """A service that gives another label for every fourth key."""
    with posing.server() as server:
        server.truth = Truth({**posing.CANARIES, **_others(served)})
        yield server


def _others(served: FakeServer) -> dict[str, str]:
    labels = posing.LABELS
    return {key: labels[(labels.index(served.truth.label(key, labels)) + 1) % len(labels)] for key in DISPUTED}


def pair(*models: Model) -> Sequence[Tier]:
    return with_a_pair(tiers_of(posing.prompt(), models, Path(), posing.as_written))


def asked(tiers: Sequence[Tier], store: Store, budget: Budget | None = None) -> Answers:
    return answer_keys(KEYS, tiers, store, {}, Path(), posing.as_written, budget=budget or Budget(), run="r1")


def ways(answers: Answers) -> Counter[tuple[str, str]]:
    return Counter((answer.status, answer.source) for answer in answers.by_place)


def test_what_both_say_counts_and_the_rest_is_left_to_people(
    served: FakeServer, dissenting: FakeServer, tmp_path: Path
) -> None:
    tiers, store = pair(posing.gemini(served), posing.openai(dissenting, **PRICES)), posing.new_store(tmp_path)
    found = asked(tiers, store)
    assert ways(found) == {("ok", BOTH): 75, ("abstained", ""): 25}
    first = found.by_place[0]
    assert (first.values, first.doubt.startswith("gemini gemini-2.5-flash: ")) == ({}, True)
    assert "; openai some-model: " in first.doubt
    sent = len(served.records) + len(dissenting.records)
    assert asked(tiers, store).by_place == found.by_place == known_answers(KEYS.asked, tiers, store, {})
    assert len(served.records) + len(dissenting.records) == sent


def test_the_next_model_decides_what_two_do_not_agree_on_and_is_asked_nothing_else(
    served: FakeServer, dissenting: FakeServer, tmp_path: Path
) -> None:
    with posing.server() as deciding:
        third = posing.openai(deciding, model="strong", **PRICES)
        tiers, store = (
            pair(posing.gemini(served), posing.openai(dissenting, **PRICES), third),
            posing.new_store(tmp_path),
        )
        found = asked(tiers, store)
        assert ways(found) == {("ok", BOTH): 75, ("ok", "openai strong"): 25}
        right = [served.truth.label(key.shown, posing.LABELS) for key in KEYS.asked]
        assert [answer.values["category"] for answer in found.by_place] == right
        assert set(deciding.calls) - set(posing.CANARIES) == set(DISPUTED)
        assert [report.asked for report in found.reports] == [100, 100, 25]


def test_each_model_keeps_its_own_answers(served: FakeServer, dissenting: FakeServer, tmp_path: Path) -> None:
    tiers, store = pair(posing.gemini(served), posing.openai(dissenting, **PRICES)), posing.new_store(tmp_path)
    asked(tiers, store)
    assert [cost.statuses for cost in store.costs()] == [{"ok": 100}, {"ok": 100}]
    assert store.forget(tiers[0].question.id, ["từ khoá 0"]) == 1
    assert known_answers(KEYS.asked, tiers, store, {})[0].status == "pending"
    asked(tiers, store)
    assert (served.calls["từ khoá 0"], dissenting.calls["từ khoá 0"]) == (2, 1)


def test_a_cap_holds_over_all_and_the_next_run_goes_on(
    served: FakeServer, dissenting: FakeServer, tmp_path: Path
) -> None:
    tiers = pair(posing.gemini(served, batch=10, **PRICES), posing.openai(dissenting, batch=10, **PRICES))
    store = posing.new_store(tmp_path)
    first = asked(tiers, store, Budget(requests=12))
    assert first.stopped is not None and first.stopped.reason == "budget"
    assert len(served.records) + len(dissenting.records) == 12
    assert {status for status, _ in ways(first)} == {"ok", "abstained", "pending"}
    assert ways(asked(tiers, store)) == {("ok", BOTH): 75, ("abstained", ""): 25}
    assert len(served.records) + len(dissenting.records) == 20


def test_a_model_that_abstains_or_is_blocked_agrees_with_nobody(served: FakeServer, tmp_path: Path) -> None:
    with posing.server() as second:
        keys = distinct_keys([("toxic", 2), ("naruto", 1)])
        tiers = pair(posing.gemini(served), posing.openai(second, **PRICES))
        found = answer_keys(keys, tiers, posing.new_store(tmp_path), {}, Path(), posing.as_written)
        assert [answer.status for answer in found.by_place] == ["refused", "ok"]


def test_the_bill_of_the_next_model_goes_by_how_often_they_disagreed(
    served: FakeServer, dissenting: FakeServer, tmp_path: Path
) -> None:
    tiers = pair(
        posing.gemini(served), posing.openai(dissenting, **PRICES), posing.openai(served, model="strong", **PRICES)
    )
    store = posing.new_store(tmp_path)
    assert [bill.to_ask for bill in estimate(KEYS.asked, tiers, None, {}, Path())] == [100, 100, 20]
    asked(tiers[:2], store)
    assert [bill.to_ask for bill in estimate(KEYS.asked, tiers, store, {}, Path())] == [0, 0, 25]
    more = distinct_keys([*((key.shown, 1) for key in KEYS.asked), *((f"tập {number}", 1) for number in range(100))])
    assert [bill.to_ask for bill in estimate(more.asked, tiers, store, {}, Path())] == [100, 100, 50]


def test_a_model_does_not_agree_with_itself(served: FakeServer) -> None:
    with pytest.raises(ModelError, match="always agree"):
        pair(posing.gemini(served), posing.gemini(served, batch=10))


def test_two_models_in_batch_mode_have_their_jobs_at_the_same_time(tmp_path: Path) -> None:
    """Both hand in before either is waited for; the next run takes the replies of both and asks nothing again."""
    with posing.server(jobs_take=None) as first, posing.server(jobs_take=None) as second:
        second.truth = Truth({**posing.CANARIES, **_others(first)})
        tiers = pair(posing.gemini(first, mode="batch"), posing.openai(second, mode="batch", **PRICES))
        store = posing.new_store(tmp_path)
        began = asked(tiers, store, Budget(wait=0.2))
        assert began.stopped is not None and began.stopped.reason == "job-at-work"
        assert [len(served.jobs.all) for served in (first, second)] == [1, 1]
        first.jobs.finish()
        assert asked(tiers, store).stopped is not None
        second.jobs.finish()
        found = asked(tiers, store)
        assert ways(found) == {("ok", BOTH): 75, ("abstained", ""): 25}
        assert [len(served.jobs.all) for served in (first, second)] == [1, 1]
        assert {count for served in (first, second) for key, count in served.calls.items() if key in DISPUTED} == {1}


def test_jobs_of_both_models_are_waited_for_at_the_same_time(tmp_path: Path) -> None:
    with posing.server(jobs_take=1) as first, posing.server(jobs_take=1) as second:
        tiers = pair(posing.gemini(first, mode="batch"), posing.openai(second, mode="batch", **PRICES))
        found = asked(tiers, posing.new_store(tmp_path), Budget(wait=60))
        assert ways(found) == {("ok", BOTH): 100}
        assert [report.ok for report in found.reports] == [100, 100]
        assert [len(served.jobs.all) for served in (first, second)] == [1, 1]
