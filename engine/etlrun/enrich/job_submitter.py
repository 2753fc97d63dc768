"""Hand a job in, once: written down before, found again after a lost connection or a killed process, and never a second time."""

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

TRIES = 5  # of a call that a service was too busy for
UNSURE = ("service", "unreadable")  # a call that may have been carried out all the same
PASSING = ("rate", *UNSURE)

Pause = Callable[[float], Awaitable[None]]
Made = TypeVar("Made")


class JobSubmitter:
    """Hands jobs in at one service, and finds those that were."""

    def __init__(self, client: JobClient, store: Store, call: Call, pause: Pause, first_wait: float) -> None:
        self.client = client
        self.store = store
        self.call = call
        self.pause = pause
        self.first_wait = first_wait

    async def hand_in(self, job: Job, sheets: Sequence[JobSheet]) -> None:
        """Hand in an intended job, which stays intended where the service cannot say yet whether it was taken.

        Raises ModelError: the job is then gone from the store or, where nobody knows whether it was taken, intended.
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
        """The name of a job that a process, which is gone, intended.

        None where it was never handed in, and then it is gone from the store, or where the service cannot say yet, and then it is kept.
        A list of the service is believed only when the job would be `settling` seconds old. Raises ModelError.
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
        """What a call that changes nothing gives, which is repeated where the service was busy. Raises ModelError."""
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
