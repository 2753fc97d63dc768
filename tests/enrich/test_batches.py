"""Batches: asking always ends, and a key is given up only for a reason of its own."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import posing
from hypothesis import given
from hypothesis import strategies as st

from etlrun.contracts.model import ModelError
from etlrun.enrich.batches import TRIES, Batch, FollowUp, after_error, after_verdict
from etlrun.enrich.replies import Fault, ReplyVerdict

KEYS = tuple(posing.keys(50))
FAULTS = [fault for fault in get_args(Fault) if fault]


def run_down(batch: Batch, outcome: object) -> tuple[list[FollowUp], int]:
    """Follow a batch with the same outcome for ever, or until it ends."""
    waiting, done = [batch], []
    while waiting:
        batch = waiting.pop()
        if isinstance(outcome, ModelError):
            follow_up = after_error(batch, outcome, was_answered_before=True)
        else:
            assert isinstance(outcome, ReplyVerdict)
            follow_up = after_verdict(batch, outcome)
        done.append(follow_up)
        waiting.extend(follow_up.again)
        assert len(done) < 2_000
    return done, len(done)


@given(st.data())
def test_asking_ends_whatever_happens_and_settles_every_key_once(data: st.DataObject) -> None:
    waiting, settled, requests = [Batch(KEYS[: data.draw(st.integers(1, 50))])], Counter[str](), 0
    wanted = set(waiting[0].keys)
    while waiting:
        batch = waiting.pop()
        requests += 1
        if data.draw(st.booleans()):
            cause = data.draw(st.sampled_from(["service", "unreadable", "refused"]))
            follow_up = after_error(batch, ModelError(cause, "x"), was_answered_before=data.draw(st.booleans()))  # type: ignore[arg-type]
            answered: set[int] = set()
        else:
            fault = data.draw(st.sampled_from(FAULTS))
            may_answer = fault in ("truncated", "incomplete")
            answered = (
                data.draw(st.sets(st.integers(0, len(batch.keys) - 1), max_size=len(batch.keys) - 1))
                if may_answer
                else set()
            )
            follow_up = after_verdict(batch, ReplyVerdict({index: {} for index in answered}, fault, Counter(), "why"))
        settled.update(batch.keys[index].normal for index in answered)
        settled.update(lost.key.normal for lost in follow_up.given_up)
        waiting.extend(follow_up.again)
        assert requests <= 4 * len(wanted) * TRIES
    assert settled == Counter(key.normal for key in wanted)


def test_a_block_is_halved_down_to_single_keys_which_are_refused() -> None:
    done, requests = run_down(Batch(KEYS), ReplyVerdict({}, "blocked", Counter(), "SAFETY"))
    lost = [lost for follow_up in done for lost in follow_up.given_up]
    assert {entry.status for entry in lost} == {"refused"}
    assert {entry.reason for entry in lost} == {"blocked: SAFETY"}
    assert (len(lost), requests) == (50, 99)


def test_what_never_becomes_readable_fails_after_six_tries() -> None:
    done, _ = run_down(Batch(KEYS[:1]), ReplyVerdict({}, "unreadable", Counter()))
    assert len(done) == TRIES
    assert [lost.status for lost in done[-1].given_up] == ["failed"]


def test_an_outage_is_tried_six_times_and_not_halved() -> None:
    done, requests = run_down(Batch(KEYS), ModelError("service", "503"))
    assert requests == TRIES
    assert {lost.status for lost in done[-1].given_up} == {"failed"}


def test_one_key_that_breaks_every_answer_costs_few_others() -> None:
    waiting, lost = [Batch(KEYS)], []
    while waiting:
        batch = waiting.pop()
        if KEYS[17] in batch.keys:
            follow_up = after_verdict(batch, ReplyVerdict({}, "unreadable", Counter()))
            waiting.extend(follow_up.again)
            lost.extend(follow_up.given_up)
    assert KEYS[17] in {entry.key for entry in lost}
    assert len(lost) <= 4


def test_a_quota_costs_no_try() -> None:
    assert after_error(Batch(KEYS, 3, 2), ModelError("rate", "429"), was_answered_before=True) == FollowUp(
        (Batch(KEYS, 3, 2),)
    )


def test_outages_leave_the_tries_of_an_answer_alone() -> None:
    assert after_error(Batch(KEYS, 3, 2), ModelError("service", "503"), was_answered_before=True) == FollowUp(
        (Batch(KEYS, 3, 3),)
    )


def test_a_request_refused_before_anything_was_answered_fails_rather_than_blames_the_key() -> None:
    batch = Batch(KEYS[:1])
    for _ in range(TRIES - 1):
        (batch,) = after_error(batch, ModelError("refused", "400"), was_answered_before=False).again
    assert after_error(batch, ModelError("refused", "400"), was_answered_before=False).given_up[0].status == "failed"
    assert after_error(batch, ModelError("refused", "400"), was_answered_before=True).given_up[0].status == "refused"
