"""Runs asking in an event loop that a signal can end: answers are kept, and leases are released."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from etlrun.stopping import cancelling

Result = TypeVar("Result")


def run_until_stopped(asking: Coroutine[Any, Any, Result]) -> Result:
    """The result of `asking`. Raises Stopped if a signal comes first."""

    async def ask() -> Result:
        loop, task = asyncio.get_running_loop(), asyncio.create_task(asking)

        def cancel_once() -> None:
            if not task.cancelling():  # a second signal would disturb the cleanup of the first
                task.cancel()

        def cancel() -> None:
            with suppress(RuntimeError):  # the loop is closed, since asking has ended
                loop.call_soon_threadsafe(cancel_once)

        with cancelling(cancel):
            return await task

    return asyncio.run(ask())
