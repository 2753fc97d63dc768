"""The asking loop: puts a question about many keys to a language model until each key is settled, or something says stop.

Workers take batches of leased keys, wait for the limiter's leave, send one request each, check the reply item by item, commit what
came of it, and ask again what is missing. No failure becomes a label: a key without a valid answer is refused, failed or pending.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from etlrun.contracts.model import ModelClient, ModelError, ModelReply, Usage
from etlrun.enrich._owner import LIFE
from etlrun.enrich.answerers import Answerer, Answerers
from etlrun.enrich.batches import Batch, FollowUp, after_error, after_verdict
from etlrun.enrich.collector import passing_over_what_is_there
from etlrun.enrich.keys import Key
from etlrun.enrich.limiter import CapReached, Closed, Limiter, Limits, RequestSlot
from etlrun.enrich.prices import Tariff, most_input
from etlrun.enrich.questions import Question, Sheet, write_sheet
from etlrun.enrich.recorder import Recorder
from etlrun.enrich.replies import UNVERIFIED, ReplyVerdict, judge
from etlrun.enrich.report import AskingReport, Stop, StopReason
from etlrun.enrich.store import SETTLED, RequestEntry, Result, Sent, Store
from etlrun.enrich.supply import Supply
from etlrun.failures import RunFailure
from etlrun.spec.outputs import Value

FIRST_TRIES = (
    20  # requests in a row without any answer, before the first one, after which the service is taken to be down
)
CUT_OFF = (
    3  # answers cut off before they hold a label, before there is any, after which the room is taken to be too small
)
MOST_PAUSES = 20  # pauses in a row, without one answer, after which a quota is taken to be used up
BARREN = 30  # requests in a row, without one answer, after which going on is taken to be useless
TOKENS_PER_CHARACTER = 0.4  # of input, until the service has counted some

Progress = Callable[[str, int, int], None]  # what is worked on, how much is done, of how much


@dataclass(frozen=True)
class Budget:
    """What a run may spend: US dollars, keys asked, and requests sent. None means no cap. `fix` is what gives it more dollars."""

    usd: float | None = None
    keys: int | None = None
    fix: str = "raise the budget"
    requests: int | None = None

    def after(self, usd: float, keys: int, requests: int) -> Budget:
        """What is left after so much is spent."""
        return replace(
            self,
            usd=None if self.usd is None else max(0.0, self.usd - usd),
            keys=None if self.keys is None else max(0, self.keys - keys),
            requests=None if self.requests is None else max(0, self.requests - requests),
        )


@dataclass(frozen=True)
class Terms:
    """How a question is asked. None of it changes an answer."""

    source: str
    tariff: Tariff
    limits: Limits = Limits()
    batch: int = 50
    budget: Budget = Budget()
    run: str = ""
    thoughts: int = 0  # tokens that the model may spend on thinking, in every request
    accept: tuple[str, ...] = ()  # names of other models that may answer
    tariff_by: Callable[[str], Tariff] | None = None  # what it costs where another model answers
    more_room: str = "raise `thoughts` of the model"  # what to do where thinking leaves no room for the answer

    def answerers(self, question: Question) -> Answerers:
        """The models that may answer a question."""
        asked = Answerer(question.model["model"], question, self.source, self.tariff)
        return Answerers(asked, self.accept, self.tariff_by or (lambda name: self.tariff))


@dataclass
class Tally:
    """What has been counted so far."""

    ok: int = 0
    refused: int = 0
    failed: int = 0
    requests: int = 0
    usage: Usage = Usage()
    outcomes: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)


def no_progress(what: str, done: int, of: int) -> None:
    """Say nothing."""


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
    """Ask `keys`, the most frequent first, those that the store does not know yet. Raises RunFailure where the store fails.

    `settled` are the normal forms that need not be asked, where the caller has looked already. What stops asking early is in the
    report: every answer that came before is in the store.
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
    tally = loop.tally
    if loop.stopped is None and loop.limiter.is_overspent:
        message = f"${loop.limiter.spent:.4f} are spent, more than the ${loop.limiter.cap_usd:.4f} allowed: the service counts more than a request can take"
        loop.stopped = Stop("budget", message, terms.budget.fix)
    if loop.stopped is None and len(wanted) < len(keys) - len(settled):
        left = len(keys) - len(settled) - len(wanted)
        loop.stopped = Stop(
            "budget",
            f"{left:,} keys are more than the {terms.budget.keys:,} that may be asked",
            "raise `budget: {keys: ...}`",
        )
    return AskingReport(
        question.id,
        terms.source,
        len(keys),
        len(settled),
        loop.supply.by_others,
        tally.ok,
        0,
        tally.refused,
        tally.failed,
        tally.requests,
        tally.usage.input,
        tally.usage.output,
        loop.limiter.spent,
        asyncio.get_running_loop().time() - began,
        dict(tally.outcomes),
        dict(tally.details),
        loop.stopped,
    )


def settled_keys(store: Store, questions: Sequence[Question], keys: Sequence[Key]) -> set[str]:
    """The normal forms of `keys` that need not be asked (again); a stored answer that its question does not allow is removed."""
    known = store.sifted(questions, [key.normal for key in keys])
    return {name for name, stored in known.items() if stored.status in SETTLED}


class _Loop:
    """One run of the loop."""

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
        self.executor = executor
        self.store = store
        self.terms = terms
        self.wanted = wanted
        self.progress = progress
        self.chance = chance
        self.tally = Tally()
        self.stopped: Stop | None = None
        self.barren = 0
        self.cut_off = 0
        self.sent = 0
        self.tokens_per_character = TOKENS_PER_CHARACTER
        self.limiter = Limiter(terms.limits, terms.budget.usd, chance)
        self.answerers = terms.answerers(question)
        self.recorders = {question.id: Recorder(partial(store.record, question.id, terms.run), executor)}
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
                if error.cause in ("access", "model", "setup"):  # a name that is wrong has no price
                    self.stop(Stop(error.cause, error.message, error.fix))
                    return
            fix = "add `price: {input: ..., output: ...}` to the model, in US dollars per million tokens"
            self.stop(Stop("setup", f"a budget in usd needs a price, and none is known for {self.terms.source}", fix))
            return
        workers = min(self.terms.limits.concurrency, -(-len(self.wanted) // self.terms.batch))
        async with self.alive():
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(workers):
                        group.create_task(self.work())
            except BaseExceptionGroup as failures:  # `except*` would wrap what it raises in a group again
                raise next(
                    (error for error in failures.exceptions if isinstance(error, RunFailure)), failures
                ) from None

    @contextlib.asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Keep this process's leases for as long as the block runs."""
        await self.call(self.store.heartbeat)
        beating = asyncio.create_task(self.keep_beating())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.shield(self.call(self.store.release))

    async def keep_beating(self) -> None:
        while True:
            await asyncio.sleep(LIFE / 4)
            with contextlib.suppress(RunFailure):  # the next commit will say so
                await self.call(self.store.heartbeat)

    async def work(self) -> None:
        while batch := await self.supply.take():
            open_batches = [batch]
            while open_batches and self.stopped is None:
                open_batches.extend(reversed((await self.settle(open_batches.pop())).again))

    async def settle(self, batch: Batch) -> FollowUp:
        """Send one request and commit what came of it."""
        sheet = write_sheet(self.question, batch.keys, self.chance, self.terms.thoughts)
        worst = self.answerers.worst(sheet.request)
        try:
            slot = await self.limiter.enter(self.tokens(sheet), worst)
        except Closed:
            return FollowUp()
        except CapReached:
            fix = f"{self.terms.budget.fix}; the next request may cost ${worst * self.limiter.dearer:.4f}"
            self.stop(Stop("budget", f"${self.limiter.spent:.4f} of ${self.limiter.cap_usd:.4f} are spent", fix))
            return FollowUp()
        if self.sent == self.terms.budget.requests:
            slot.settle(0, 0.0)
            fix = "raise `budget: {requests: ...}`"
            self.stop(Stop("budget", f"{self.sent:,} requests are sent, which is all that may be", fix))
            return FollowUp()
        self.sent += 1
        try:
            reply = await self.client.answer(sheet.request)
        except ModelError as error:
            return await self.fail(batch, sheet, slot, error)
        except BaseException:
            slot.settle(None, worst)  # sent, and nobody knows what it cost
            raise
        return await self.read(batch, sheet, slot, reply)

    async def read(self, batch: Batch, sheet: Sheet, slot: RequestSlot, reply: ModelReply) -> FollowUp:
        """Take what a reply is worth. Who gave it is known before any other request gets leave."""
        usd = self.answerers.cost(reply, slot.usd)
        answerer = self.answerers.of(reply)
        if answerer is None:
            self.stop(self.answerers.refusal(reply))
            slot.settle(_counted(sheet, reply), usd)
            await self.commit(batch, sheet, slot, "another-model", usd, FollowUp(), reply=reply)
            return FollowUp((batch,))
        verdict = judge(self.question, sheet, reply)
        if (
            reply.ending == "truncated"
            and not verdict.answers
            and not self.tally.ok
            and UNVERIFIED not in verdict.details
        ):
            self.count_cut_off(sheet, reply)
        else:
            self.limiter.introduced()
        slot.settle(_counted(sheet, reply), usd)
        follow_up = after_verdict(batch, verdict)
        self.tally.details.update(verdict.details)
        if verdict.answers:
            self.barren = 0
            self.limiter.answered()
        elif verdict.fault != "blocked":
            self.count_barren("unusable", f"the model's answers are of no use: {verdict.reason or verdict.fault}")
        await self.commit(batch, sheet, slot, verdict.fault or "complete", usd, follow_up, verdict, reply, answerer)
        return follow_up

    async def fail(self, batch: Batch, sheet: Sheet, slot: RequestSlot, error: ModelError) -> FollowUp:
        usd = slot.usd if error.may_be_billed else 0.0
        slot.settle(None, usd)
        follow_up = after_error(batch, error, was_answered_before=self.tally.ok > 0)
        self.react(slot, error)
        await self.commit(batch, sheet, slot, error.cause, usd, follow_up)
        if error.cause in ("service", "unreadable", "refused") and follow_up.again:
            await self.limiter.sleep(self.limiter.backoff(batch.outages + 1))
        return follow_up

    def react(self, slot: RequestSlot, error: ModelError) -> None:
        """Stop, slow down or go on, as a failure wants it."""
        if error.cause == "rate":
            self.limiter.pause(slot, error.wait)
            if self.limiter.pauses > MOST_PAUSES:
                self.stop(
                    Stop(
                        "quota",
                        f"the quota is used up: {error.message}",
                        "run again later: it goes on where it stopped",
                    )
                )
        elif error.cause == "day":
            fix = error.fix or "run again tomorrow: it goes on where it stopped"
            self.stop(Stop("quota", f"the quota of the day is used up: {error.message}", fix))
        elif error.cause in ("access", "model", "setup"):
            self.stop(Stop(error.cause, error.message, error.fix))
        else:
            self.count_barren("unusable" if error.cause == "refused" else "service", error.message, error.fix)

    def count_barren(self, reason: StopReason, message: str, fix: str = "") -> None:
        self.barren += 1
        most = max(BARREN, 3 * self.terms.limits.concurrency) if self.limiter.is_introduced else FIRST_TRIES
        if self.barren >= most:
            self.stop(Stop(reason, message, fix or "what was answered is kept: run again when it is fixed"))

    def count_cut_off(self, sheet: Sheet, reply: ModelReply) -> None:
        """Stop where thinking eats the room of the answers: until there is one, requests go one by one."""
        self.cut_off += 1
        if self.cut_off < CUT_OFF:
            return
        room = f"{sheet.request.max_output_tokens:,} tokens are not enough for thoughts and answer"
        if reply.usage and reply.usage.thoughts:
            room = f"{reply.usage.thoughts:,} of {reply.usage.output:,} tokens went into thinking"
        message = f"the first {CUT_OFF} answers of {self.terms.source} were cut off before they held a label: {room}"
        self.stop(Stop("setup", message, self.terms.more_room))

    def stop(self, stop: Stop) -> None:
        """Send nothing more; the first reason counts."""
        self.stopped = self.stopped or stop
        self.limiter.close()
        self.supply.close()

    def tokens(self, sheet: Sheet) -> int:
        """The input tokens that a request probably has."""
        return int(_size(sheet) * self.tokens_per_character) + 1

    async def commit(
        self,
        batch: Batch,
        sheet: Sheet,
        slot: RequestSlot,
        outcome: str,
        usd: float,
        follow_up: FollowUp,
        verdict: ReplyVerdict | None = None,
        reply: ModelReply | None = None,
        answerer: Answerer | None = None,
    ) -> None:
        usage = reply.usage if reply and reply.usage else Usage()
        answers = verdict.answers if verdict else {}
        seconds = asyncio.get_running_loop().time() - slot.entered
        sent = Sent(
            sheet.batch,
            len(batch.keys),
            len(answers),
            outcome,
            usage.input,
            usage.output,
            usage.cached,
            usd,
            seconds,
            reply.version if reply else "",
        )
        results = [
            Result(batch.keys[index].normal, batch.keys[index].shown, "ok", _json(tuple(answer.items())))
            for index, answer in answers.items()
        ]
        results += (
            Result(lost.key.normal, lost.key.shown, lost.status, "", lost.reason) for lost in follow_up.given_up
        )
        recorder = await self.recorder_of(answerer or self.answerers.asked)
        await recorder.commit(RequestEntry(sent, results))
        self.count(usage, outcome, results, sheet)

    async def recorder_of(self, answerer: Answerer) -> Recorder:
        """What writes down the answers of a model, under the question that was put to it."""
        question = answerer.question
        if question.id not in self.recorders:
            write = partial(self.store.record, question.id, self.terms.run)
            self.recorders[question.id] = Recorder(write, self.executor)
            await self.call(
                self.store.add_question, question, answerer.source
            )  # before any entry: the thread keeps the order
        return self.recorders[question.id]

    def count(self, usage: Usage, outcome: str, results: Sequence[Result], sheet: Sheet) -> None:
        tally = self.tally
        tally.requests += 1
        tally.outcomes[outcome] += 1
        tally.usage = Usage(tally.usage.input + usage.input, tally.usage.output + usage.output)
        if usage.input:
            self.tokens_per_character = min(usage.input, most_input(sheet.request)) / _size(sheet)
        statuses = Counter(result.status for result in results)
        tally.ok += statuses["ok"]
        tally.refused += statuses["refused"]
        tally.failed += statuses["failed"]
        self.progress(
            f"ask {self.terms.source}",
            tally.ok + tally.refused + tally.failed + self.supply.by_others,
            len(self.wanted),
        )


def _counted(sheet: Sheet, reply: ModelReply) -> int | None:
    """The input tokens of a request as the service counts them, as far as that is possible: they slow the next ones down."""
    return min(reply.usage.input, most_input(sheet.request)) if reply.usage else None


def _size(sheet: Sheet) -> int:
    return len(sheet.request.system) + len(sheet.request.user)


@lru_cache(maxsize=4096)  # a few labels are the answers of a million keys
def _json(answer: tuple[tuple[str, Value], ...]) -> str:
    return json.dumps(dict(answer), ensure_ascii=False)
