"""Submits a job exactly once: it is stored before, and found again after a lost connection or a killed process."""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from etlrun.contracts.job_client import JobClient, JobRequest, SoughtJob, Undecided
from etlrun.contracts.model import ModelError
from etlrun.enrich.heartbeat import Call
from etlrun.enrich.jobs import Job, JobSheet
from etlrun.enrich.limiter import LONGEST_WAIT
from etlrun.enrich.store import Store

TRIES = 5  # attempts of a call if a service is too busy
UNSURE = ("service", "unreadable")  # errors after which the call may have been executed nevertheless
PASSING = ("rate", *UNSURE)

Pause = Callable[[float], Awaitable[None]]
Made = TypeVar("Made")


class JobSubmitter:
    """Submits jobs to one service, and finds submitted ones."""

    def __init__(self, client: JobClient, store: Store, call: Call, pause: Pause, first_wait: float) -> None:
        self.client = client
        self.store = store
        self.call = call
        self.pause = pause
        self.first_wait = first_wait

    async def hand_in(self, job: Job, sheets: Sequence[JobSheet]) -> None:
        """Submit an intended job. It stays intended if the service cannot say yet whether it was accepted.

        Raises ModelError: then the job is removed from the store or, if it may have been accepted, stays intended.
        """
        requests = [JobRequest(sheet.sheet.batch, sheet.sheet.request) for sheet in sheets]
        for attempt in range(1, TRIES + 1):
            try:
                name: str | None = await self.client.submit(job.id, requests)
            except ModelError as error:
                try:
                    name = await self.find(job) if error.cause in UNSURE else None
                except Undecided:
                    return
                if name is None and (attempt == TRIES or error.cause not in PASSING):
                    await self.call(self.store.drop_job, job.id)
                    raise
                if name is None:
                    await self.pause(error.wait or self._wait(attempt))
            if name is not None:
                await self.call(self.store.name_job, job.id, name)
                return

    async def find_again(self, job: Job, settling: float) -> str | None:
        """Find the name of a job that was intended by a process that no longer exists.

        None if it was never submitted (then it is removed from the store), or if the service cannot say yet (then it is kept).
        The service's list counts only once the job would be `settling` seconds old. Raises ModelError.
        """
        await self.pause(job.at + settling - time.time())
        try:
            name = await self.find(job)
        except Undecided:
            return None
        if name is None:
            await self.call(self.store.drop_job, job.id)
        else:
            await self.call(self.store.name_job, job.id, name)
        return name

    async def find(self, job: Job) -> str | None:
        """The name of an intended job at the service. Raises ModelError, and Undecided."""
        others = frozenset(other.name for other in await self.call(self.store.jobs) if other.name)
        sought = SoughtJob(job.id, job.requests, job.at, others)
        return await self.retried(lambda: self.client.find(sought))

    async def retried(self, make: Callable[[], Awaitable[Made]]) -> Made:
        """The result of a read-only call, repeated while the service is busy. Raises ModelError."""
        for attempt in range(1, TRIES):
            try:
                return await make()
            except ModelError as error:
                if error.cause not in PASSING:
                    raise
                await self.pause(error.wait or self._wait(attempt))
        return await make()

    def _wait(self, attempt: int) -> float:
        return random.uniform(0, min(LONGEST_WAIT, self.first_wait * 2**attempt))
