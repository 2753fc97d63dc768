"""Asking services in a loop of its own, which a signal ends: what was answered is kept, and the leases are given back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from etlrun.stopping import cancelling

Result = TypeVar("Result")


def run_until_stopped(asking: Coroutine[Any, Any, Result]) -> Result:
    """What `asking` gives. Raises Stopped where a signal comes first."""

    async def ask() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.create_task(asking)

        def cancel_once() -> None:
            if not task.cancelling():  # a second time would disturb what the first one makes it tidy up
                task.cancel()

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop is closed: asking is over
                loop.call_soon_threadsafe(cancel_once)

        with cancelling(cancel):
            return await task

    return asyncio.run(ask())
