"""The models that may answer a question: the requested one, and others that are accepted instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etlrun.contracts.model import ModelReply, Request
from etlrun.enrich.prices import Tariff
from etlrun.enrich.questions import Question
from etlrun.enrich.report import Stop
from etlrun.models._names import UNNAMED, name_of_answerer, plain_name


@dataclass(frozen=True)
class Answerer:
    """A model that may answer: its name at the service, the question under which its answers are stored, and its price."""

    name: str
    question: Question
    source: str
    tariff: Tariff


@dataclass(frozen=True)
class Answerers:
    """The requested model, the names accepted in its place, and the price of any other model."""

    asked: Answerer
    accepted: tuple[str, ...]
    tariff_by: Callable[[str], Tariff]

    def of(self, reply: ModelReply) -> Answerer | None:
        """The accepted model that gave `reply`; None if a different model did, or the reply does not name its model.

        A reply without text, such as a blocked one, need not name its model.
        """
        if not reply.text and not reply.version:
            return self.asked
        name = name_of_answerer(self.asked.name, self.accepted, reply.version)
        return None if name is None else self._named(name)

    def worst(self, request: Request) -> float:
        """The highest cost of `request` in US dollars, whichever model answers."""
        others = (self._named(name) for name in self.accepted if name != UNNAMED)
        return max(answerer.tariff.worst(request) for answerer in (self.asked, *others))

    def cost(self, reply: ModelReply, otherwise: float) -> float:
        """The cost of a reply in US dollars, at the price of the model that gave it; `otherwise` if the service counted no tokens."""
        if reply.usage is None:
            return otherwise
        answerer = self.of(reply)
        tariff = answerer.tariff if answerer else self.tariff_by(reply.version)
        return tariff.cost(reply.usage)

    def refusal(self, reply: ModelReply) -> Stop:
        """The reason to stop after a reply of a different model."""
        asked, found = plain_name(self.asked.name), plain_name(reply.version)
        if not found:
            fix = f"add `accept: [{UNNAMED}]` to the model to accept such answers as those of `{asked}`"
            return Stop(
                "another-model", f"`{asked}` was asked, and the reply does not name the model that answered", fix
            )
        fix = f"set `model: {found}`, or add `accept: [{found}]` to the model to accept its answers"
        return Stop("another-model", f"`{asked}` was asked, but `{found}` answered; its answers are not stored", fix)

    def _named(self, name: str) -> Answerer:
        if name == self.asked.name:
            return self.asked
        service = self.asked.question.model.get("provider", "")
        return Answerer(name, self.asked.question.answered_by(name), f"{service} {name}".strip(), self.tariff_by(name))
