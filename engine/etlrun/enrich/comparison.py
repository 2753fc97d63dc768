"""`etlrun llm diff`: asks about a sample again with an edited prompt or another model, and compares the answers with earlier ones."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from etlrun.compiler.check import Checked
from etlrun.enrich.bills import asking_relations
from etlrun.enrich.consent import Consent, agree, stop_failure
from etlrun.enrich.enrichment import Enrichment, open_enrichment
from etlrun.enrich.keys import Keys
from etlrun.enrich.store import Cost
from etlrun.enrich.terms import Budget
from etlrun.enrich.tiers import rounds
from etlrun.failures import RunFailure
from etlrun.spec.normal_form import readable
from etlrun.spec.outputs import Value
from etlrun.working import Reporter


class Change(NamedTuple):
    """A key whose answer changes; an empty text means no answer."""

    key: str
    before: str
    after: str
    rows: int


@dataclass(frozen=True)
class Comparison:
    """The changes, those with the most rows first, the numbers of compared keys and rows, and what was compared."""

    changes: tuple[Change, ...]
    keys: int
    rows: int
    before: str
    after: str


def compare_answers(
    checked: Checked,
    keys_of: Mapping[str, Keys],
    models: tuple[str, ...],
    before: str,
    count: int,
    consent: Consent,
    reporter: Reporter,
) -> Comparison:
    """Compare for the first enrich step of a pipeline; `models` replace its own, and `keys_of` are the keys of each step. Raises RunFailure."""
    asking = asking_relations(checked)
    if not asking or asking[0].ask is None:
        raise RunFailure(
            "usage",
            "nothing-asked",
            f"the pipeline `{checked.pipeline.name}` does not ask any model",
            "name one with an `enrich` step",
        )
    ask = replace(asking[0].ask, models=models, agree=False) if models else asking[0].ask
    keys = _sample(keys_of[asking[0].name], count)
    with open_enrichment(checked.project, checked.profile, ask) as enrichment:
        alone = replace(enrichment, overrides={})
        old = _question_before(alone, before)
        known = alone.store.known(old.question, [key.normal for key in keys.asked])
        budget = agree(alone, keys, Budget(), consent, checked.project.settings.confirm_above_usd)
        answers = alone.ask(keys, budget, "diff", reporter.progress)
        if answers.stopped:
            raise stop_failure(answers.stopped)
    changes = []
    for key, answer in zip(keys.asked, answers.by_place, strict=True):
        was, now = _text(known[key.normal].values if key.normal in known else {}), _text(answer.values)
        if key.normal in known and was != now:
            changes.append(Change(readable(key.shown), was, now, key.rows))
    compared = [key for key in keys.asked if key.normal in known]
    named = [[f"{tier.source} ({tier.question.id})" for tier in together] for together in rounds(alone.tiers)]
    after = ", then ".join(" and ".join(names) for names in named)
    return Comparison(
        tuple(changes), len(compared), sum(key.rows for key in compared), f"{old.source} ({old.question})", after
    )


def _sample(keys: Keys, count: int) -> Keys:
    """The first `count` keys, those with the most rows."""
    first = keys.asked[:count]
    return Keys([key.shown for key in first], [key.rows for key in first], tuple(first), array("q", range(len(first))))


def _question_before(enrichment: Enrichment, before: str) -> Cost:
    """The earlier question to compare with. Raises RunFailure if there is none."""
    now = {tier.question.id for tier in enrichment.tiers}
    costs = [
        cost for cost in enrichment.store.costs() if cost.prompt == enrichment.prompt.name and cost.statuses.get("ok")
    ]
    wanted = [cost for cost in costs if (cost.question == before if before else cost.question not in now)]
    if not wanted:
        what = (
            f"there are no answers to a question `{before}`"
            if before
            else f"the store has answers to only one question of the prompt `{enrichment.prompt.name}`"
        )
        raise RunFailure(
            "usage",
            "nothing-to-compare",
            what,
            "run the pipeline before and after a change, or name a question of `etlrun llm stats` with --before",
        )
    return wanted[0]


def _text(values: Mapping[str, Value]) -> str:
    return ", ".join(str(value) for value in values.values())
