"""Faults of a service: which one strikes a request, and what it does to an answer."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Fault = Literal[
    "rate",
    "rate-header",
    "day",
    "unavailable",
    "drop-before",
    "drop-after",
    "half-json",
    "foreign-label",
    "shuffled",
    "missing",
    "extra",
    "duplicate",
    "conflicting",
    "other-batch",
    "truncated",
    "asleep",
    "canary-dropped",
    "fenced",
    "no-usage",
    "rerouted",
    "unnamed",
    "schema",
    "no-model",
    "no-key",
    "bad-request",
]
FAULTS: tuple[Fault, ...] = get_args(Fault)

# One request in two is struck by something.
ALL: Mapping[Fault, float] = {
    "rate": 0.04,
    "rate-header": 0.02,
    "unavailable": 0.04,
    "drop-before": 0.02,
    "drop-after": 0.03,
    "half-json": 0.03,
    "foreign-label": 0.04,
    "shuffled": 0.04,
    "missing": 0.05,
    "extra": 0.03,
    "duplicate": 0.03,
    "conflicting": 0.04,
    "other-batch": 0.03,
    "truncated": 0.04,
    "asleep": 0.02,
    "fenced": 0.02,
    "no-usage": 0.01,
}


@dataclass
class Plan:
    """Which fault strikes next: those of `script` in their order, then by chance as `rates` say."""

    rates: Mapping[Fault, float] = field(default_factory=dict)
    seed: int = 0
    script: Sequence[Fault | None] = ()

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.scripted = list(self.script)

    def next(self) -> Fault | None:
        if self.scripted:
            return self.scripted.pop(0)
        drawn = self.chance.random()
        for fault, rate in self.rates.items():
            drawn -= rate
            if drawn < 0:
                return fault
        return None


Item = dict[str, Any]


def spoil(fault: Fault | None, items: list[Item], labels: Sequence[str], chance: random.Random) -> list[Item]:
    """The items of an answer, as a model under `fault` gives them."""
    if not items:
        return items
    victim = chance.randrange(len(items))
    if fault == "foreign-label":
        items[victim]["c"] = "Sci-Fi"
    elif fault == "shuffled":
        chance.shuffle(items)
    elif fault == "missing":
        del items[victim]
    elif fault == "extra":
        items.insert(victim, {**items[victim], "i": 999})
    elif fault == "duplicate":
        items.append(dict(items[victim]))
    elif fault == "conflicting":
        items.append({**items[victim], "c": _another(items[victim].get("c"), labels)})
    elif fault == "asleep":
        return [{**item, "c": _another(item.get("c"), labels)} for item in items]
    return items


def written(fault: Fault | None, answer: Mapping[str, Any]) -> tuple[str, bool]:
    """The text of an answer, and whether it was cut off for length."""
    text = json.dumps(answer, ensure_ascii=False)
    if fault == "truncated":
        return text[: int(len(text) * 0.7)], True
    return (f"```json\n{text}\n```" if fault == "fenced" else text), False


def _another(label: Any, labels: Sequence[str]) -> Any:
    return labels[(labels.index(label) + 1) % len(labels)] if label in labels else label
