"""Prices: what a request costs at most before it is sent, and what it did cost."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from etlrun.contracts.model import LanguageModel, Price, Request, Usage
from etlrun.models._known_models import LongPrice, known_model, table_date, tier_factor


@dataclass(frozen=True)
class Tariff:
    """The price of a model and where it comes from; None where nobody knows it. `long` is that of long requests, where it differs."""

    price: Price | None
    origin: str
    long: LongPrice | None = None

    def worst(self, request: Request) -> float:
        """US dollars that a request cannot exceed."""
        return self._of_one(request.most_input, request.max_output_tokens)

    def cost(self, usage: Usage) -> float:
        """US dollars for the tokens of one request, as the service counted them. Cached input is taken at full price: never too little."""
        return self._of_one(usage.input, usage.output)

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars for so many tokens, in requests of the usual length."""
        return _at(self.price, input_tokens, output_tokens)

    def _of_one(self, input_tokens: int, output_tokens: int) -> float:
        is_long = self.long is not None and input_tokens > self.long.above
        return _at(self.long.price if self.long and is_long else self.price, input_tokens, output_tokens)

    def times(self, factor: float | None) -> Tariff:
        """The same prices, multiplied; unknown where the factor is."""
        if self.price is None or factor is None:
            return Tariff(None, "")
        long = LongPrice(self.long.above, _times(self.long.price, factor)) if self.long else None
        return Tariff(_times(self.price, factor), self.origin, long)

    def in_job(self) -> Tariff:
        """The same price in a job."""
        return self.times(tier_factor("batch"))


def _at(price: Price | None, input_tokens: float, output_tokens: float) -> float:
    return (input_tokens * price.input + output_tokens * price.output) / 1e6 if price else 0.0


def _times(price: Price, factor: float) -> Price:
    return Price(price.input * factor, price.output * factor)


def tariff_of(model: LanguageModel, name: str, today: datetime.date | None = None, factor: float = 1.0) -> Tariff:
    """What `model`, called `name` at its service, costs at once: its own `price`, else that of the table times `factor`."""
    if model.price:
        return Tariff(model.price, "the project file")
    return listed_tariff(name, model.service_tier, today).times(factor)


def job_tariff_of(model: LanguageModel, name: str, today: datetime.date | None = None, factor: float = 1.0) -> Tariff:
    """What `model`, called `name` at its service, costs in a job, where service tiers do not count."""
    if model.price:
        return Tariff(model.price, "the project file").in_job()
    return listed_tariff(name, "batch", today).times(factor)


def listed_tariff(name: str, tier: str = "standard", today: datetime.date | None = None) -> Tariff:
    """What the table says that the model costs which answers under `name`."""
    day = today or datetime.date.today()
    asked = known_model(name)
    model = known_model(asked.answerer_on(day)) if asked else None
    if model is None:
        return Tariff(None, "")
    found = Tariff(model.price_on(day), f"the price list of {table_date()}", model.long_price_on(day))
    return found.times(tier_factor(tier))
