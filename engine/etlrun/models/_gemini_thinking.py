"""How the families of Gemini models are told to think, and what room that takes in an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Thinking = Literal["off", "low", "medium", "high"]
Family = Literal["none", "budget", "least", "level"]

BUDGETS: Mapping[Thinking, int] = {"off": 0, "low": 1024, "medium": 8192, "high": 24576}  # tokens
LEAST_BUDGET_OF_2_5_PRO = 128
ROOM_OF_LEVEL: Mapping[Thinking, int] = {
    "off": 4096,
    "low": 4096,
    "medium": 16384,
    "high": 32768,
}  # a level is no limit: ample room


def family_of(name: str) -> Family:
    """How a model is told to think: not at all, by a budget (which 2.5 Pro cannot set to nothing), by a level."""
    plain = name.removeprefix("models/")
    if plain.startswith(("gemini-1", "gemini-2.0", "gemma")):
        return "none"
    if plain.startswith("gemini-2.5-pro"):
        return "least"
    return "budget" if plain.startswith("gemini-2.5") else "level"


def budget_of(family: Family, thinking: Thinking) -> int:
    """The budget of tokens that stands for a level."""
    return max(BUDGETS[thinking], LEAST_BUDGET_OF_2_5_PRO if family == "least" else 0)


def room_for(name: str, thinking: Thinking) -> int:
    """Tokens to allow for thoughts beside the answer."""
    family = family_of(name)
    if family == "none":
        return 0
    return ROOM_OF_LEVEL[thinking] if family == "level" else budget_of(family, thinking)
