"""Prices: what a request costs at most before it is sent, and what it did cost."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from etlrun.enrich.model import LanguageModel, Price, Request, Usage
from etlrun.enrich.model_names import is_release_of
from etlrun.spec.located import read_document

LIST = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True)
class Tariff:
    """The price of a model and where it comes from; None where nobody knows it."""

    price: Price | None
    origin: str

    def worst(self, request: Request) -> float:
        """US dollars that a request cannot exceed: a token of input is at least a byte of what is sent."""
        if self.price is None:
            return 0.0
        sent = len(request.system.encode()) + len(request.user.encode()) + len(str(request.schema).encode()) + 64
        return (sent * self.price.input + request.max_output_tokens * self.price.output) / 1e6

    def cost(self, usage: Usage) -> float:
        """US dollars for the tokens that the service counted. Cached input is taken at full price: never too little."""
        return self.of(usage.input, usage.output)

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """US dollars for so many tokens."""
        if self.price is None:
            return 0.0
        return (input_tokens * self.price.input + output_tokens * self.price.output) / 1e6


def tariff_of(model: LanguageModel, name: str, tier: str = "standard", today: datetime.date | None = None) -> Tariff:
    """What `model`, called `name` at its service, costs: its own `price`, else the price list's."""
    if model.price:
        return Tariff(model.price, "the project file")
    return listed_tariff(name, tier, today)


def listed_tariff(name: str, tier: str = "standard", today: datetime.date | None = None) -> Tariff:
    """What the price list says that the model `name` costs, or the model of which it is a release."""
    prices = price_list()
    day = (today or datetime.date.today()).isoformat()
    factor = prices["tiers"].get(tier)
    listed = next((prices for known, prices in prices["models"].items() if is_release_of(known, name)), ())
    begun = [price for price in listed if price.get("from", "") <= day]
    if not begun or factor is None:
        return Tariff(None, "")
    found = Price(begun[-1]["input"] * factor, begun[-1]["output"] * factor)
    return Tariff(found, f"the price list of {prices['as_of']}")


@cache
def price_list() -> Mapping[str, Any]:
    """The price list that comes with the package."""
    found: Mapping[str, Any] = read_document(LIST).value
    return found
