"""How to set the thinking of Gemini models: a token budget, or a level. The table of models lists what each accepts; others use their family."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from etlrun.models._known_models import known_model
from etlrun.models._names import plain_name

Thinking = Literal["default", "off", "low", "medium", "high"]

BUDGETS: Mapping[Thinking, int] = {"off": 0, "low": 1024, "medium": 8192, "high": 24576}  # tokens
# A level is not a limit, so reserve many tokens.
ROOM_OF_LEVEL = {"minimal": 4096, "low": 4096, "medium": 16384, "high": 32768}
ROOM_OF_NOBODY_KNOWS = 16384  # if the service decides
LEAST_BUDGET_OF_2_5_PRO = 128


def thinking_of(name: str, thinking: Thinking) -> int | str | None:
    """The setting to send to the model `name`: a token budget, a level, or None. `off` is the least that the model has."""
    model, plain = known_model(name), plain_name(name)
    if thinking == "default" or plain.startswith(("gemini-1", "gemini-2.0", "gemma")):
        return None
    if model and model.levels:
        return model.levels[0] if thinking == "off" else thinking
    if model and model.budget is not None:
        return max(BUDGETS[thinking], model.budget)
    if plain.startswith("gemini-2.5"):
        return max(BUDGETS[thinking], LEAST_BUDGET_OF_2_5_PRO if plain.startswith("gemini-2.5-pro") else 0)
    return "low" if thinking == "off" else thinking


def room_for(name: str, thinking: Thinking) -> int:
    """Tokens to reserve for thoughts in addition to the answer."""
    sent = thinking_of(name, thinking)
    if isinstance(sent, int):
        return sent
    if sent is not None:
        return ROOM_OF_LEVEL[sent]
    return ROOM_OF_NOBODY_KNOWS if thinking == "default" else 0
