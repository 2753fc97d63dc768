"""How much a model thinks before it answers, for models with effort levels; the table of models lists the levels."""

from __future__ import annotations

from typing import Literal

from etlrun.models._known_models import known_model

Effort = Literal["lowest", "default", "none", "minimal", "low", "medium", "high", "xhigh", "max"]
ROOM_OF_EFFORT = {  # an effort is not a limit, so reserve many tokens
    "": 0,
    "none": 0,
    "minimal": 4096,
    "low": 4096,
    "medium": 16384,
    "high": 32768,
    "xhigh": 65536,
    "max": 65536,
}


def effort_of(name: str, effort: Effort) -> str:
    """The effort to send to the model `name`; `""` to send none."""
    if effort != "lowest":
        return "" if effort == "default" else effort
    model = known_model(name)
    return model.levels[0] if model and model.levels else ""
