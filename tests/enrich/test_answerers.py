"""Who answered: a label is kept only where the model that answered is the one that was asked, or one that is accepted."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import LanguageModel
from etlrun.enrich.report import AskingReport
from etlrun.enrich.store import Store
from etlrun.enrich.terms import Budget, Terms
from etlrun.enrich.tiers import tiers_of
from etlrun.models._names import is_release_of, name_of_answerer
from fake_gemini.server import ANOTHER

SAME = [
    ("gemini-2.5-flash", "gemini-2.5-flash"),
    ("gemini-2.5-flash", "models/gemini-2.5-flash"),
    ("models/gemini-2.5-flash", "gemini-2.5-flash-001"),
    ("gemini-2.5-flash", "publishers/google/models/gemini-2.5-flash"),
    ("gpt-4o", "gpt-4o-2024-08-06"),
    ("gpt-4", "gpt-4-0613"),
    ("claude-haiku-4-5", "claude-haiku-4-5-20251001"),
    ("claude-haiku-4-5", "claude-haiku-4-5@20251001"),
    ("gemini-2.5-flash-preview", "gemini-2.5-flash-preview-05-20"),
    ("gemini-2.5-flash-preview", "gemini-2.5-flash-preview-09-2025"),
    ("Qwen/Qwen3-8B", "qwen/qwen3-8b"),
]
OTHERS = [
    ("gemini-2.5-flash", "gemini-3.5-flash-lite"),
    ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
    ("gemini-2.5-flash", "gemini-2.5-flash-lite-001"),
    ("gemini-2.5-flash", "gemini-2.5-flash-preview-09-2025"),
    ("gemini-2.5-flash-001", "gemini-2.5-flash"),
    ("gemini-2.5-flash-001", "gemini-2.5-flash-002"),
    ("gemini-2", "gemini-2.5-flash"),
    ("gemini-3", "gemini-3.5"),
    ("claude-opus-4", "claude-opus-4-5"),
    ("claude-opus-4", "claude-opus-4-5-20251101"),
    ("gpt-5", "gpt-5-mini"),
    ("gpt-4", "gpt-4-32k"),
    ("gpt-4", "gpt-4o"),
    ("flash", "gemini-flash"),
]


@pytest.mark.parametrize(("asked", "version"), SAME)
def test_a_dated_or_numbered_release_is_the_same_model(asked: str, version: str) -> None:
    assert is_release_of(asked, version)


@pytest.mark.parametrize(("asked", "version"), OTHERS)
def test_any_other_name_is_another_model_until_it_is_accepted(asked: str, version: str) -> None:
    assert name_of_answerer(asked, (), version) is None
    assert name_of_answerer(asked, (version,), version) == version


def test_a_reply_that_names_no_model_counts_only_where_that_is_accepted() -> None:
    assert name_of_answerer("m", ("n",), "") is None
    assert name_of_answerer("m", ("unnamed",), "") == "m"


def terms_of(model: LanguageModel, **settings: Any) -> Terms:
    """The terms of a real run, but for its waits."""
    (tier,) = tiers_of(posing.prompt(), [model], Path(), posing.as_written)
    return replace(tier.terms(settings.pop("budget", Budget()), "r1"), limits=posing.QUICK, **settings)


def pose(model: LanguageModel, count: int, store: Store, **settings: Any) -> AskingReport:
    return posing.pose(model, posing.keys(count), store, terms_of(model, **settings))


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "labels.sqlite") as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai])
@pytest.mark.parametrize("version", [ANOTHER, "models/" + ANOTHER, ""])
def test_a_rerouted_name_is_noticed_after_one_request_and_nothing_is_kept(
    kind: Any, version: str, tmp_path: Path
) -> None:
    with posing.server(version=version) as served:
        model, store = kind(served, model="gemini-2.5-flash", batch=5), posing.new_store(tmp_path)
        report = pose(model, 400, store)
        assert report.stopped is not None
        assert (report.stopped.reason, report.stopped.exit_code) == ("another-model", 4)
        assert (report.requests, len(served.records), report.ok, report.pending) == (1, 1, 0, 400)
        detail = f"`{ANOTHER}` answered" if version else "does not name the model that answered"
        assert detail in report.stopped.message
        assert f"accept: [{ANOTHER if version else 'unnamed'}]" in report.stopped.fix
        assert posing.stored(store, model, posing.keys(400)) == {}
        store.close()
    assert rows(tmp_path, "select outcome, version from etlrun_requests") == [("another-model", version)]


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai])
def test_its_one_request_costs_what_the_model_that_answered_costs(kind: Any, tmp_path: Path) -> None:
    with posing.server(script=["rerouted"]) as served:
        report = pose(kind(served, model="gemini-2.5-flash"), 200, posing.new_store(tmp_path))
        assert report.requests == 1
        assert report.usd == pytest.approx(served.billed_usd, rel=0.001)


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai])
@pytest.mark.parametrize("fault", ["rerouted", "unnamed"])
def test_a_reroute_in_the_middle_of_a_run_ends_it_with_no_label_under_the_wrong_name(
    kind: Any, fault: Any, tmp_path: Path
) -> None:
    with posing.server(script=[None] * 9, faults={fault: 1.0}, latency=0.01) as served:
        model, store = kind(served, model="gemini-2.5-flash", batch=5), posing.new_store(tmp_path)
        report = pose(model, 400, store)
        found = posing.stored(store, model, posing.keys(400))
        assert report.stopped is not None and report.stopped.reason == "another-model"
        assert len(served.records) <= 9 + posing.QUICK.concurrency
        assert (report.ok, len(found)) == (45, 45)
        assert posing.wrong_labels(served, found, posing.keys(400)) == []
        assert report.usd == pytest.approx(served.billed_usd, rel=0.001)


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai])
def test_an_accepted_models_answers_are_kept_under_its_own_name_and_price(kind: Any, tmp_path: Path) -> None:
    with posing.server(script=[None, None, "rerouted", "rerouted", None, "rerouted"]) as served:
        model = kind(served, model="gemini-2.5-flash", batch=5, accept=(ANOTHER,))
        store = posing.new_store(tmp_path)
        report = pose(model, 30, store)
        assert (report.stopped, report.ok, report.requests) == (None, 30, 6)
        assert report.usd == pytest.approx(served.billed_usd, rel=0.001)
        settings = {"reasoning_effort": "default"} if kind is posing.openai else {}  # none was sent to the one asked
        other = kind(served, model=ANOTHER, **settings)
        assert len(posing.stored(store, model, posing.keys(30))) == 15
        assert len(posing.stored(store, other, posing.keys(30))) == 15
        (tier,) = tiers_of(posing.prompt(), [model], Path(), posing.as_written)
        known = store.judged(tier.questions, [key.normal for key in posing.keys(30)])
        assert posing.wrong_labels(served, known, posing.keys(30)) == []
        assert {stored.source.rpartition(" ")[2] for stored in known.values()} == {"gemini-2.5-flash", ANOTHER}
        names = [key.normal for key in posing.keys(30)]
        also = [question.id for question in tier.questions[1:]]
        assert set(store.lease(tier.question.id, names, also).settled) == set(names)
        store.close()
    found = rows(tmp_path, "select source, version, count(*) from etlrun_labels group by 1, 2")
    assert {(source.rpartition(" ")[2], version, count) for source, version, count in found} == {
        ("gemini-2.5-flash", "gemini-2.5-flash", 15),
        (ANOTHER, ANOTHER, 15),
    }


def test_what_an_accepted_model_answered_is_not_asked_again(tmp_path: Path) -> None:
    from etlrun.enrich.answers import answer_keys
    from etlrun.enrich.keys import distinct_keys

    with posing.server(version=ANOTHER) as served:
        tiers = tiers_of(posing.prompt(), [posing.gemini(served, accept=(ANOTHER,))], tmp_path, posing.as_written)
        store, keys = posing.new_store(tmp_path), distinct_keys([(f"từ {number}", 1) for number in range(60)])
        for requests in (2, 0):
            answers = answer_keys(keys, tiers, store, {}, tmp_path, posing.as_written)
            assert answers.stopped is None
            assert sum(report.requests for report in answers.reports) == requests
            assert {(answer.status, answer.source) for answer in answers.by_place} == {("ok", f"gemini {ANOTHER}")}


def test_the_cap_holds_where_the_accepted_model_is_the_dearer_one(tmp_path: Path) -> None:
    with posing.server(faults={"rerouted": 0.5}, seed=3) as served:
        model = posing.gemini(served, batch=5, accept=(ANOTHER,))
        report = pose(model, 400, posing.new_store(tmp_path), budget=Budget(usd=0.03))
        assert report.stopped is not None and report.stopped.reason == "budget"
        assert served.billed_usd <= 0.03


def test_unnamed_replies_count_as_the_model_asked_where_they_are_accepted(tmp_path: Path) -> None:
    with posing.server(version="") as served:
        model, store = posing.openai(served, accept=("unnamed",)), posing.new_store(tmp_path)
        assert pose(model, 60, store).ok == 60
        assert len(posing.stored(store, model, posing.keys(60))) == 60


@pytest.mark.parametrize("kind", [posing.gemini, posing.openai])
def test_requests_go_one_by_one_until_the_first_answer_and_then_side_by_side(kind: Any, tmp_path: Path) -> None:
    with posing.server(script=["unavailable", "rate"], latency=0.02) as served:
        report = pose(kind(served, batch=5), 200, posing.new_store(tmp_path))
        assert report.ok == 200
        first, second, third, fourth = (record.at for record in served.records[:4])
        assert second - first >= 0.02 and third - second >= 0.02 and fourth - third >= 0.02
        assert served.most_in_flight > 1
