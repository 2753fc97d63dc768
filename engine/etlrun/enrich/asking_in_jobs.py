"""The loop of batch mode: asks a language model in jobs that the service answers within a day, at half the price.

In each round it checks the open jobs of the question, reads the replies of ended ones, and submits the keys that are still open. The
first request of a run that submits jobs is sent directly, so that a wrong name or setting shows at once and not after a day; so are keys
that fit into one request. Jobs are in the label store: if a run ends or is killed while they are at work, the next run continues them.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from etlrun.contracts.job_client import JobClient
from etlrun.contracts.model import ModelError
from etlrun.enrich.asking import ask, settled_keys
from etlrun.enrich.batches import Batch
from etlrun.enrich.caps import all_requests_sent, money_used_up, too_many_keys, too_much_spent
from etlrun.enrich.heartbeat import Call, alive
from etlrun.enrich.job_replies import read_replies
from etlrun.enrich.job_sheets import SheetWriter, batches_of, of_these
from etlrun.enrich.job_stops import ended_badly, jobs_at_work, service_failed
from etlrun.enrich.job_submitter import JobSubmitter
from etlrun.enrich.jobs import Job, JobSheet, keys_at_work
from etlrun.enrich.keys import Key
from etlrun.enrich.outcomes import Tally
from etlrun.enrich.questions import Question
from etlrun.enrich.report import AskingReport, Stop, added_up
from etlrun.enrich.store import Store
from etlrun.enrich.terms import Budget, JobTerms, Progress, no_progress
from etlrun.enrich.tracing_requests import tokens, traced_job

MOST_REQUESTS = 1_000  # of one job
OTHERS_POLL = 0.5  # seconds between checks of keys that another process is asking
SLOWER = 1.5  # the growth factor of the wait between two checks of a job


async def ask_in_jobs(
    question: Question,
    keys: Sequence[Key],
    client: JobClient,
    store: Store,
    terms: JobTerms,
    *,
    settled: Collection[str] | None = None,
    progress: Progress = no_progress,
    chance: random.Random | None = None,
) -> AskingReport:
    """Ask those `keys` in jobs that the store does not know yet. Raises RunFailure if the store fails.

    It ends early if jobs are still at work after the budget's `wait`: the report has this reason, and the next call continues.
    """
    began = time.monotonic()
    with ThreadPoolExecutor(1, "label-store") as executor:
        call = partial(asyncio.get_running_loop().run_in_executor, executor)
        await call(store.add_question, question, terms.direct.source)
        loop = _JobLoop(question, client, store, terms, call, progress, chance or random.Random())
        if settled is None:
            settled = await call(settled_keys, store, loop.questions, keys)
        await loop.choose([key for key in keys if key.normal not in settled])
        try:
            await loop.run()
        except ModelError as error:
            loop.stop(service_failed(error))
        return await loop.report(keys, len(settled), time.monotonic() - began)


class _JobLoop:
    """The state of one run of the loop."""

    def __init__(
        self,
        question: Question,
        client: JobClient,
        store: Store,
        terms: JobTerms,
        call: Call,
        progress: Progress,
        chance: random.Random,
    ) -> None:
        self.question = question
        self.client = client
        self.store = store
        self.terms = terms
        self.call = call
        self.progress = progress
        self.chance = chance
        self.budget = terms.direct.budget
        self.questions = [question, *(question.answered_by(name) for name in terms.direct.accept if name != "unnamed")]
        self.answerers = terms.answerers(question)
        self.writer = SheetWriter(question, self.answerers, terms.direct.thoughts, chance)
        self.submitter = JobSubmitter(client, store, call, _sleep, terms.direct.limits.first_wait)
        self.stopped: Stop | None = None
        self.wanted: list[Key] = []
        self.too_many = 0  # the number of keys beyond the limit
        self.again: list[Batch] = []  # keys that the replies of jobs left open
        self.given_up: set[str] = set()
        self.direct: list[AskingReport] = []
        self.tally = Tally()
        self.usd = 0.0  # US dollars of jobs whose replies were read here
        self.is_tried = False  # whether a request was answered directly

    # open keys

    async def choose(self, keys: Sequence[Key]) -> None:
        """Choose the keys to ask, within the limit; keys in jobs are already counted."""
        at_work = keys_at_work(await self.jobs())
        fresh = [key for key in keys if key.normal not in at_work]
        self.too_many = 0 if self.budget.keys is None else max(0, len(fresh) - self.budget.keys)
        chosen = {key.normal for key in fresh[: self.budget.keys]} | at_work
        self.wanted = [key for key in keys if key.normal in chosen]

    async def jobs(self) -> list[Job]:
        found: list[Job] = await self.call(self.store.jobs, [question.id for question in self.questions])
        return found

    async def rest(self) -> list[Key]:
        """The keys that no process is asking and that this run has not given up."""
        settled: set[str] = await self.call(settled_keys, self.store, self.questions, self.wanted)
        closed = settled | self.given_up | keys_at_work(await self.jobs())
        self.progress(f"ask {self.terms.direct.source}", len(settled), len(self.wanted))
        return [key for key in self.wanted if key.normal not in closed]

    # rounds

    async def run(self) -> None:
        deadline = time.monotonic() + self.budget.wait
        known: set[str] | None = None
        wait = self.terms.first_poll
        while self.wanted and self.stopped is None:
            for job in await self.jobs():
                await self.follow(job)
            jobs = await self.jobs()
            is_news = known != {job.id for job in jobs} or not jobs
            if self.stopped is None and is_news:
                left = await self.ask_rest()
                jobs = await self.jobs()
                if not jobs and not left:
                    return
            known = {job.id for job in jobs}
            if jobs and self.stopped is None and time.monotonic() >= deadline:
                self.stop(jobs_at_work(jobs))
            if self.stopped is None:
                await _sleep(min(wait, max(0.0, deadline - time.monotonic())) if jobs else OTHERS_POLL)
                wait = self.terms.first_poll if is_news else min(wait * SLOWER, self.terms.longest_poll)

    async def follow(self, job: Job) -> None:
        """Check an open job, and read its replies if it has ended."""
        name: str | None = job.name
        if job.state == "intended":
            if await self.call(self.store.is_intended_elsewhere, job):
                return
            name = await self.submitter.find_again(job, self.terms.settling)
        if name is None:
            return
        known = name
        found = await self.submitter.retried(lambda: self.client.look(known))
        if found.state == "at work":
            return
        verdict = read_replies(self.question, job, found, self.answerers)
        for answerer in {o.answerer.name: o.answerer for o in verdict.outcomes if o.answerer}.values():
            await self.call(self.store.add_question, answerer.question, answerer.source)
        entries = verdict.entries(self.question, time.time() - job.at)
        run = self.terms.direct.run
        with traced_job("collect_batch", self.terms.direct.called, len(job.sheets)) as span:
            if not await self.call(self.store.collect_job, job.id, found.state, verdict.usd, run, entries):
                return  # another process was first
            span.attributes |= tokens(verdict.usage)
        self.usd += verdict.usd
        self.tally.details.update(verdict.details)
        for outcome in verdict.outcomes:
            self.tally.add(outcome.usage, outcome.name, [result for result in outcome.results() if result.key])
            self.again += outcome.follow_up.again
            self.given_up.update(lost.key.normal for lost in outcome.follow_up.given_up)
        if verdict.stop:
            self.stop(verdict.stop)
        elif stop := ended_badly(job, found):
            self.stop(stop)

    async def ask_rest(self) -> bool:
        """Ask open keys, directly or in jobs; returns whether some keys are still not asked."""
        rest = await self.rest()
        direct = self.terms.direct
        if rest and (not self.terms.hands_in or not self.is_tried or len(rest) <= direct.batch):
            await self.ask_directly(rest[: direct.batch] if self.terms.hands_in else rest)
            rest = await self.rest()
        if rest and self.terms.hands_in and self.stopped is None:
            async with alive(self.store, self.call):
                again, self.again = self.again, []
                await self.hand_in(batches_of(rest, again, direct.batch))
            rest = await self.rest()
        return bool(rest)

    async def ask_directly(self, keys: Sequence[Key]) -> None:
        reserved = await self.reserved()
        terms = replace(self.terms.direct, budget=self.left(reserved))
        report = await ask(self.question, keys, self.client, self.store, terms, settled=(), chance=self.chance)
        self.direct.append(report)
        self.is_tried = True
        known = await self.call(self.store.judged, self.questions, [key.normal for key in keys])
        self.given_up.update(name for name, stored in known.items() if stored.status == "failed")
        stop = report.stopped
        if stop and stop.reason != "job-at-work" and not (stop.reason == "budget" and reserved):
            self.stop(stop)

    # money

    @property
    def spent(self) -> float:
        """US dollars that this run has spent; jobs count when their replies are read."""
        return self.usd + sum(report.usd for report in self.direct)

    async def reserved(self) -> float:
        """The highest cost of the question's open jobs in US dollars."""
        return sum(job.usd for job in await self.jobs())

    def left(self, reserved: float) -> Budget:
        return replace(self.budget, keys=None).after(self.spent + reserved, 0, self.sent)

    @property
    def sent(self) -> int:
        """Requests whose replies this run has read."""
        return self.tally.requests + sum(report.requests for report in self.direct)

    # submitting

    async def hand_in(self, batches: Sequence[Batch]) -> None:
        """Submit jobs for batches, as many as the budget allows."""
        also = [question.id for question in self.questions[1:]]
        for start in range(0, len(batches), MOST_REQUESTS):
            chunk = batches[start : start + MOST_REQUESTS]
            names = [key.normal for batch in chunk for key in batch.keys]
            leased = await self.call(self.store.lease, self.question.id, names, also)
            open_batches = of_these(chunk, set(leased.ours))
            while open_batches and self.stopped is None:
                left = self.left(await self.reserved())
                sheets = self.writer.sheets(open_batches, left, self.client.most_bytes)
                if not sheets:
                    if not await self.jobs():
                        self.stop(self.cap(left, open_batches[0]))
                    return
                if not await self._hand_in(sheets):
                    return
                open_batches = open_batches[len(sheets) :]

    async def _hand_in(self, sheets: Sequence[JobSheet]) -> bool:
        """Submit one job; false if the service accepts no more until others have ended."""
        job = await self.call(self.store.intend_job, self.question.id, self.terms.direct.run, sheets)
        try:
            with traced_job("submit_batch", self.terms.direct.called, len(sheets)):
                await self.submitter.hand_in(job, sheets)
        except ModelError as error:
            others = [other for other in await self.jobs() if other.id != job.id]
            if error.cause not in ("rate", "day") or not others:
                raise
            return False
        return True

    def cap(self, left: Budget, batch: Batch) -> Stop:
        """The reason why no job can be submitted that asks `batch`."""
        if left.requests == 0:
            return all_requests_sent(self.sent)
        return money_used_up(self.spent, self.budget, self.writer.sheet(batch, set()).usd)

    # the end

    def stop(self, stop: Stop) -> None:
        """Submit no more jobs; the first reason is kept."""
        self.stopped = self.stopped or stop

    async def report(self, keys: Sequence[Key], known: int, seconds: float) -> AskingReport:
        self.note_what_is_left()
        settled: set[str] = await self.call(settled_keys, self.store, self.questions, keys)
        tally = self.tally
        in_jobs = AskingReport(
            self.question.id,
            self.terms.direct.source,
            len(keys),
            known,
            ok=tally.ok,
            refused=tally.refused,
            requests=tally.requests,
            input_tokens=tally.usage.input,
            output_tokens=tally.usage.output,
            usd=self.usd,
            seconds=seconds,
            outcomes=tally.outcomes,
            details=tally.details,
            stopped=self.stopped,
        )
        found = added_up(in_jobs, self.direct)
        by_others = max(0, len(settled) - known - found.ok - found.refused)
        return replace(found, by_others=by_others, failed=len(self.given_up - settled))

    def note_what_is_left(self) -> None:
        """Set the reason why keys are left, if there is no other."""
        if self.budget.usd is not None and self.spent > self.budget.usd:
            self.stop(too_much_spent(self.spent, self.budget))
        elif self.too_many:
            self.stop(too_many_keys(self.too_many, self.budget))


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)
