"""Model names that a service answers with another model from some day on, by the table of models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etlrun.models._known_models import known_model
from etlrun.models._names import name_of_answerer


@dataclass(frozen=True)
class ReroutedName:
    """A name that the service answers with another model from some day on."""

    name: str
    answerer: str
    begins: str

    @property
    def message(self) -> str:
        """What the service does, or will do."""
        return f"from {self.begins} on, the service answers requests for `{self.name}` with `{self.answerer}`"

    @property
    def fix(self) -> str:
        """How to ask the model that answers, or to accept it."""
        return f"set `model: {self.answerer}`, or add `accept: [{self.answerer}]` to the model if its answers may count"


def rerouted_name(name: str, accepted: Sequence[str]) -> ReroutedName | None:
    """How `name` is rerouted, now or later; None if it is not, or if the other model is accepted."""
    model = known_model(name)
    if model is None or not model.served_by:
        return None
    answerer = model.served_by["model"]
    if name_of_answerer(name, accepted, answerer):
        return None
    return ReroutedName(model.name, answerer, model.served_by["from"])
