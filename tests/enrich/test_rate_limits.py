"""What services say of their limits beside each reply: requests keep to it before any is refused, whatever stands there."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import posing
import pytest
from virtual_time import run

from etlrun.contracts.model import Allowance
from etlrun.enrich.limiter import Limiter, Limits
from etlrun.models._rate_limits import ANTHROPIC, OPENAI, allowances, seconds_to_wait


def headers(limit: str, left: str, reset: str) -> dict[str, str]:
    told = {"limit": limit, "remaining": left, "reset": reset}
    return {OPENAI["requests"].format(word): text for word, text in told.items()}


def now() -> float:
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("0h2m3.5s", 123.5),
        ("2m59.56s", 179.56),
        ("12", 12.0),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_read_as_services_write_it(reset: str, seconds: float) -> None:
    assert allowances(headers("60", "59", reset), OPENAI) == (Allowance("requests", 60, 59, pytest.approx(seconds)),)


def test_a_time_is_read_as_the_seconds_until_then() -> None:
    later = (datetime.now(UTC) + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    told = {"limit": "50000", "remaining": "100", "reset": later}
    (found,) = allowances({ANTHROPIC["input tokens"].format(word): text for word, text in told.items()}, ANTHROPIC)
    assert (found.counted, found.limit, found.left) == ("input tokens", 50_000, 100)
    assert 29 < found.seconds <= 30


@pytest.mark.parametrize(
    ("limit", "left", "reset"),
    [
        ("0", "0", "1s"),
        ("-5", "3", "1s"),
        ("nan", "3", "1s"),
        ("1e9", "3", "1s"),
        ("60", "many", "1s"),
        ("60", "-1", "1s"),
        ("60", "1", "soon"),
        ("60", "1", ""),
        ("60", "1", "inf"),
        ("60", "1", "9999999h"),
        ("٦٠", "1", "1s"),
        ("60", "1", "99999-01-01T00:00:00Z"),
    ],
)
def test_what_makes_no_sense_counts_as_nothing(limit: str, left: str, reset: str) -> None:
    assert allowances(headers(limit, left, reset), OPENAI) == ()


def test_no_value_is_above_a_bound() -> None:
    assert allowances(headers("9" * 18, "9" * 18, "999999h"), OPENAI) == (
        Allowance("requests", 2**31 - 1, 2**31 - 1, 3600.0),
    )
    assert allowances(headers("60", "1", "9999-12-31T23:59:59Z"), OPENAI) == (Allowance("requests", 60, 1, 3600.0),)
    assert allowances(headers("60", "1", "0001-01-01T00:00:00"), OPENAI) in ((), (Allowance("requests", 60, 1, 0.0),))


def test_a_refusal_waits_until_one_request_is_there_again() -> None:
    assert seconds_to_wait(headers("60", "0", "60s"), OPENAI) == 1.0
    assert seconds_to_wait({**headers("60", "0", "60s"), "retry-after": "7"}, OPENAI) == 7.0
    assert seconds_to_wait(headers("60", "3", "60s"), OPENAI) is None


@pytest.mark.parametrize("counted", ["requests", "tokens", "input tokens"])
@pytest.mark.parametrize("seed", range(5))
def test_no_request_is_refused_that_the_service_said_it_would_not_take(counted: Any, seed: int) -> None:
    """A service that takes 20 requests, and 2 more each second; every answer takes a while of its own."""
    each = {"requests": 1, "tokens": 150, "input tokens": 100}[counted]
    limit = 20 * each

    async def work() -> tuple[int, float]:
        chance, limits = random.Random(seed), Limiter(Limits(concurrency=16), None, random.Random(seed))
        level, at, refused = float(limit), now(), 0

        async def one() -> None:
            nonlocal level, at, refused
            slot = await limits.enter(100, 0.0, 50)
            level, at = min(limit, level + 2 * each * (now() - at)), now()
            refused += level < each
            level -= each
            said = Allowance(counted, limit, max(0, int(level)), (limit - level) / (2 * each))
            await asyncio.sleep(chance.uniform(0.1, 3))
            limits.learn(slot, (said,))
            limits.introduced()
            slot.settle(100, 0.0)

        await asyncio.gather(*(one() for _ in range(100)))
        return refused, now()

    refused, took = run(work())
    assert refused == 0
    assert took < 60  # of the 40 that the service itself takes


def test_a_service_that_says_nothing_is_left_waits_a_minute_at_most_between_requests() -> None:
    async def work() -> float:
        limits = Limiter(Limits(), None, random.Random(0))
        for _ in range(3):
            slot = await limits.enter(1_000_000, 0.0, 1_000_000)
            limits.learn(
                slot, [Allowance(counted, 2**31 - 1, 0, 3600.0) for counted in ("requests", "tokens", "input tokens")]
            )
            slot.settle(1, 0.0)
        await limits.enter(1, 0.0)
        return now()

    assert run(work()) <= 180


def test_a_request_above_the_whole_limit_is_sent_all_the_same() -> None:
    async def work() -> float:
        limits = Limiter(Limits(), None, random.Random(0))
        slot = await limits.enter(10, 0.0)
        limits.learn(slot, [Allowance("tokens", 1_000, 0, 10.0)])
        slot.settle(10, 0.0)
        await limits.enter(5_000, 0.0)
        return now()

    assert run(work()) == pytest.approx(10.0)


@pytest.mark.parametrize("kind", [posing.openai, posing.anthropic])
def test_requests_keep_to_the_headers_of_the_service(kind: Any, tmp_path: Path) -> None:
    """10 at once and 40 a second: sixteen at a time would be refused most of the time."""
    with posing.server(allows=(10, 0.25)) as served, closing(posing.new_store(tmp_path)) as store:
        began = time.monotonic()
        report = posing.pose(kind(served), posing.keys(40), store, posing.terms(batch=1))
        assert report.ok == 40
        assert served.refused <= 3, report.outcomes
        assert time.monotonic() - began > 0.7
