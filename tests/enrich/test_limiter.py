"""The limiter, in virtual time: no limit and no cap is ever passed, and everybody heeds a quota."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from virtual_time import run

from etlrun.enrich.limiter import CapReached, Closed, Limiter, Limits


def limiter(cap: float | None = None, *, seed: int = 0, concurrency: int = 8, **limits: int) -> Limiter:
    """A limiter of a run whose model is known."""
    made = Limiter(Limits(concurrency=concurrency, **limits), cap, random.Random(seed))  # type: ignore[arg-type]
    made.introduced()
    return made


def now() -> float:
    return asyncio.get_running_loop().time()


async def many(limits: Limiter, count: int, tokens: int = 100, seconds: float = 1.0) -> list[float]:
    """Send `count` requests as fast as is allowed; gives the times they were sent at."""
    sent: list[float] = []

    async def one() -> None:
        slot = await limits.enter(tokens, 0.0)
        sent.append(now())
        await asyncio.sleep(seconds)
        slot.settle(tokens, 0.0)

    await asyncio.gather(*(one() for _ in range(count)))
    return sent


def most_within(times: Sequence[float], seconds: float) -> int:
    return max(sum(start <= time < start + seconds for time in times) for start in times)


def test_no_more_requests_are_under_way_than_allowed() -> None:
    assert most_within(run(many(limiter(concurrency=5), 40)), 1.0) == 5


def test_no_minute_holds_more_requests_than_allowed() -> None:
    times = run(many(limiter(requests_per_minute=30), 100))
    assert most_within(times, 60) <= 30
    assert max(times) == pytest.approx(99 * 2)


def test_no_minute_holds_more_tokens_than_allowed() -> None:
    times = run(many(limiter(tokens_per_minute=1_000), 50, tokens=100))
    assert most_within(times, 60) <= 10


def test_tokens_that_were_not_needed_are_given_back() -> None:
    async def work() -> float:
        limits = limiter(tokens_per_minute=1_000)
        (await limits.enter(1_000, 0.0)).settle(10, 0.0)
        await limits.enter(10, 0.0)
        return now()

    assert run(work()) < 1


def test_a_quota_holds_everybody_for_what_the_service_asked() -> None:
    async def work() -> list[float]:
        limits = limiter()
        slot = await limits.enter(1, 0.0)
        limits.pause(slot, 40.0)
        slot.settle(None, 0.0)
        return await many(limits, 20)

    assert min(run(work())) == 40.0


def test_the_rate_falls_by_a_third_and_creeps_back() -> None:
    async def work() -> tuple[float, float]:
        limits = limiter()
        limits.pause(await limits.enter(1, 0.0), 1.0)
        fallen = limits.rate
        for _ in range(100):
            limits.answered()
        return fallen, limits.rate

    assert run(work()) == (0.7, 1.0)


def test_requests_sent_before_a_pause_do_not_slow_the_rate_again() -> None:
    async def work() -> tuple[float, int]:
        limits = limiter()
        slots = [await limits.enter(1, 0.0) for _ in range(5)]
        for slot in slots:
            limits.pause(slot, 2.0)
        return limits.rate, limits.pauses

    assert run(work()) == (0.7, 1)


def test_without_a_word_from_the_service_the_wait_is_random_below_a_ceiling_that_doubles() -> None:
    async def work() -> list[list[float]]:
        limits = limiter()
        return [[limits.backoff(tries) for _ in range(300)] for tries in (1, 2, 5, 50)]

    waits = run(work())
    assert [max(found) <= ceiling for found, ceiling in zip(waits, (0.5, 1.0, 8.0, 60.0))] == [True] * 4
    assert [min(found) < ceiling / 10 for found, ceiling in zip(waits, (0.5, 1.0, 8.0, 60.0))] == [True] * 4


@pytest.mark.parametrize("seed", range(20))
def test_the_cap_holds_with_whatever_is_under_way(seed: int) -> None:
    async def work() -> tuple[float, float, int]:
        chance = random.Random(seed)
        limits = limiter(1.0, concurrency=32, seed=seed)
        highest, refused = 0.0, 0

        async def one() -> None:
            nonlocal highest, refused
            worst = chance.uniform(0.01, 0.08)
            try:
                slot = await limits.enter(1, worst)
            except CapReached:
                refused += 1
                return
            await asyncio.sleep(chance.uniform(0, 5))
            highest = max(highest, limits.spent + limits.reserved)
            slot.settle(1, chance.uniform(0, worst))
            highest = max(highest, limits.spent)

        await asyncio.gather(*(one() for _ in range(300)))
        return limits.spent, highest, refused

    spent, highest, refused = run(work())
    assert highest <= 1.0 + 1e-9
    assert refused > 0
    assert spent > 0.85  # what others gave back was used


def test_a_request_waits_for_money_that_others_may_give_back() -> None:
    async def work() -> float:
        limits = limiter(1.0)
        first = await limits.enter(1, 0.9)
        asyncio.get_running_loop().call_later(7, first.settle, 1, 0.1)
        await limits.enter(1, 0.5)
        return now()

    assert run(work()) == 7.0


def test_closing_wakes_whoever_waits() -> None:
    async def work() -> float:
        limits = limiter()
        limits.pause(await limits.enter(1, 0.0), 3_000.0)
        asyncio.get_running_loop().call_later(5, limits.close)
        with pytest.raises(Closed):
            await limits.enter(1, 0.0)
        await limits.sleep(100.0)
        return now()

    assert run(work()) == 5.0


def test_a_slot_is_given_back_once() -> None:
    async def work() -> tuple[int, float]:
        limits = limiter(1.0)
        slot = await limits.enter(1, 0.5)
        slot.settle(1, 0.2)
        slot.settle(1, 0.2)
        return limits.in_flight, limits.spent

    assert run(work()) == (0, 0.2)


def test_a_service_that_costs_more_than_it_may_is_found_out_by_one_request() -> None:
    async def scenario() -> tuple[float, int, bool]:
        found, sent = limiter(0.5), 0

        async def one() -> None:
            nonlocal sent
            slot = await found.enter(100, 0.01)
            sent += 1
            await asyncio.sleep(1)
            slot.settle(100, 1.0)

        ended = await asyncio.gather(*(one() for _ in range(6)), return_exceptions=True)
        assert [type(error) for error in ended if error] == [CapReached] * 5
        return found.spent, sent, found.is_overspent

    assert run(scenario()) == (1.0, 1, True)
