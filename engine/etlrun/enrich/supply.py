"""Supplies keys to ask: they are leased from the label store a few batches ahead, so that no other process pays for them too."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from etlrun.enrich.batches import Batch
from etlrun.enrich.keys import Key
from etlrun.enrich.store import Leased

AHEAD = 20  # batches leased at a time
POLL = 0.5  # seconds between checks of keys that another process is asking

Lease = Callable[[Sequence[str]], Awaitable[Leased]]


class Supply:
    """Returns batches in the order of the keys; at the end it waits for keys that another process is asking.

    It does not wait for keys of an open job, which may take a day. `at_work` counts them.
    """

    def __init__(self, keys: Sequence[Key], size: int, lease: Lease, pause: Callable[[float], Awaitable[None]]) -> None:
        self.keys = keys
        self.size = size
        self.lease = lease
        self.pause = pause
        self.position = 0
        self.ready: list[Key] = []
        self.elsewhere: list[Key] = []
        self.by_others = 0
        self.at_work = 0
        self.is_closed = False
        self.lock = asyncio.Lock()

    async def take(self) -> Batch | None:
        """The next batch; None if nothing is left."""
        async with self.lock:
            while not self.is_closed and len(self.ready) < self.size and await self._fetch():
                pass
            if self.is_closed or not self.ready:
                return None
            batch, self.ready = self.ready[: self.size], self.ready[self.size :]
            return Batch(tuple(batch))

    def close(self) -> None:
        """Return no more batches."""
        self.is_closed = True

    async def _fetch(self) -> bool:
        """Lease some more keys; false if no more can be leased until the ready batches are used."""
        if self.position < len(self.keys):
            chunk = self.keys[self.position : self.position + self.size * AHEAD]
            self.position += len(chunk)
            await self._lease(chunk)
            return True
        if not self.elsewhere or self.ready:
            return False
        chunk, self.elsewhere = self.elsewhere, []
        await self.pause(POLL)
        if not self.is_closed:
            await self._lease(chunk)
        return True

    async def _lease(self, chunk: Sequence[Key]) -> None:
        by_name = {key.normal: key for key in chunk}
        leased = await self.lease(list(by_name))
        self.ready += (by_name[name] for name in leased.ours)
        self.elsewhere += (by_name[name] for name in leased.others)
        self.by_others += len(leased.settled)
        self.at_work += len(leased.at_work)
