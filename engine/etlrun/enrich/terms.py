"""How a question is asked: what may be spent on it, at whose prices, and how many at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from etlrun.enrich.answerers import Answerer, Answerers
from etlrun.enrich.limiter import Limits
from etlrun.enrich.prices import Tariff
from etlrun.enrich.questions import Question
from etlrun.enrich.tracing_requests import CalledModel

Progress = Callable[[str, int, int], None]  # what is worked on, how much is done, of how much


@dataclass(frozen=True)
class Budget:
    """What a run may spend: US dollars, keys asked, and requests sent. None means no cap. `fix` is what gives it more dollars.

    `wait` is how many seconds it may wait for jobs.
    """

    usd: float | None = None
    keys: int | None = None
    fix: str = "raise the budget"
    requests: int | None = None
    wait: float = 0.0

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
    called: CalledModel = CalledModel()

    def answerers(self, question: Question) -> Answerers:
        """The models that may answer a question."""
        asked = Answerer(question.model["model"], question, self.source, self.tariff)
        return Answerers(asked, self.accept, self.tariff_by or (lambda name: self.tariff))


@dataclass(frozen=True)
class JobTerms:
    """How a question is asked in jobs: the terms of what is asked at once, the prices of jobs, and how patient to be, in seconds."""

    direct: Terms
    tariff: Tariff
    tariff_by: Callable[[str], Tariff]
    hands_in: bool = True  # false: open jobs are followed to their end, and the rest is asked at once
    first_poll: float = 1.0
    longest_poll: float = 60.0
    settling: float = 20.0  # how old a job must be before a list of the service shows that it was never handed in

    def answerers(self, question: Question) -> Answerers:
        """The models that may answer in a job."""
        return replace(self.direct, tariff=self.tariff, tariff_by=self.tariff_by).answerers(question)


def no_progress(what: str, done: int, of: int) -> None:
    """Say nothing."""
