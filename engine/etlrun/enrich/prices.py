"""Prices: the highest cost of a request before it is sent, and its real cost."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from etlrun.contracts.model import LanguageModel, Price, Request, Usage
from etlrun.models._known_models import LongPrice, known_model, table_date, tier_factor


@dataclass(frozen=True)
class Tariff:
    """The price of a model and its source; None if not known. `long` is the price of long requests, if it differs."""

    price: Price | None
    origin: str
    long: LongPrice | None = None

    def worst(self, request: Request) -> float:
        """The highest cost of a request in US dollars."""
        return self._of_one(request.most_input, request.max_output_tokens)

    def cost(self, usage: Usage) -> float:
        """US dollars for the tokens of one request, as the service counted them. Cached input is counted at full price, so the cost is never too low."""
        return self._of_one(usage.input, usage.output)

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars for so many tokens, in requests of the usual length."""
        return _at(self.price, input_tokens, output_tokens)

    def _of_one(self, input_tokens: int, output_tokens: int) -> float:
        is_long = self.long is not None and input_tokens > self.long.above
        return _at(self.long.price if self.long and is_long else self.price, input_tokens, output_tokens)

    def times(self, factor: float | None) -> Tariff:
        """The same prices, multiplied; not known if the factor is not known."""
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
    """The price of `model`, called `name` at its service, for direct requests: its own `price`, or that of the table times `factor`."""
    if model.price:
        return Tariff(model.price, "the project file")
    return listed_tariff(name, model.service_tier, today).times(factor)


def job_tariff_of(model: LanguageModel, name: str, today: datetime.date | None = None, factor: float = 1.0) -> Tariff:
    """The price of `model`, called `name` at its service, in a job, without service tiers."""
    if model.price:
        return Tariff(model.price, "the project file").in_job()
    return listed_tariff(name, "batch", today).times(factor)


def listed_tariff(name: str, tier: str = "standard", today: datetime.date | None = None) -> Tariff:
    """The table's price of the model that answers under `name`."""
    day = today or datetime.date.today()
    asked = known_model(name)
    model = known_model(asked.answerer_on(day)) if asked else None
    if model is None:
        return Tariff(None, "")
    found = Tariff(model.price_on(day), f"the price list of {table_date()}", model.long_price_on(day))
    return found.times(tier_factor(tier))
