"""The table of known models: their thinking levels, prices, and the models that answer under their names."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from etlrun.contracts.model import Price
from etlrun.diagnostics import closest
from etlrun.models._names import is_release_of, plain_name
from etlrun.spec.yaml_reader import read_document

TABLE = Path(__file__).with_name("_models.yaml")


@dataclass(frozen=True)
class LongPrice:
    """The price of a request with more than `above` input tokens."""

    above: int
    price: Price


@dataclass(frozen=True)
class KnownModel:
    """A row of the table. `levels` is empty and `budget` is None if a model does not think, or its settings are not known."""

    name: str
    levels: tuple[str, ...]
    budget: int | None
    prices: Sequence[Mapping[str, Any]]
    served_by: Mapping[str, str]

    def price_on(self, day: datetime.date) -> Price:
        """US dollars per million tokens on a day."""
        begun = self._begun(day)
        return Price(begun["input"], begun["output"])

    def long_price_on(self, day: datetime.date) -> LongPrice | None:
        """The price of long requests on a day; None if they cost the same as others."""
        found = self._begun(day).get("long")
        return LongPrice(found["above"], Price(found["input"], found["output"])) if found else None

    def _begun(self, day: datetime.date) -> Mapping[str, Any]:
        return [price for price in self.prices if price.get("from", "") <= day.isoformat()][-1]

    def answerer_on(self, day: datetime.date) -> str:
        """The model that answers under this name on a day."""
        is_served = bool(self.served_by) and self.served_by["from"] <= day.isoformat()
        return self.served_by["model"] if is_served else self.name


@cache
def _table() -> Mapping[str, Any]:
    found: Mapping[str, Any] = read_document(TABLE).value
    return found


@cache
def known_models() -> Mapping[str, KnownModel]:
    """Every model of the table, by name."""
    return {
        name: KnownModel(name, tuple(row.get("levels", ())), row.get("budget"), row["prices"], row.get("served_by", {}))
        for name, row in _table()["models"].items()
    }


def known_model(name: str) -> KnownModel | None:
    """The row of `name`, or of the model of which it is a release."""
    return next((model for known, model in known_models().items() if is_release_of(known, name)), None)


def table_date() -> str:
    """The date of the table's data."""
    found: str = _table()["as_of"]
    return found


def tier_factor(tier: str) -> float | None:
    """The price factor of a service tier; None for an unknown tier."""
    found: float | None = _table()["tiers"].get(tier)
    return found


def location_factor(location: str) -> float:
    """The price factor of a location of Vertex AI."""
    factor: float = _table()["outside_global"]
    return 1.0 if location == "global" else factor


def note_on(name: str) -> str:
    """A note for the user if the model `name` is not known; `""` otherwise."""
    if known_model(name):
        return ""
    known = f"`{plain_name(name)}` is not in the list of models of {table_date()}"
    hint = meant_model(name)
    return f"{known}: {hint}" if hint else known


def meant_model(name: str) -> str:
    """A `did you mean` for an unknown model, and the model that answers under that name; `""` if none is similar."""
    meant = None if known_model(name) else known_models().get(closest(plain_name(name), known_models()) or "")
    if meant is None:
        return ""
    hint = f"did you mean `{meant.name}`?"
    if not meant.served_by:
        return hint
    model, begins = meant.served_by["model"], meant.served_by["from"]
    return f"{hint} From {begins} on, the service answers that name with `{model}`: set `model: {model}`"
