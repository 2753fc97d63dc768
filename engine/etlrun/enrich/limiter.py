"""The limiter of all requests of a run: delays requests that would exceed a limit of the account or the budget.

Time is the clock of the event loop, so that tests can control it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etlrun.contracts.model import Allowance, Counted
from etlrun.enrich.allowed import RemainingLimit

SLOWER = 0.7  # the remaining share of the rate after `too many requests`
CREEP = 0.01  # the share of the full rate that each answer restores
FIRST_WAIT = 0.5  # seconds; the largest first random wait, doubled each time
LONGEST_WAIT = 60.0
LEAST_WAIT = 1e-6  # shorter waits are rounding errors


@dataclass(frozen=True)
class Limits:
    """The limits of the account, and how long to wait. None means no limit."""

    concurrency: int = 16
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    first_wait: float = FIRST_WAIT
    longest_wait: float = LONGEST_WAIT


class Closed(Exception):
    """The limiter is closed: no more requests are allowed."""


class CapReached(Exception):
    """The next request could cost more than the rest of the budget."""


@dataclass
class RequestSlot:
    """The permission to send one request: what was reserved for it, and when."""

    limiter: Limiter
    tokens: int
    usd: float
    entered: float
    room: int = 0  # tokens of the answer at most
    is_open: bool = True

    def settle(self, tokens: int | None, usd: float) -> None:
        """Release the slot; `tokens` is the count of the service (None: not known), `usd` the cost of the request."""
        if self.is_open:
            self.is_open = False
            self.limiter.leave(self, self.tokens if tokens is None else tokens, usd)


class Limiter:
    """Lets requests through within the limits, in order of arrival."""

    def __init__(self, limits: Limits, cap_usd: float | None, chance: random.Random) -> None:
        self.limits = limits
        self.cap_usd = cap_usd
        self.chance = chance
        self.spent = 0.0
        self.reserved = 0.0
        self.in_flight = 0
        self.rate = 1.0  # the share of the limits in use
        self.pauses = 0  # since the last answer
        self.paused_until = 0.0
        self.last_pause = -1.0
        self.next_request = 0.0
        self.next_tokens = 0.0
        self.gate = asyncio.Lock()
        self.freed = asyncio.Event()
        self.closed = asyncio.Event()
        self.is_introduced = False  # whether it is known which model answers: until then requests are sent one by one
        self.is_proven = False  # whether it is known what a request costs
        self.allowed: dict[Counted, RemainingLimit] = {}  # the remaining limits in the service's last reply
        self.dearer = 1.0  # the highest ratio of a request's cost to its worst price

    async def enter(self, tokens: int, worst_usd: float, room: int = 0) -> RequestSlot:
        """Wait until a request may be sent with so many input tokens, `room` output tokens, and a cost of at most `worst_usd`.

        Raises CapReached if the budget is too small even if all requests under way turn out cheap, and Closed after `close`.
        """
        async with self.gate:
            await self._until_free()
            await self._until_paid(worst_usd)
            await self._until_due(_amounts(tokens, room))
            if self.closed.is_set():
                raise Closed
            now = _now()
            self.in_flight += 1
            self.reserved += worst_usd
            self._book(now, tokens)
            for counted, amount in _amounts(tokens, room).items():
                self.allowed.setdefault(counted, RemainingLimit()).take(amount, now)
            return RequestSlot(self, tokens, worst_usd, now, room=room)

    def leave(self, slot: RequestSlot, tokens: int, usd: float) -> None:
        """Take a slot back: see Slot.settle."""
        self.in_flight -= 1
        self.reserved = self.reserved - slot.usd if self.in_flight else 0.0
        self.spent += usd
        self.is_proven = True
        if slot.usd:
            self.dearer = max(self.dearer, usd / slot.usd)
        if self.limits.tokens_per_minute:
            self.next_tokens -= (slot.tokens - tokens) * 60 / (self.limits.tokens_per_minute * self.rate)
        self.freed.set()

    def learn(self, slot: RequestSlot, allowances: Sequence[Allowance]) -> None:
        """Use the limits that the service reported with its reply to the request of `slot`."""
        amounts = _amounts(slot.tokens, slot.room)
        for allowance in allowances:
            under_way = (self.in_flight - slot.is_open) * amounts[allowance.counted]
            self.allowed.setdefault(allowance.counted, RemainingLimit()).learn(
                allowance, slot.entered, under_way, _now()
            )

    def introduced(self) -> None:
        """The right model has answered: from now on, requests may be sent in parallel."""
        self.is_introduced = True

    def answered(self) -> None:
        """An answer arrived: raise the rate a little."""
        self.rate = min(1.0, self.rate + CREEP)
        self.pauses = 0

    def pause(self, slot: RequestSlot, wait: float | None) -> None:
        """The service answered `too many requests`: all requests wait `wait` seconds or, if it gave none, a random time.

        Replies to requests from before the last pause only prolong it; they do not slow the rate again.
        """
        is_news = slot.entered > self.last_pause
        if is_news:
            self.rate = max(0.01, self.rate * SLOWER)
            self.pauses += 1
            self.last_pause = _now()
        seconds = self.backoff(self.pauses) if wait is None else wait
        if is_news or wait is not None:
            self.paused_until = max(self.paused_until, _now() + seconds)

    def backoff(self, tries: int) -> float:
        """Seconds to wait after `tries` failures in a row: random, up to a limit that doubles (full jitter)."""
        ceiling = min(self.limits.longest_wait, self.limits.first_wait * 2 ** min(max(0, tries - 1), 20))
        return self.chance.uniform(0, ceiling)

    async def sleep(self, seconds: float) -> None:
        """Sleep, or until the limiter closes."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closed.wait(), seconds)

    def close(self) -> None:
        """Allow no more requests, and wake up waiting ones."""
        self.closed.set()
        self.freed.set()

    @property
    def lanes(self) -> int:
        """The number of requests that may be under way at the same time, at the current rate."""
        return max(1, int(self.limits.concurrency * self.rate)) if self.is_introduced else 1

    @property
    def is_overspent(self) -> bool:
        """Whether requests have cost more than the cap, although their worst prices were within it."""
        return self.cap_usd is not None and self.spent > self.cap_usd

    async def _until_free(self) -> None:
        while self.in_flight >= self.lanes and not self.closed.is_set():
            self.freed.clear()
            await self.freed.wait()

    async def _until_paid(self, worst_usd: float) -> None:
        if self.cap_usd is None:
            return
        while not self.closed.is_set():
            if self.is_proven or not self.in_flight:  # the first one shows whether the worst price is correct
                if self.spent + (self.reserved + worst_usd) * self.dearer <= self.cap_usd:
                    return
                if self.spent + worst_usd * self.dearer > self.cap_usd or not self.in_flight:
                    raise CapReached
            self.freed.clear()
            await self.freed.wait()

    async def _until_due(self, amounts: Mapping[Counted, int]) -> None:
        while not self.closed.is_set():
            now = _now()
            due = max(self.paused_until, self.next_request, self.next_tokens) - now
            allowed = (self.allowed[counted].wait(amounts[counted], now) for counted in self.allowed)
            seconds = max(due, *allowed, 0.0)
            if seconds < LEAST_WAIT:
                return
            await self.sleep(seconds)

    def _book(self, now: float, tokens: int) -> None:
        """Requests are spread evenly: the next one is due when its share of the minute has passed."""
        if self.limits.requests_per_minute:
            self.next_request = max(now, self.next_request) + 60 / (self.limits.requests_per_minute * self.rate)
        if self.limits.tokens_per_minute:
            self.next_tokens = max(now, self.next_tokens) + tokens * 60 / (self.limits.tokens_per_minute * self.rate)


def _amounts(tokens: int, room: int) -> dict[Counted, int]:
    """What a request uses of each limit."""
    return {"requests": 1, "tokens": tokens + room, "input tokens": tokens}


def _now() -> float:
    return asyncio.get_running_loop().time()
