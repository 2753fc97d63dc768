"""Renews the leases of this process while it works."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from etlrun.enrich._owner import LIFE
from etlrun.enrich.store import Store
from etlrun.failures import RunFailure

Call = Callable[..., asyncio.Future[Any]]


@contextlib.asynccontextmanager
async def alive(store: Store, call: Call) -> AsyncIterator[None]:
    """Renew this process's leases during the block; `call` runs a function in the store's thread."""
    await call(store.heartbeat)
    beating = asyncio.create_task(_keep_beating(store, call))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.shield(call(store.release))


async def _keep_beating(store: Store, call: Call) -> None:
    while True:
        await asyncio.sleep(LIFE / 4)
        with contextlib.suppress(RunFailure):  # the next commit will report it
            await call(store.heartbeat)
