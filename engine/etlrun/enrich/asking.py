"""The asking loop: asks a language model about many keys until each key has a result, or a limit stops it.

Workers take batches of leased keys, wait until the limiter allows a request, send one request each, check the reply item by item, commit
the results, and ask missing keys again. No failure becomes a label: a key without a valid answer is refused, failed or pending.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from etlrun.collector import passing_over_what_is_there
from etlrun.contracts.model import ModelClient, ModelError, ModelReply
from etlrun.enrich.batches import Batch, FollowUp, after_error, after_verdict
from etlrun.enrich.caps import all_requests_sent, money_used_up, too_many_keys, too_much_spent
from etlrun.enrich.giving_up import GiveUp
from etlrun.enrich.heartbeat import alive
from etlrun.enrich.job_stops import keys_in_a_job
from etlrun.enrich.keys import Key
from etlrun.enrich.limiter import CapReached, Closed, Limiter, RequestSlot
from etlrun.enrich.outcomes import Bookkeeper, RequestOutcome
from etlrun.enrich.questions import Question, Sheet, write_sheet
from etlrun.enrich.replies import UNVERIFIED, judge
from etlrun.enrich.report import AskingReport, Stop
from etlrun.enrich.store import SETTLED, Store
from etlrun.enrich.supply import Supply
from etlrun.enrich.terms import Progress, Terms, no_progress
from etlrun.enrich.tracing_requests import traced_answer
from etlrun.failures import RunFailure

TOKENS_PER_CHARACTER = 0.4  # tokens of input, until the service has counted some
WRITERS = 2  # one more worker per so many requests under way: it sends while others wait for the store


async def ask(
    question: Question,
    keys: Sequence[Key],
    client: ModelClient,
    store: Store,
    terms: Terms,
    *,
    settled: Collection[str] | None = None,
    progress: Progress = no_progress,
    chance: random.Random | None = None,
) -> AskingReport:
    """Ask those `keys` that the store does not know yet, the most frequent first. Raises RunFailure if the store fails.

    `settled` are normal forms that need not be asked, if the caller knows them already. The report has the reason if asking
    stopped early; all answers until then are in the store.
    """
    began = asyncio.get_running_loop().time()
    with ThreadPoolExecutor(1, "label-store") as executor:
        call = partial(asyncio.get_running_loop().run_in_executor, executor)
        await call(store.add_question, question, terms.source)
        if settled is None:
            settled = await call(settled_keys, store, [question], keys)
        wanted = [key for key in keys if key.normal not in settled][: terms.budget.keys]
        loop = _Loop(question, client, store, terms, executor, wanted, progress, chance or random.Random())
        if wanted:
            with passing_over_what_is_there():
                await loop.run()
    _note_what_is_left(loop, left=len(keys) - len(settled) - len(wanted))
    return _report(loop, len(keys), len(settled), asyncio.get_running_loop().time() - began)


def _note_what_is_left(loop: _Loop, left: int) -> None:
    """Set the reason why keys are left, if there is no other: too much was spent, keys wait for a job, or `left` exceeds the limit of keys."""
    if loop.stopped is not None:
        return
    budget = loop.terms.budget
    if loop.limiter.is_overspent:
        loop.stopped = too_much_spent(loop.limiter.spent, budget)
    elif loop.supply.at_work:
        loop.stopped = keys_in_a_job(loop.supply.at_work)
    elif left > 0:
        loop.stopped = too_many_keys(left, budget)


def _report(loop: _Loop, keys: int, settled: int, seconds: float) -> AskingReport:
    tally = loop.bookkeeper.tally
    return AskingReport(
        loop.question.id,
        loop.terms.source,
        keys,
        settled,
        loop.supply.by_others,
        tally.ok,
        0,
        tally.refused,
        tally.failed,
        tally.requests,
        tally.usage.input,
        tally.usage.output,
        loop.limiter.spent,
        seconds,
        dict(tally.outcomes),
        dict(tally.details),
        loop.stopped,
    )


def settled_keys(store: Store, questions: Sequence[Question], keys: Sequence[Key]) -> set[str]:
    """The normal forms of `keys` that need not be asked (again). Stored answers that the question does not allow are removed."""
    known = store.sifted(questions, [key.normal for key in keys])
    return {name for name, stored in known.items() if stored.status in SETTLED}


class _Loop:
    """The state of one run of the loop."""

    def __init__(
        self,
        question: Question,
        client: ModelClient,
        store: Store,
        terms: Terms,
        executor: ThreadPoolExecutor,
        wanted: Sequence[Key],
        progress: Progress,
        chance: random.Random,
    ) -> None:
        self.question = question
        self.client = client
        self.store = store
        self.terms = terms
        self.wanted = wanted
        self.progress = progress
        self.chance = chance
        self.stopped: Stop | None = None
        self.sent = 0
        self.tokens_per_character = TOKENS_PER_CHARACTER
        self.limiter = Limiter(terms.limits, terms.budget.usd, chance)
        self.answerers = terms.answerers(question)
        self.give_up = GiveUp(terms, self.limiter, self.stop)
        self.bookkeeper = Bookkeeper(store, executor, terms.run, self.answerers.asked)
        self.call = partial(asyncio.get_running_loop().run_in_executor, executor)
        also = [question.answered_by(name).id for name in terms.accept]
        self.supply = Supply(
            wanted, terms.batch, lambda names: self.call(store.lease, question.id, names, also), self.limiter.sleep
        )

    async def run(self) -> None:
        if self.terms.budget.usd is not None and self.terms.tariff.price is None:
            try:
                await self.client.check()
            except ModelError as error:
                if error.cause in ("access", "model", "setup"):  # a wrong name has no price
                    self.stop(Stop(error.cause, error.message, error.fix))
                    return
            fix = "add `price: {input: ..., output: ...}` to the model, in US dollars per million tokens"
            self.stop(
                Stop("setup", f"a budget in usd needs a price, but the price of {self.terms.source} is not known", fix)
            )
            return
        lanes = self.terms.limits.concurrency
        workers = min(lanes + lanes // WRITERS, -(-len(self.wanted) // self.terms.batch))
        async with alive(self.store, self.call):
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(self.work())
            except BaseExceptionGroup as failures:  # `except*` would wrap the raised exception in a group again
                raise next(
                    (error for error in failures.exceptions if isinstance(error, RunFailure)), failures
                ) from None

    async def work(self) -> None:
        while batch := await self.supply.take():
            open_batches = [batch]
            while open_batches and self.stopped is None:
                open_batches.extend(reversed((await self.settle(open_batches.pop())).again))

    async def settle(self, batch: Batch) -> FollowUp:
        """Send one request and commit its results."""
        sheet = write_sheet(self.question, batch.keys, self.chance, self.terms.thoughts)
        worst = self.answerers.worst(sheet.request)
        try:
            slot = await self.limiter.enter(self.tokens(sheet), worst, sheet.request.max_output_tokens)
        except Closed:
            return FollowUp()
        except CapReached:
            self.stop(money_used_up(self.limiter.spent, self.terms.budget, worst * self.limiter.dearer))
            return FollowUp()
        if self.sent == self.terms.budget.requests:
            slot.settle(0, 0.0)
            self.stop(all_requests_sent(self.sent))
            return FollowUp()
        self.sent += 1
        try:
            reply = await traced_answer(self.client, sheet.request, self.terms.called)
        except ModelError as error:
            return await self.fail(batch, sheet, slot, error)
        except BaseException:
            slot.settle(None, worst)  # sent, with unknown cost
            raise
        return await self.read(batch, sheet, slot, reply)

    async def read(self, batch: Batch, sheet: Sheet, slot: RequestSlot, reply: ModelReply) -> FollowUp:
        """Read a reply. The model that gave it is checked before any other request is allowed."""
        self.limiter.learn(slot, reply.allowances)
        usd = self.answerers.cost(reply, slot.usd)
        answerer = self.answerers.of(reply)
        if answerer is None:
            self.stop(self.answerers.refusal(reply))
            slot.settle(_counted(sheet, reply), usd)
            await self.commit(RequestOutcome(batch, sheet, slot.entered, "another-model", usd, FollowUp(), reply=reply))
            return FollowUp((batch,))
        verdict = judge(self.question, sheet, reply)
        if (
            reply.ending == "truncated"
            and not verdict.answers
            and not self.bookkeeper.tally.ok
            and UNVERIFIED not in verdict.details
        ):
            self.give_up.count_cut_off(sheet, reply)
        elif verdict.fault != "canary" or self.bookkeeper.tally.ok:  # a wrong model or prompt shows in a few requests
            self.limiter.introduced()
        slot.settle(_counted(sheet, reply), usd)
        follow_up = after_verdict(batch, verdict)
        self.bookkeeper.tally.details.update(verdict.details)
        if verdict.answers:
            self.give_up.answered()
        elif verdict.fault != "blocked":
            self.give_up.count_unusable(verdict, self.question.prompt.name)
        name = verdict.fault or "complete"
        await self.commit(RequestOutcome(batch, sheet, slot.entered, name, usd, follow_up, verdict, reply, answerer))
        return follow_up

    async def fail(self, batch: Batch, sheet: Sheet, slot: RequestSlot, error: ModelError) -> FollowUp:
        usd = slot.usd if error.may_be_billed else 0.0
        slot.settle(None, usd)
        follow_up = after_error(batch, error, was_answered_before=self.bookkeeper.tally.ok > 0)
        self.give_up.react(slot, error)
        await self.commit(RequestOutcome(batch, sheet, slot.entered, error.cause, usd, follow_up))
        if error.cause in ("service", "unreadable", "refused") and follow_up.again:
            await self.limiter.sleep(self.limiter.backoff(batch.outages + 1))
        return follow_up

    def stop(self, stop: Stop) -> None:
        """Send no more requests; the first reason is kept."""
        self.stopped = self.stopped or stop
        self.limiter.close()
        self.supply.close()

    def tokens(self, sheet: Sheet) -> int:
        """The input tokens that a request probably has."""
        return int(_size(sheet) * self.tokens_per_character) + 1

    async def commit(self, outcome: RequestOutcome) -> None:
        """Store the results of a request, and report progress."""
        await self.bookkeeper.commit(outcome)
        if outcome.usage.input:
            sheet = outcome.sheet
            self.tokens_per_character = min(outcome.usage.input, sheet.request.most_input) / _size(sheet)
        done = self.bookkeeper.tally.done + self.supply.by_others
        self.progress(f"ask {self.terms.source}", done, len(self.wanted))


def _counted(sheet: Sheet, reply: ModelReply) -> int | None:
    """The input tokens of a request, counted by the service if possible, for the limiter."""
    return min(reply.usage.input, sheet.request.most_input) if reply.usage else None


def _size(sheet: Sheet) -> int:
    return len(sheet.request.system) + len(sheet.request.user)
