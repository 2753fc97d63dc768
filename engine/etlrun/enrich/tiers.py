"""Tiers: the models of a cascade, each with its question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from etlrun.contracts.model import Environment, LanguageModel, LocalModel, Model, ModelError
from etlrun.enrich.limiter import Limits
from etlrun.enrich.prices import Tariff, job_tariff_of, listed_tariff, tariff_of
from etlrun.enrich.questions import Question
from etlrun.enrich.terms import Budget, JobTerms, Terms
from etlrun.enrich.tracing_requests import called
from etlrun.models._names import UNNAMED
from etlrun.spec.normal_form import MAX_CHARACTERS
from etlrun.spec.prompts import Prompt

MAX_BATCH = 100


@dataclass(frozen=True)
class Tier:
    """A model of a cascade: its question, its display name (`gemini gemini-2.5-flash`), and its terms if it costs money.

    Answers of a `half` count only if the other half gives the same ones.
    """

    question: Question
    source: str
    model: LanguageModel | LocalModel
    name: str = ""
    half: Literal["", "first", "second"] = ""
    factor: float = 1.0  # the price factor of the location

    @property
    def questions(self) -> tuple[Question, ...]:
        """The questions to the model and to each accepted one: answers of all of them count."""
        return self.question, *(self.question.answered_by(name) for name in self.accepted)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The names of other accepted models."""
        named = self.model.accept if isinstance(self.model, LanguageModel) else ()
        return tuple(name for name in named if name != UNNAMED)

    @property
    def tariff(self) -> Tariff:
        """The price of the model for direct requests; zero for one that looks up keys."""
        if isinstance(self.model, LocalModel):
            return Tariff(None, "")
        return tariff_of(self.model, self.name, factor=self.factor)

    @property
    def job_tariff(self) -> Tariff:
        """The price of the model in a job."""
        if isinstance(self.model, LocalModel):
            return Tariff(None, "")
        return job_tariff_of(self.model, self.name, factor=self.factor)

    @property
    def expected_tariff(self) -> Tariff:
        """The price of the model in its mode."""
        is_in_jobs = isinstance(self.model, LanguageModel) and self.model.mode == "batch"
        return self.job_tariff if is_in_jobs else self.tariff

    def tariff_by(self, name: str) -> Tariff:
        """The price if `name` answers in its place: from the price list, or else the price of the requested model."""
        assert isinstance(self.model, LanguageModel)
        listed = listed_tariff(name, self.model.service_tier).times(self.factor)
        return listed if listed.price else self.tariff

    def job_tariff_by(self, name: str) -> Tariff:
        """The price in a job if `name` answers in its place."""
        listed = listed_tariff(name, "batch").times(self.factor)
        return listed if listed.price else self.job_tariff

    def job_terms(self, budget: Budget, run: str) -> JobTerms:
        """The terms of asking the model in jobs."""
        assert isinstance(self.model, LanguageModel)
        hands_in = self.model.mode == "batch"
        return JobTerms(self.terms(budget, run), self.job_tariff, self.job_tariff_by, hands_in)

    def terms(self, budget: Budget, run: str) -> Terms:
        """The terms of direct requests to the model."""
        model = self.model
        assert isinstance(model, LanguageModel)
        limits = Limits(model.concurrency, model.requests_per_minute, model.tokens_per_minute)
        return Terms(
            self.source,
            self.tariff,
            limits,
            model.batch,
            budget,
            run,
            model.thought_tokens(self.name),
            model.accept,
            self.tariff_by,
            model.more_room,
            called(model, self.name),
        )


def rounds(tiers: Sequence[Tier]) -> list[tuple[Tier, ...]]:
    """The models in rounds that ask the same keys: single models, or the two that must agree."""
    found: list[tuple[Tier, ...]] = []
    for tier in tiers:
        if tier.half == "second" and found and found[-1][-1].half == "first":
            found[-1] = (*found[-1], tier)
        else:
            found.append((tier,))
    return found


def with_a_pair(tiers: Sequence[Tier]) -> tuple[Tier, ...]:
    """The same models, of which the first two must agree. Raises ModelError if they are equal."""
    first, second, *others = tiers
    if first.question.id == second.question.id:
        message = f"both models of `agree` are {first.source}, so they would always agree"
        raise ModelError("setup", message, "name two models that differ in their name or settings")
    return replace(first, half="first"), replace(second, half="second"), *others


def tiers_of(
    prompt: Prompt,
    models: Sequence[Model],
    root: Path,
    environment: Environment,
    characters: int = MAX_CHARACTERS,
) -> tuple[Tier, ...]:
    """The tiers of a cascade; models see so many characters of a key. Raises ModelError with the cause `setup`, and SpecError for the files of a model."""
    return tuple(_tier(prompt, model, root, environment, characters) for model in models)


def _tier(prompt: Prompt, model: Model, root: Path, environment: Environment, characters: int) -> Tier:
    identity = model.identity(root, environment)
    question = Question(prompt, identity, characters)
    if isinstance(model, LanguageModel):
        if not 1 <= model.batch <= MAX_BATCH:
            raise ModelError(
                "setup", f"`batch: {model.batch}` is out of range", f"write a number of keys from 1 to {MAX_BATCH}"
            )
        if model.concurrency < 1:
            raise ModelError("setup", f"`concurrency: {model.concurrency}` is out of range", "give at least 1")
        source, factor = f"{identity['provider']} {identity['model']}", model.price_factor(environment)
        return Tier(question, source, model, identity["model"], factor=factor)
    assert isinstance(model, LocalModel)
    return Tier(question, identity["provider"], model)
