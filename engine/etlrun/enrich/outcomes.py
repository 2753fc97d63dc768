"""Writes the result of each request to the label store, and counts it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial

from etlrun.contracts.model import ModelReply, Usage
from etlrun.enrich.answerers import Answerer
from etlrun.enrich.batches import Batch, FollowUp
from etlrun.enrich.keys import stored_spelling
from etlrun.enrich.questions import Question, Sheet
from etlrun.enrich.recorder import Recorder
from etlrun.enrich.replies import ReplyVerdict
from etlrun.enrich.store import RequestEntry, Result, Sent, Store
from etlrun.spec.outputs import Value


@dataclass
class Tally:
    """The counts so far."""

    ok: int = 0
    refused: int = 0
    failed: int = 0
    requests: int = 0
    usage: Usage = Usage()
    outcomes: Counter[str] = field(default_factory=Counter)
    details: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """The keys that need not be asked again in this run."""
        return self.ok + self.refused + self.failed

    def add(self, usage: Usage, outcome: str, results: list[Result]) -> None:
        """Count one request."""
        self.requests += 1
        self.outcomes[outcome] += 1
        self.usage = Usage(self.usage.input + usage.input, self.usage.output + usage.output)
        statuses = Counter(result.status for result in results)
        self.ok += statuses["ok"]
        self.refused += statuses["refused"]
        self.failed += statuses["failed"]


@dataclass(frozen=True)
class RequestOutcome:
    """The result of one request for the keys of `batch`: how it ended, its cost, and the answers for its keys."""

    batch: Batch
    sheet: Sheet
    entered: float  # when it was sent, in seconds of the loop's time
    name: str
    usd: float
    follow_up: FollowUp
    verdict: ReplyVerdict | None = None
    reply: ModelReply | None = None
    answerer: Answerer | None = None

    @property
    def usage(self) -> Usage:
        return self.reply.usage if self.reply and self.reply.usage else Usage()

    def results(self) -> list[Result]:
        """The new results of keys."""
        keys = self.batch.keys
        answers = self.verdict.answers if self.verdict else {}
        found = [
            Result(keys[index].normal, stored_spelling(keys[index]), "ok", _json(tuple(answer.items())))
            for index, answer in answers.items()
        ]
        lost = self.follow_up.given_up
        return found + [
            Result(item.key.normal, stored_spelling(item.key), item.status, "", item.reason) for item in lost
        ]

    def sent(self, now: float) -> Sent:
        """The request as stored in the label store; `now` is the loop's time, in seconds."""
        return Sent(
            self.sheet.batch,
            len(self.batch.keys),
            len(self.verdict.answers) if self.verdict else 0,
            self.name,
            self.usage.input,
            self.usage.output,
            self.usage.cached,
            self.usd,
            now - self.entered,
            self.reply.version if self.reply else "",
        )


class Bookkeeper:
    """Writes outcomes under the question of the model that answered; `executor` is the store's one thread."""

    def __init__(self, store: Store, executor: ThreadPoolExecutor, run: str, asked: Answerer) -> None:
        self.store = store
        self.executor = executor
        self.run = run
        self.asked = asked
        self.tally = Tally()
        self.recorders = {asked.question.id: self._recorder(asked.question)}

    async def commit(self, outcome: RequestOutcome) -> None:
        """Store and count the result of a request. Raises RunFailure if the store fails."""
        results = outcome.results()
        recorder = await self._recorder_of(outcome.answerer or self.asked)
        await recorder.commit(RequestEntry(outcome.sent(asyncio.get_running_loop().time()), results))
        self.tally.add(outcome.usage, outcome.name, results)

    async def _recorder_of(self, answerer: Answerer) -> Recorder:
        """The recorder of a model's answers, under the question that the model was asked."""
        question = answerer.question
        if question.id not in self.recorders:
            self.recorders[question.id] = self._recorder(question)
            # before any entry, since the thread keeps the order
            await asyncio.get_running_loop().run_in_executor(
                self.executor, self.store.add_question, question, answerer.source
            )
        return self.recorders[question.id]

    def _recorder(self, question: Question) -> Recorder:
        return Recorder(partial(self.store.record, question.id, self.run), self.executor)


@lru_cache(maxsize=4096)  # a million keys share a few labels
def _json(answer: tuple[tuple[str, Value], ...]) -> str:
    return json.dumps(dict(answer), ensure_ascii=False)
