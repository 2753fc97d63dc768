"""Tries a model with three items of a prompt: settings, key, name, and the form of the answer. Nothing is stored."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from etlrun.contracts.model import LanguageModel, LocalModel, ModelError, ModelReply
from etlrun.diagnostics import counted
from etlrun.enrich.dollars import dollars
from etlrun.enrich.giving_up import used_room
from etlrun.enrich.keys import Key
from etlrun.enrich.questions import Sheet, write_sheet
from etlrun.enrich.replies import ReplyVerdict, judge
from etlrun.enrich.terms import Budget
from etlrun.enrich.tiers import Tier, tiers_of
from etlrun.models._rerouted_names import rerouted_name
from etlrun.spec.environment import from_environment
from etlrun.spec.normal_form import PART, normal_form, readable
from etlrun.spec.project import Profile, Project
from etlrun.spec.prompts import Prompt, named_prompt

CODES = {"access": 2, "model": 2, "setup": 2}
ITEMS = 3
SPARE = ("example", "sample text", "test")  # for a prompt with few examples; they work with any prompt
UNCHECKED = "; they are not checked, because the prompt has no examples"


@dataclass(frozen=True)
class ModelTrial:
    """The result of trying a model: a line, what to do, and the exit code."""

    model: str
    prompt: str
    text: str
    fix: str = ""
    code: int = 0

    def as_object(self) -> dict[str, Any]:
        return asdict(self)


def examine(project: Project, profile: Profile, name: str, prompt: str) -> Iterator[ModelTrial]:
    """A finding for each model under a name of the profile. Raises RunFailure for a missing prompt, SpecError for mistakes in files."""
    found = named_prompt(project.root, prompt)
    for use in profile.models[name]:
        try:
            (tier,) = tiers_of(found, [use.value], project.root, from_environment)
            text, fix, code = _try_out(project, found, tier)
        except ModelError as error:
            text, fix, code = error.message, error.fix, CODES.get(error.cause, 1)
        yield ModelTrial(name, prompt, text, fix, code)


def _try_out(project: Project, prompt: Prompt, tier: Tier) -> tuple[str, str, int]:
    texts = [example.key for example in (*prompt.examples, *prompt.canaries)]
    spare = [PART.join([text] * len(prompt.keys)) for text in SPARE]
    chosen = [*texts, *(text for text in spare if text not in texts)][:ITEMS]
    if isinstance(tier.model, LocalModel):
        finder = tier.model.open(project.root, prompt.outputs)
        known = sum(finder.find(text.split(PART)[0]) is not None for text in chosen)
        return f"{tier.source} works; it knows {known} of {counted(len(chosen), 'key')}", "", 0
    assert isinstance(tier.model, LanguageModel)
    sheet = write_sheet(
        tier.question,
        [Key(normal_form(text), text, 1) for text in chosen],
        random.Random(),
        tier.model.thought_tokens(tier.name),
    )
    called, reply = asyncio.run(_ask(tier.model, sheet))
    answerers = tier.terms(Budget(), "").answerers(tier.question)
    if answerers.of(reply) is None:
        stop = answerers.refusal(reply)
        return stop.message, stop.fix, stop.exit_code
    verdict = judge(tier.question, sheet, reply)
    cost = dollars(answerers.cost(reply, 0.0)) if reply.usage and tier.tariff.price else "an unknown price"
    summary = f"{tier.source} ({called}) answered {len(verdict.answers)} of {counted(len(chosen), 'item')} for {cost}"
    if reply.ending == "truncated" and not verdict.answers:
        used = used_room(sheet, reply, tier.model.thought_tokens(tier.name))
        return f"{summary}; the answer was cut off: {used}", tier.model.more_room, 2
    if verdict.fault:
        return (
            f"{summary}: {verdict.reason or verdict.fault}",
            f"try another model, or correct prompts/{prompt.name}.md",
            1,
        )
    return _compared(prompt, chosen, verdict, summary) or (
        f"{summary} ({_answers(chosen, verdict)}{'' if texts else UNCHECKED})",
        _note(tier.model, tier.name),
        0,
    )


def _compared(
    prompt: Prompt, chosen: Sequence[str], verdict: ReplyVerdict, summary: str
) -> tuple[str, str, int] | None:
    """The problem with answers to examples of the prompt; None if there is none."""
    right = {example.key: example.answer for example in (*prompt.examples, *prompt.canaries)}
    wrong = [
        f"`{readable(chosen[index])}` is {'/'.join(str(value) for value in right[chosen[index]].values())}"
        for index, answer in sorted(verdict.answers.items())
        if chosen[index] in right and not prompt.agrees(answer, right[chosen[index]])
    ]
    if not wrong:
        return None
    fix = f"by prompts/{prompt.name}.md {', '.join(wrong)}: correct the example, or try another model"
    return f"{summary} ({_answers(chosen, verdict)}), {len(wrong)} wrongly", fix, 1


def _answers(chosen: Sequence[str], verdict: ReplyVerdict) -> str:
    return ", ".join(
        f"{readable(chosen[index])}: {'/'.join(str(value) for value in answer.values())}"
        for index, answer in sorted(verdict.answers.items())
    )


def _note(model: LanguageModel, name: str) -> str:
    """A note about a model that works today but needs a change soon."""
    rerouted = rerouted_name(name, model.accept)
    return f"{rerouted.message}: {rerouted.fix}" if rerouted else ""


async def _ask(model: LanguageModel, sheet: Sheet) -> tuple[str, ModelReply]:
    client = model.open(from_environment)
    try:
        return await client.check(), await client.answer(sheet.request)
    finally:
        await client.close()
