"""Batches: decides which keys are asked again after a reply or a failure, and when a key is given up.

Every follow-up has fewer keys or more tries than its batch, and tries are limited, so asking always ends.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from etlrun.contracts.model import ModelError
from etlrun.enrich.keys import Key
from etlrun.enrich.replies import ReplyVerdict
from etlrun.enrich.store import Status

TRIES = 6  # replies without an answer for a key, or outages, after which the key has failed
TRIES_BEFORE_HALVING = 2  # unreadable replies after which a batch is halved


@dataclass(frozen=True)
class Batch:
    """Keys asked together, the number of replies without answers for them, and the number of outages."""

    keys: tuple[Key, ...]
    tries: int = 0
    outages: int = 0


@dataclass(frozen=True)
class GivenUp:
    """A key without an answer."""

    key: Key
    status: Status
    reason: str


@dataclass(frozen=True)
class FollowUp:
    """What comes after a request: batches to ask again, and keys given up."""

    again: tuple[Batch, ...] = ()
    given_up: tuple[GivenUp, ...] = ()


def after_verdict(batch: Batch, verdict: ReplyVerdict) -> FollowUp:
    """What to do about the keys that a reply left without an answer."""
    left = tuple(key for index, key in enumerate(batch.keys) if index not in verdict.answers)
    if not left:
        return FollowUp()
    if verdict.fault == "blocked":
        return _halves_or(replace(batch, keys=left), "refused", f"blocked: {verdict.reason}")
    if verdict.fault == "truncated" and verdict.answers:
        return FollowUp((replace(batch, keys=left),))
    tried = replace(batch, keys=left, tries=batch.tries + 1)
    if tried.tries >= TRIES:
        return FollowUp((), _all(tried, "failed", verdict.reason or verdict.fault))
    is_hopeless = verdict.fault in ("unreadable", "other-batch") and tried.tries >= TRIES_BEFORE_HALVING
    if len(left) > 1 and (verdict.fault in ("canary", "truncated") or is_hopeless):
        return FollowUp(_halves(tried))
    return FollowUp((tried,))


def after_error(batch: Batch, error: ModelError, *, was_answered_before: bool) -> FollowUp:
    """What to do about the keys of a request that failed.

    If a service refuses a request for its content, one key may be the cause: the batch is halved. Before the first answer, the cause may
    also be the form of the request, so a single key is tried again, and in the end it is `failed`, not `refused`.
    """
    if error.cause in ("rate", "day", "access", "model", "setup"):
        return FollowUp((batch,))
    if error.cause == "refused" and (was_answered_before or len(batch.keys) > 1):
        return _halves_or(batch, "refused", error.message)
    tried = replace(batch, outages=batch.outages + 1)
    if tried.outages >= TRIES:
        return FollowUp((), _all(tried, "failed", error.message))
    if error.cause == "unreadable" and tried.outages >= TRIES_BEFORE_HALVING and len(batch.keys) > 1:
        return FollowUp(_halves(tried))
    return FollowUp((tried,))


def _halves_or(batch: Batch, status: Status, reason: str) -> FollowUp:
    if len(batch.keys) > 1:
        return FollowUp(_halves(batch))
    return FollowUp((), _all(batch, status, reason))


def _halves(batch: Batch) -> tuple[Batch, ...]:
    middle = (len(batch.keys) + 1) // 2
    return tuple(replace(batch, keys=keys) for keys in (batch.keys[:middle], batch.keys[middle:]))


def _all(batch: Batch, status: Status, reason: str) -> tuple[GivenUp, ...]:
    return tuple(GivenUp(key, status, reason) for key in batch.keys)
