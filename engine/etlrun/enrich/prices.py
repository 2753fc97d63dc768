"""Prices: what a request costs at most before it is sent, and what it did cost."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from etlrun.contracts.model import LanguageModel, Price, Request, Usage
from etlrun.models._known_models import known_model, table_date, tier_factor


@dataclass(frozen=True)
class Tariff:
    """The price of a model and where it comes from; None where nobody knows it."""

    price: Price | None
    origin: str

    def worst(self, request: Request) -> float:
        """US dollars that a request cannot exceed."""
        return self.of(most_input(request), request.max_output_tokens)

    def cost(self, usage: Usage) -> float:
        """US dollars for the tokens that the service counted. Cached input is taken at full price: never too little."""
        return self.of(usage.input, usage.output)

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars for so many tokens."""
        if self.price is None:
            return 0.0
        return (input_tokens * self.price.input + output_tokens * self.price.output) / 1e6

    def in_job(self) -> Tariff:
        """The same price in a job."""
        factor = tier_factor("batch")
        if self.price is None or factor is None:
            return Tariff(None, "")
        return Tariff(Price(self.price.input * factor, self.price.output * factor), self.origin)


def most_input(request: Request) -> int:
    """Tokens of input that a request cannot exceed: a token is at least a byte of what is sent."""
    return len(request.system.encode()) + len(request.user.encode()) + len(str(request.schema).encode()) + 64


def tariff_of(model: LanguageModel, name: str, today: datetime.date | None = None) -> Tariff:
    """What `model`, called `name` at its service, costs at once: its own `price`, else that of the table."""
    if model.price:
        return Tariff(model.price, "the project file")
    return listed_tariff(name, model.service_tier, today)


def job_tariff_of(model: LanguageModel, name: str, today: datetime.date | None = None) -> Tariff:
    """What `model`, called `name` at its service, costs in a job, where service tiers do not count."""
    if model.price:
        return Tariff(model.price, "the project file").in_job()
    return listed_tariff(name, "batch", today)


def listed_tariff(name: str, tier: str = "standard", today: datetime.date | None = None) -> Tariff:
    """What the table says that the model costs which answers under `name`."""
    day = today or datetime.date.today()
    asked = known_model(name)
    model = known_model(asked.answerer_on(day)) if asked else None
    factor = tier_factor(tier)
    if model is None or factor is None:
        return Tariff(None, "")
    price = model.price_on(day)
    found = Price(price.input * factor, price.output * factor)
    return Tariff(found, f"the price list of {table_date()}")
