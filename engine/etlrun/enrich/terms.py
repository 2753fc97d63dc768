"""The terms of asking a question: budget, prices, and how many requests at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from etlrun.enrich.answerers import Answerer, Answerers
from etlrun.enrich.limiter import Limits
from etlrun.enrich.prices import Tariff
from etlrun.enrich.questions import Question
from etlrun.enrich.tracing_requests import CalledModel

Progress = Callable[[str, int, int], None]  # the current work, the amount done, the total


@dataclass(frozen=True)
class Budget:
    """What a run may spend: US dollars, keys, and requests. None means no limit. `fix` says how to raise the limit of dollars.

    `wait` is how many seconds to wait for jobs.
    """

    usd: float | None = None
    keys: int | None = None
    fix: str = "raise the budget"
    requests: int | None = None
    wait: float = 0.0

    def after(self, usd: float, keys: int, requests: int) -> Budget:
        """The rest after so much is spent."""
        return replace(
            self,
            usd=None if self.usd is None else max(0.0, self.usd - usd),
            keys=None if self.keys is None else max(0, self.keys - keys),
            requests=None if self.requests is None else max(0, self.requests - requests),
        )


@dataclass(frozen=True)
class Terms:
    """The terms of asking a question. They never change an answer."""

    source: str
    tariff: Tariff
    limits: Limits = Limits()
    batch: int = 50
    budget: Budget = Budget()
    run: str = ""
    thoughts: int = 0  # tokens that the model may use for thinking, in every request
    accept: tuple[str, ...] = ()  # names of other models that may answer
    tariff_by: Callable[[str], Tariff] | None = None  # the price if another model answers
    more_room: str = "raise `thoughts` of the model"  # the fix if thinking leaves no tokens for the answer
    called: CalledModel = CalledModel()

    def answerers(self, question: Question) -> Answerers:
        """The models that may answer a question."""
        asked = Answerer(question.model["model"], question, self.source, self.tariff)
        return Answerers(asked, self.accept, self.tariff_by or (lambda name: self.tariff))


@dataclass(frozen=True)
class JobTerms:
    """The terms of asking in jobs: those of direct requests, the prices of jobs, and waiting times in seconds."""

    direct: Terms
    tariff: Tariff
    tariff_by: Callable[[str], Tariff]
    hands_in: bool = True  # false: open jobs are followed to their end, and other keys are asked directly
    first_poll: float = 1.0
    longest_poll: float = 60.0
    # How old a job must be before its absence from the service's list proves that it was never submitted.
    settling: float = 20.0

    def answerers(self, question: Question) -> Answerers:
        """The models that may answer in a job."""
        return replace(self.direct, tariff=self.tariff, tariff_by=self.tariff_by).answerers(question)


def no_progress(what: str, done: int, of: int) -> None:
    """Ignore progress."""
