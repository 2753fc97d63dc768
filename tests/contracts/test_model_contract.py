"""What every model promises: an answer belongs to its key, a wrong or missing control answer takes its whole reply along, caps hold, no failure is a label.

It runs for every model that the product finds; one that is not in `ASKED` or `OWN` fails here until somebody says what it talks to.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etlrun.contracts.model import LanguageModel, LocalModel, ModelError
from etlrun.enrich.terms import Budget
from etlrun.models.catalogue import Catalogue
from etlrun.spec.registry import kinds
from fake_gemini import FakeServer

sys.path.insert(0, str(Path(__file__).parent.parent / "enrich"))
import posing

ASKED: dict[str, Callable[..., LanguageModel]] = {
    "anthropic": posing.anthropic,
    "gemini": posing.gemini,
    "openai": posing.openai,
    "vertex": posing.vertex,
}
OWN: dict[str, Callable[[Path], LocalModel]] = {"catalogue": lambda folder: Catalogue(_titles(folder))}
language_models = [name for name, cls in kinds("models").items() if issubclass(cls, LanguageModel)]
local_models = [name for name, cls in kinds("models").items() if issubclass(cls, LocalModel)]
each_asked = pytest.mark.parametrize("kind", language_models)


def _titles(folder: Path) -> str:
    (folder / "titles.csv").write_text("title,category\nĐảo Hải Tặc,Comedy\n", encoding="utf-8")
    return "titles.csv"


def test_every_model_is_of_one_of_the_two_sorts() -> None:
    assert {*language_models, *local_models} == set(kinds("models"))
    assert set(language_models) <= set(ASKED) and set(local_models) <= set(OWN)


@each_asked
def test_every_key_is_asked_once_where_nothing_fails(kind: str, tmp_path: Path) -> None:
    with posing.server() as served:
        asked = posing.keys(200)
        report = posing.pose(ASKED[kind](served), asked, posing.new_store(tmp_path))
    sent = Counter(key for record in served.records for key in record.keys if key not in posing.CANARIES)
    assert (report.ok, report.failed) == (200, 0)
    assert sent == {key.shown: 1 for key in asked}


@each_asked
@pytest.mark.parametrize("fault", ["shuffled", "other-batch", "conflicting", "foreign-label", "extra", "duplicate"])
def test_what_a_reply_says_of_other_keys_or_other_labels_is_no_label(kind: str, fault: Any, tmp_path: Path) -> None:
    with posing.server(faults={fault: 0.5}, seed=3) as served:
        model, asked, store = ASKED[kind](served), posing.keys(200), posing.new_store(tmp_path)
        posing.pose(model, asked, store)
        known = posing.stored(store, model, asked)
        assert posing.wrong_labels(served, known, asked) == []
        assert posing.statuses(known)["ok"] > 0


@each_asked
@pytest.mark.parametrize("fault", ["asleep", "canary-dropped"])
def test_a_reply_whose_control_answers_are_wrong_or_missing_gives_no_label(
    kind: str, fault: Any, tmp_path: Path
) -> None:
    with posing.server(faults={fault: 1.0}) as served:
        model, asked, store = ASKED[kind](served), posing.keys(20), posing.new_store(tmp_path)
        report = posing.pose(model, asked, store)
        assert report.ok == 0 and report.stopped is not None
        assert posing.statuses(posing.stored(store, model, asked)).get("ok", 0) == 0


@each_asked
def test_no_more_is_spent_than_the_cap_allows(kind: str, tmp_path: Path) -> None:
    with posing.server() as served:
        model, asked, store = ASKED[kind](served), posing.keys(5_000), posing.new_store(tmp_path)
        report = posing.pose(model, asked, store, posing.terms(budget=Budget(usd=0.05)))
        assert report.stopped is not None and report.stopped.reason == "budget"
        assert 0 < served.billed_usd <= 0.05


@each_asked
@pytest.mark.parametrize("fault", ["rate", "unavailable", "drop-before", "drop-after", "half-json", "truncated"])
def test_a_request_that_fails_is_asked_again_and_never_a_label(kind: str, fault: Any, tmp_path: Path) -> None:
    with posing.server(script=[None, fault]) as served:
        model, asked, store = ASKED[kind](served), posing.keys(100), posing.new_store(tmp_path)
        report = posing.pose(model, asked, store)
        assert (report.ok, report.failed) == (100, 0)
        assert posing.wrong_labels(served, posing.stored(store, model, asked), asked) == []


@each_asked
@pytest.mark.parametrize("fault", ["no-key", "no-model"])
def test_what_no_second_try_corrects_ends_asking_at_once(kind: str, fault: Any, tmp_path: Path) -> None:
    with posing.server(faults={fault: 1.0}) as served:
        report = posing.pose(ASKED[kind](served), posing.keys(500), posing.new_store(tmp_path))
        assert report.ok == 0 and report.stopped is not None
        assert len(served.records) <= posing.QUICK.concurrency
        assert report.stopped.fix


@each_asked
def test_another_model_in_its_place_gives_no_label(kind: str, tmp_path: Path) -> None:
    with posing.server(faults={"rerouted": 1.0}) as served:
        report = posing.pose(ASKED[kind](served), posing.keys(500), posing.new_store(tmp_path))
        assert report.ok == 0 and report.stopped is not None
        assert len(served.records) == 1


@each_asked
def test_it_says_everything_that_can_change_an_answer_and_nothing_secret(kind: str) -> None:
    with FakeServer() as served:
        first, other = ASKED[kind](served), ASKED[kind](served, model="other", api_key="another-key")
        assert first.identity(Path(), posing.as_written) != other.identity(Path(), posing.as_written)
        assert "another-key" not in str(other.identity(Path(), posing.as_written))


@each_asked
def test_a_setting_that_names_a_variable_which_is_missing_is_a_mistake_before_anything_is_sent(kind: str) -> None:
    from etlrun.spec.environment import from_environment

    with FakeServer() as served, pytest.raises(ModelError) as caught:
        ASKED[kind](served, model="${NO_SUCH_VARIABLE_OF_THIS_TEST}").model_name(from_environment)
    assert caught.value.cause == "setup" and "NO_SUCH_VARIABLE_OF_THIS_TEST" in str(caught.value)


@pytest.mark.parametrize("kind", local_models)
def test_a_model_of_ones_own_answers_only_what_it_knows_and_only_labels(kind: str, tmp_path: Path) -> None:
    finder = OWN[kind](tmp_path).open(tmp_path, posing.prompt().outputs)
    found = finder.find("đảo hải tặc")
    assert found is not None and found.answer == {"category": "Comedy"} and found.reason
    assert finder.find("something that no list holds") is None
