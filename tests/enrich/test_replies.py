"""Replies: what is taken of a model's text, and what never is."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import posing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etlrun.contracts.model import ModelReply
from etlrun.enrich.questions import Question, Sheet, write_sheet
from etlrun.enrich.replies import ReplyVerdict, judge

QUESTION = Question(posing.prompt(), {"model": "m"})
PLAIN = Question(posing.prompt(posing.TEXT.replace("canaries:", "examples:")), {"model": "m"})  # no canaries
KEYS = posing.keys(4)
SHEET = write_sheet(PLAIN, KEYS, random.Random(1))
RIGHT: list[dict[str, Any]] = [
    {"i": 0, "c": "Action"},
    {"i": 1, "c": "Comedy"},
    {"i": 2, "c": "Other"},
    {"i": 3, "c": "Sports"},
]


def taken(labels: Any, *, batch: str | None = None, ending: Any = "complete") -> ReplyVerdict:
    text = labels if isinstance(labels, str) else json.dumps({"batch": batch or SHEET.batch, "labels": labels})
    return judge(PLAIN, SHEET, ModelReply(text, ending, "STOP", None))


def labels_of(verdict: ReplyVerdict) -> dict[int, Any]:
    return {index: answer["category"] for index, answer in verdict.answers.items()}


ALL_RIGHT = {0: "Action", 1: "Comedy", 2: "Other", 3: "Sports"}


def test_a_right_answer_is_taken_whole() -> None:
    assert (labels_of(taken(RIGHT)), taken(RIGHT).fault) == (ALL_RIGHT, "")


def test_order_does_not_matter() -> None:
    assert labels_of(taken(RIGHT[::-1])) == ALL_RIGHT


def test_what_is_missing_shifts_nothing() -> None:
    verdict = taken([RIGHT[0], *RIGHT[2:]])
    assert (labels_of(verdict), verdict.fault) == ({0: "Action", 2: "Other", 3: "Sports"}, "incomplete")


def test_the_answer_to_another_batch_is_refused_whole() -> None:
    assert (taken(RIGHT, batch="ffffff").answers, taken(RIGHT, batch="ffffff").fault) == ({}, "other-batch")


@pytest.mark.parametrize("index", [4, -1, 999, "0", 0.0, True, None])
def test_an_unknown_index_is_refused(index: Any) -> None:
    assert labels_of(taken([*RIGHT[1:], {"i": index, "c": "Action"}])) == {1: "Comedy", 2: "Other", 3: "Sports"}


@pytest.mark.parametrize(
    "label", ["Sci-Fi", "action", "Action ", "", None, 1, ["Action"], {"a": 1}, "Actions and more"]
)
def test_what_is_not_a_label_is_never_taken(label: Any) -> None:
    assert labels_of(taken([{"i": 0, "c": label}, *RIGHT[1:]])) == {1: "Comedy", 2: "Other", 3: "Sports"}


def test_an_item_answered_in_two_ways_is_not_answered() -> None:
    assert 0 not in labels_of(taken([*RIGHT, {"i": 0, "c": "Sports"}]))
    assert 0 not in labels_of(taken([{"i": 0, "c": "Sci-Fi"}, *RIGHT]))
    assert 0 not in labels_of(taken([*RIGHT, {"i": 0, "c": "Sports"}, RIGHT[0]]))


def test_an_item_answered_twice_alike_is_answered() -> None:
    assert labels_of(taken([*RIGHT, RIGHT[0]])) == ALL_RIGHT


def test_an_object_with_the_same_field_twice_is_refused() -> None:
    text = json.dumps({"batch": SHEET.batch, "labels": RIGHT}).replace('"c": "Action"', '"c": "Action", "c": "Sports"')
    assert 0 not in labels_of(taken(text))


def test_an_answer_that_was_cut_off_is_taken_as_far_as_it_goes() -> None:
    text = json.dumps({"batch": SHEET.batch, "labels": RIGHT})
    whole = taken(text, ending="truncated")
    assert labels_of(whole) == ALL_RIGHT
    for length in range(len(text)):
        verdict = taken(text[:length], ending="truncated")
        assert labels_of(verdict).items() <= ALL_RIGHT.items()
        assert verdict.fault == ("" if labels_of(verdict) == ALL_RIGHT else "truncated")
    assert labels_of(taken(text[: text.index("Sports")], ending="truncated")) == {0: "Action", 1: "Comedy", 2: "Other"}


def test_an_answer_in_a_fence_is_read() -> None:
    assert labels_of(taken("```json\n" + json.dumps({"batch": SHEET.batch, "labels": RIGHT}) + "\n```")) == ALL_RIGHT


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "Sorry, I cannot.", '{"labels": []}', '{"batch": 1, "labels": []}', '{"batch":"x"}', "{" * 50],
)
def test_what_is_no_answer_is_unreadable(text: str) -> None:
    assert (taken(text).answers, taken(text).fault) == ({}, "unreadable")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["batch", "labels", "i", "c", "x"]), inner),
)


@given(st.text() | ANYTHING)
def test_no_text_whatever_breaks_the_reading_or_is_taken(found: Any) -> None:
    text = found if isinstance(found, str) else json.dumps(found)
    assert taken(text).answers == {}


def with_canaries(change: Any) -> ReplyVerdict:
    sheet = write_sheet(QUESTION, KEYS, random.Random(2))
    items = [{"i": index, "c": "Action"} for index in range(len(sheet.items))]
    for index, answer in sheet.canaries.items():
        items[index]["c"] = answer["category"]
    text = json.dumps({"batch": sheet.batch, "labels": change(sheet, items)})
    return judge(QUESTION, sheet, ModelReply(text, "complete", "STOP", None))


def test_canaries_are_no_answers() -> None:
    assert labels_of(with_canaries(lambda sheet, items: items)) == dict.fromkeys(range(4), "Action")


def test_a_missed_canary_refuses_the_whole_answer() -> None:
    def miss(sheet: Sheet, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        items[next(iter(sheet.canaries))]["c"] = "Romance"
        return items

    missed = with_canaries(miss)
    assert (missed.answers, missed.fault) == ({}, "canary")
    assert re.fullmatch(r"the canary `.+` is \w+, but the model answers Romance", missed.reason)


def test_an_answer_that_skips_every_canary_is_refused() -> None:
    skipped = with_canaries(lambda sheet, items: [item for item in items if item["i"] not in sheet.canaries])
    assert (skipped.answers, skipped.fault) == ({}, "canary")


def spoilt(change: Any, *, cut: int = 0, more: str = "", ending: Any = "complete") -> ReplyVerdict:
    """The verdict on an answer whose canaries are right until `change`, written without its last `cut` letters and with `more`."""
    sheet = write_sheet(QUESTION, KEYS, random.Random(2))
    items = [{"i": index, "c": "Action"} for index in range(len(sheet.items))]
    for index, answer in sheet.canaries.items():
        items[index]["c"] = answer["category"]
    text = json.dumps({"batch": sheet.batch, "labels": change(sheet, items)})
    return judge(QUESTION, sheet, ModelReply(text[: len(text) - cut] + more, ending, "STOP", None))


def without_canaries(sheet: Sheet, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item["i"] not in sheet.canaries]


def without_one(sheet: Sheet, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for item in items if item["i"] != min(sheet.canaries)]


def right_and_wrong(sheet: Sheet, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*items, {"i": min(sheet.canaries), "c": "Romance"}]


def both_right_and_wrong(sheet: Sheet, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*items, *({"i": index, "c": "Romance"} for index in sheet.canaries)]


def with_no_labels(sheet: Sheet, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**item, "c": "pwned"} if item["i"] in sheet.canaries else item for item in items]


@pytest.mark.parametrize("change", [without_canaries, both_right_and_wrong, with_no_labels])
@pytest.mark.parametrize(("cut", "more"), [(0, ""), (2, ""), (0, " hi")])
def test_no_way_of_dodging_a_canary_brings_an_answer(change: Any, cut: int, more: str) -> None:
    verdict = spoilt(change, cut=cut, more=more)
    assert (verdict.answers, verdict.fault) == ({}, "canary")


@pytest.mark.parametrize("change", [without_one, right_and_wrong])
def test_a_reply_that_stumbles_over_one_canary_is_taken_where_the_other_is_right(change: Any) -> None:
    assert labels_of(spoilt(change)) == dict.fromkeys(range(4), "Action")


@pytest.mark.parametrize("change", [both_right_and_wrong, with_no_labels])
def test_spoilt_canaries_refuse_even_a_reply_that_was_cut_off(change: Any) -> None:
    assert (spoilt(change, cut=2, ending="truncated").answers, spoilt(change, cut=2, ending="truncated").fault) == (
        {},
        "canary",
    )


def test_a_reply_that_leaves_canaries_out_is_refused_although_it_was_cut_off() -> None:
    verdict = spoilt(without_canaries, cut=2, ending="truncated")
    assert (verdict.answers, verdict.fault) == ({}, "canary")


def test_what_comes_before_the_cut_counts_where_a_canary_is_among_it_and_not_otherwise() -> None:
    for seed in range(20):
        sheet = write_sheet(QUESTION, KEYS, random.Random(seed))
        items = [{"i": index, "c": "Action"} for index in range(len(sheet.items))]
        for index, answer in sheet.canaries.items():
            items[index]["c"] = answer["category"]
        for kept in range(1, len(items)):
            text = json.dumps({"batch": sheet.batch, "labels": items[:kept]})[:-2]
            verdict = judge(QUESTION, sheet, ModelReply(text, "truncated", "MAX_TOKENS", None))
            vouched = min(sheet.canaries) < kept
            labels = {place: "Action" for place in sheet.items[:kept] if place is not None} if vouched else {}
            assert (labels_of(verdict), verdict.fault) == (labels, "truncated" if len(labels) < len(KEYS) else "")


def test_a_blocked_reply_brings_nothing_even_with_text() -> None:
    text = json.dumps({"batch": SHEET.batch, "labels": RIGHT})
    assert judge(PLAIN, SHEET, ModelReply(text, "blocked", "SAFETY", None)).answers == {}


def test_every_output_of_an_item_must_be_allowed() -> None:
    text = "---\ntask: t\noutput:\n  a: {labels: {x: one, y: two}}\n  n: {number: {min: 0, max: 1}}\n  t: {string: {max: 3}}\n  b: {boolean: true}\n  l: {labels: {x: one, y: two}, many: true}\n---\n"
    question = Question(posing.prompt(text), {})
    sheet = write_sheet(question, KEYS, random.Random(1))
    right = {"a": "x", "n": 0.5, "t": "abc", "b": True, "l": "x|y"}
    bad = [
        {"l": []},
        {"l": ["x", "z"]},
        {"l": ["x", 1]},
        {"l": {"x": 1}},
        {"l": "z"},
        {"a": "z"},
        {"n": 2},
        {"n": True},
        {"n": float("nan")},
        {"t": "abcd"},
        {"t": "a\n"},
        {"t": 1},
        {"b": "true"},
    ]
    for change in bad:
        labels = [{"i": 0, **right, **change}, {"i": 1, **right, "l": ["y", "x", "y"]}]
        verdict = judge(
            question, sheet, ModelReply(json.dumps({"batch": sheet.batch, "labels": labels}), "complete", "STOP", None)
        )
        assert verdict.answers == {1: right}
    missing = json.dumps({"batch": sheet.batch, "labels": [{"i": 0, "a": "x", "n": 0.5, "t": "a"}]})
    assert judge(question, sheet, ModelReply(missing, "complete", "STOP", None)).answers == {}
