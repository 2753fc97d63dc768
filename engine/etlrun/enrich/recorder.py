"""The recorder: commits every reply before its worker continues; replies that arrive during a write share the next transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from etlrun.enrich.store import RequestEntry


class Recorder:
    """Writes entries in the thread of `executor`, one transaction at a time."""

    def __init__(self, write: Callable[[Sequence[RequestEntry]], None], executor: Executor) -> None:
        self.write = write
        self.executor = executor
        self.waiting: list[tuple[RequestEntry, asyncio.Future[None]]] = []
        self.writing: asyncio.Task[None] | None = None

    async def commit(self, entry: RequestEntry) -> None:
        """Wait until `entry` is committed. Raises the errors of the store."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((entry, done))
        if self.writing is None:
            self.writing = asyncio.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        try:
            while self.waiting:
                now, self.waiting = self.waiting, []
                written = asyncio.get_running_loop().run_in_executor(
                    self.executor, self.write, [entry for entry, _ in now]
                )
                await asyncio.wait((written,))
                _settle(now, written.exception())
        finally:
            self.writing = None


def _settle(now: Sequence[tuple[RequestEntry, asyncio.Future[None]]], error: BaseException | None) -> None:
    for _, done in now:
        if done.done():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
