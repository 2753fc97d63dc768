"""Answers for a column: overrides, then each model of the cascade, then one row for every spelling."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import posing
import pytest

from etlrun.contracts.model import Environment, Model, ModelClient, ModelError
from etlrun.diagnostics import SpecError
from etlrun.enrich.answers import Answers, answer_keys, known_answers
from etlrun.enrich.estimates import estimate
from etlrun.enrich.finders import look_up
from etlrun.enrich.keys import distinct_keys
from etlrun.enrich.store import RequestEntry, Result, Sent, Store
from etlrun.enrich.terms import Budget
from etlrun.enrich.tiers import Tier, tiers_of
from etlrun.models._gemini import GeminiClient
from etlrun.models.catalogue import Catalogue
from etlrun.models.gemini import Gemini
from etlrun.spec.answer_files import read_overrides
from etlrun.spec.environment import from_environment
from etlrun.spec.outputs import Value

CATALOGUE = Catalogue(titles="titles.csv")
ROWS = [("Sao Băng", 5), ("sao  băng", 2), ("ngoại hạng anh", 3), ("phim lẻ", 1), ("7", 4), ("", 1), ("0912345678", 2)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "titles.csv").write_text("title,category\nsao băng,K Drama\n", encoding="utf-8")
    return tmp_path


def tiers(root: Path, *models: Model) -> Sequence[Tier]:
    return tiers_of(posing.prompt(), models, root, posing.as_written)


def answered(
    root: Path,
    store: Store,
    models: Sequence[Model],
    overrides: Mapping[str, Mapping[str, Value]] | None = None,
    budget: Budget | None = None,
) -> Answers:
    return answer_keys(
        distinct_keys(ROWS),
        tiers(root, *models),
        store,
        overrides or {},
        root,
        posing.as_written,
        budget=budget or Budget(),
        run="r1",
    )


def shown(answers: Answers) -> dict[str, tuple[str, object, str]]:
    return {text: (answer.status, answer.values.get("category"), answer.source) for text, _, answer in answers.each()}


def test_a_catalogue_alone_answers_what_it_knows_and_says_nothing_else(root: Path) -> None:
    found = answered(root, posing.new_store(root), [CATALOGUE])
    assert shown(found) == {
        "Sao Băng": ("ok", "K Drama", "catalogue"),
        "sao  băng": ("ok", "K Drama", "catalogue"),
        "ngoại hạng anh": ("abstained", None, "catalogue"),
        "phim lẻ": ("abstained", None, "catalogue"),
        "7": ("abstained", None, ""),
        "": ("abstained", None, ""),
        "0912345678": ("abstained", None, ""),
    }
    assert found.rows_by_source() == {"catalogue": 7, "": 11}
    assert found.stopped is None


def test_a_paid_model_is_asked_only_what_the_catalogue_left_open(root: Path) -> None:
    with posing.server() as served:
        store, models = posing.new_store(root), [CATALOGUE, posing.gemini(served)]
        found = shown(answered(root, store, models))
        assert {key for key in served.calls if key not in posing.CANARIES} == {"ngoại hạng anh", "phim lẻ"}
        assert found["Sao Băng"] == ("ok", "K Drama", "catalogue")
        assert found["phim lẻ"] == ("ok", served.truth.label("phim lẻ", posing.LABELS), "gemini gemini-2.5-flash")
        assert shown(answered(root, store, models)) == found
        assert len(served.records) == 1


def test_a_new_title_in_the_catalogue_does_not_ask_the_paid_model_again(root: Path) -> None:
    with posing.server() as served:
        store, models = posing.new_store(root), [CATALOGUE, posing.gemini(served)]
        answered(root, store, models)
        (root / "titles.csv").write_text("title,category\nsao băng,K Drama\nphim lẻ,Other\n", encoding="utf-8")
        assert shown(answered(root, store, models))["phim lẻ"] == ("ok", "Other", "catalogue")
        assert len(served.records) == 1


class WithoutJobs(Gemini):
    """A model whose service takes no jobs."""

    def open(self, environment: Environment) -> ModelClient:
        client = super().open(environment)
        assert isinstance(client, GeminiClient)
        return GeminiClient(client.settings)


def test_a_model_that_takes_no_jobs_is_not_asked_at_the_full_price_in_their_place(root: Path) -> None:
    with posing.server() as served:
        model = WithoutJobs(model="gemini-2.5-flash", api_key="a-key", url=served.url, mode="batch")
        (report,) = answered(root, posing.new_store(root), [model]).reports
        assert report.stopped is not None
        assert (report.stopped.exit_code, report.stopped.message, len(served.records)) == (
            2,
            "`mode: batch` is set, but gemini gemini-2.5-flash has no batch jobs",
            0,
        )


def test_what_one_model_refuses_the_next_is_asked(root: Path) -> None:
    with posing.server() as strict, posing.server() as liberal:
        keys = distinct_keys([("một toxic từ", 1), ("phim lẻ", 1)])
        models = [posing.gemini(strict), posing.openai(liberal, model="second")]
        found = answer_keys(keys, tiers(root, *models), posing.new_store(root), {}, root, posing.as_written)
        assert [(answer.status, answer.source) for _, _, answer in found.each()] == [
            ("refused", "openai second"),
            ("ok", "gemini gemini-2.5-flash"),
        ]
        assert sum("một toxic từ" in record.keys for record in liberal.records) == 1


def test_what_a_model_failed_stays_failed_where_the_next_only_abstains(root: Path) -> None:
    keys = distinct_keys([("phim lẻ", 1), ("sao băng", 1)])
    store, (model, catalogue) = posing.new_store(root), tiers(root, Gemini(model="m", api_key="k"), CATALOGUE)
    lost = [Result(key.normal, key.shown, "failed") for key in keys.asked]
    store.record(model.question.id, "r0", [RequestEntry(Sent("", 2, 0, "service"), lost)])
    look_up(catalogue.question, keys.asked, CATALOGUE.open(root, posing.prompt().outputs), store, "catalogue")
    found = known_answers(keys.asked, [model, catalogue], store, {})
    summary = {key.shown: (answer.status, answer.source) for key, answer in zip(keys.asked, found, strict=True)}
    assert summary == {"phim lẻ": ("failed", ""), "sao băng": ("ok", "catalogue")}


POISON = [
    ("ok", '{"category": "<script>"}'),
    ("ok", '{"category": 5}'),
    ("ok", "zzz"),
    ("ok", "[1]"),
    ("ok", "5"),
    ("ok", ""),
    ("ok", '{"x": "Action"}'),
    ("ok", "[" * 100_000),
    ("weird", '{"category": "Action"}'),
]


@pytest.mark.parametrize(("status", "answer"), POISON)
def test_what_others_wrote_into_the_store_is_not_known_and_asked_again(status: Any, answer: str, root: Path) -> None:
    with posing.server() as served:
        keys, store, cascade = (
            distinct_keys([("phim lẻ", 1)]),
            posing.new_store(root),
            tiers(root, posing.gemini(served)),
        )
        store.record(
            cascade[0].question.id,
            "r0",
            [RequestEntry(Sent("", 1, 1, "complete"), [Result("phim lẻ", "phim lẻ", "ok", '{"category": "Action"}')])],
        )
        assert known_answers(keys.asked, cascade, store, {})[0].status == "ok"
        with sqlite3.connect(root / "labels.sqlite") as connection:
            connection.execute("update etlrun_answers set status = ?, answer = ?", (status, answer))
        connection.close()
        assert known_answers(keys.asked, cascade, store, {})[0].status == "pending"
        assert [bill.to_ask for bill in estimate(keys.asked, cascade, store, {}, root)] == [1]
        found = answer_keys(keys, cascade, store, {}, root, posing.as_written).by_place[0]
        assert (found.status, found.values) == ("ok", {"category": served.truth.label("phim lẻ", posing.LABELS)})
        assert len(served.records) == 1


def test_a_label_beside_a_refusal_is_not_given(root: Path) -> None:
    keys, store, cascade = distinct_keys([("phim lẻ", 1)]), posing.new_store(root), tiers(root, CATALOGUE)
    store.record(
        cascade[0].question.id,
        "r0",
        [RequestEntry(Sent("", 1, 0, ""), [Result("phim lẻ", "phim lẻ", "refused", '{"category": "Action"}')])],
    )
    assert known_answers(keys.asked, cascade, store, {})[0].values == {}


def test_where_a_model_stops_the_next_is_not_asked_and_what_is_known_is_given(root: Path) -> None:
    with posing.server(faults={"day": 1.0}) as spent, posing.server() as other:
        found = answered(root, posing.new_store(root), [CATALOGUE, posing.gemini(spent), posing.openai(other)])
        assert found.stopped is not None
        assert found.stopped.exit_code == 4
        assert shown(found)["Sao Băng"] == ("ok", "K Drama", "catalogue")
        assert shown(found)["phim lẻ"][0] == "pending"  # the catalogue does not know it, and the next was not asked
        assert len(other.records) == 0


def test_a_missing_key_stops_only_where_there_is_something_to_ask(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETLRUN_TEST_ABSENT", raising=False)
    with posing.server() as served:
        store, keys = posing.new_store(root), distinct_keys(ROWS)
        answer_keys(keys, tiers(root, posing.gemini(served)), store, {}, root, posing.as_written)
        keyless = tiers_of(
            posing.prompt(), [Gemini(model="gemini-2.5-flash", api_key="${ETLRUN_TEST_ABSENT}")], root, from_environment
        )
        assert answer_keys(keys, keyless, store, {}, root, from_environment).stopped is None
        more = answer_keys(distinct_keys([*ROWS, ("mới", 1)]), keyless, store, {}, root, from_environment)
        assert more.stopped is not None
        assert (more.stopped.reason, more.stopped.exit_code) == ("setup", 2)
        assert "the environment variable `ETLRUN_TEST_ABSENT` is not set" in more.stopped.message
        assert sum(answer.status == "ok" for _, _, answer in more.each()) == 4


def test_overrides_win_over_everything_and_are_not_asked(root: Path) -> None:
    (root / "overrides").mkdir()
    (root / "overrides" / "small.csv").write_text(
        "keyword,category\nSAO BĂNG,Sports\nphim lẻ,Other\n", encoding="utf-8"
    )
    overrides = read_overrides(root, "small", "overrides/small.csv", posing.prompt().outputs)
    with posing.server() as served:
        found = shown(answered(root, posing.new_store(root), [CATALOGUE, posing.gemini(served)], overrides))
        assert found["Sao Băng"] == found["sao  băng"] == ("ok", "Sports", "override")
        assert found["phim lẻ"] == ("ok", "Other", "override")
        assert {key for key in served.calls if key not in posing.CANARIES} == {"ngoại hạng anh"}


def test_an_override_with_a_label_that_does_not_exist_is_a_mistake_in_its_line(root: Path) -> None:
    (root / "overrides").mkdir()
    (root / "overrides" / "small.csv").write_text("keyword,category\nphim lẻ,Others\n", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        read_overrides(root, "small", "overrides/small.csv", posing.prompt().outputs)
    (found,) = caught.value.diagnostics
    assert (found.file, found.line, found.column, found.code, found.fix) == (
        "overrides/small.csv",
        2,
        9,
        "unknown-label",
        "did you mean `Other`?",
    )


def test_no_overrides_are_none(root: Path) -> None:
    assert read_overrides(root, "small", "overrides/small.csv", posing.prompt().outputs) == {}


def test_the_table_has_each_spelling_once_as_it_was_given(root: Path) -> None:
    table = answered(root, posing.new_store(root), [CATALOGUE]).table(posing.prompt().outputs)
    assert table.schema.names == ["key", "category", "status", "source"]
    assert table.to_pylist()[:3] == [
        {"key": "Sao Băng", "category": "K Drama", "status": "ok", "source": "catalogue"},
        {"key": "sao  băng", "category": "K Drama", "status": "ok", "source": "catalogue"},
        {"key": "ngoại hạng anh", "category": None, "status": "abstained", "source": None},
    ]
    assert table.column("key").to_pylist() == [text for text, _ in ROWS]


def test_reading_what_is_known_asks_nobody(root: Path) -> None:
    with posing.server() as served:
        keys, cascade = distinct_keys(ROWS), tiers(root, posing.gemini(served))
        assert {answer.status for answer in known_answers(keys.asked, cascade, posing.new_store(root), {})} == {
            "pending"
        }
        assert len(served.records) == 0


def test_the_budget_is_shared_by_the_models_of_a_cascade(root: Path) -> None:
    with posing.server() as first, posing.server() as second:
        keys = distinct_keys(
            [(f"từ toxic {number}", 1) for number in range(40)]
        )  # the first model answers none of them
        models = [posing.gemini(first, price=posing.PRICE), posing.openai(second, price=posing.PRICE)]
        found = answer_keys(
            keys, tiers(root, *models), posing.new_store(root), {}, root, posing.as_written, budget=Budget(usd=0.01)
        )
        assert found.stopped is not None
        assert 0.005 < sum(report.usd for report in found.reports) <= 0.01
        assert first.billed_usd + second.billed_usd <= 0.01


# the bill


def test_the_bill_counts_only_what_is_new_and_comes_near_the_truth(root: Path) -> None:
    with posing.server() as served:
        keys = distinct_keys([(f"từ khoá {number}", 1) for number in range(1_000)] + [("sao băng", 9)])
        cascade, store = tiers(root, CATALOGUE, posing.gemini(served, requests_per_minute=10)), posing.new_store(root)
        free, paid = estimate(keys.asked, cascade, store, {}, root)
        assert (free.keys, free.to_ask, free.requests, free.usd) == (1_001, 1_001, 0, 0.0)
        assert (paid.source, paid.keys, paid.known, paid.to_ask, paid.requests) == (
            "gemini gemini-2.5-flash",
            1_000,
            0,
            1_000,
            20,
        )
        assert paid.minutes == pytest.approx(2.0)
        assert len(served.records) == 0
        unhurried = tiers(root, CATALOGUE, posing.gemini(served))
        report = answer_keys(keys, unhurried, store, {}, root, posing.as_written).reports[1]
        assert paid.usd is not None
        assert report.usd / 2 < paid.usd < report.usd * 2
        assert [bill.to_ask for bill in estimate(keys.asked, unhurried, store, {}, root)] == [0, 0]


@pytest.mark.parametrize("kind", [posing.gemini, posing.anthropic])
@pytest.mark.parametrize(("first", "faults"), [(60, [None]), (400, [None, None, "missing"])])
def test_the_bill_of_a_second_run_goes_by_what_the_first_one_took(
    root: Path, kind: Any, first: int, faults: Any
) -> None:
    with posing.server(thinks=900, script=faults * 200) as served:
        model = kind(served, thinking="medium") if kind is posing.gemini else kind(served, effort="medium")
        cascade, store = tiers(root, model), posing.new_store(root)
        before = distinct_keys([(f"từ khoá {number}", 1) for number in range(first)])
        assert estimate(before.asked, cascade, store, {}, root)[0].assumed_thoughts > 0
        answer_keys(before, cascade, store, {}, root, posing.as_written)
        after = distinct_keys([(f"phim truyện số {number}", 1) for number in range(900)])
        (bill,) = estimate(after.asked, cascade, store, {}, root)
        report = answer_keys(after, cascade, store, {}, root, posing.as_written).reports[0]
        assert bill.usd == pytest.approx(report.usd, rel=0.25)
        assert bill.input_tokens == pytest.approx(report.input_tokens, rel=0.25)
        assert bill.output_tokens == pytest.approx(report.output_tokens, rel=0.25)
        assert (bill.counted_in > 0, bill.assumed_thoughts) == (True, 0)


def test_without_a_price_the_bill_says_so(root: Path) -> None:
    with posing.server() as served:
        (bill,) = estimate(distinct_keys(ROWS).asked, tiers(root, posing.openai(served)), None, {}, root)
        assert (bill.usd, bill.price_from, bill.to_ask) == (None, "", 3)


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"batch": 101}, "`batch: 101`"), ({"batch": 0}, "`batch: 0`"), ({"concurrency": 0}, "`concurrency: 0`")],
)
def test_impossible_settings_are_named(root: Path, settings: dict[str, int], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        tiers(root, Gemini(model="m", api_key="k", **settings))  # type: ignore[arg-type]
