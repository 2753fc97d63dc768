"""The keys of a pipeline by the number of rows they have, with what is known of each, for a person to correct."""

from __future__ import annotations

from collections.abc import Mapping

from etlrun.compiler.check import Checked
from etlrun.enrich.answers import known_answers
from etlrun.enrich.bills import asking_relations
from etlrun.enrich.enrichment import open_enrichment
from etlrun.enrich.keys import Keys
from etlrun.spec.answer_files import REVIEW

Table = tuple[list[str], list[list[str]]]


def review(checked: Checked, keys: Mapping[str, Keys]) -> dict[str, Table]:
    """By prompt: a header and a line for every key that is asked, the one with the most rows first. Calls no service. Raises RunFailure.

    `keys` are those of each enrich step, by the name of its relation of answers.
    """
    found: dict[str, Table] = {}
    for relation in asking_relations(checked):
        assert relation.ask is not None
        asked = keys[relation.name].asked
        with open_enrichment(checked.project, checked.profile, relation.ask) as enrichment:
            outputs = [output.name for output in enrichment.prompt.outputs]
            answers = known_answers(asked, enrichment.tiers, enrichment.store, enrichment.overrides)
        lines = [
            [
                key.shown,
                *(_cell(answer.values.get(name)) for name in outputs),
                str(key.rows),
                answer.status,
                answer.source if answer.status == "ok" else "",
            ]
            for key, answer in zip(asked, answers, strict=True)
        ]
        header, before = found.get(relation.ask.prompt, (["key", *outputs, *REVIEW], []))
        found[relation.ask.prompt] = (header, before + lines)
    return found


def _cell(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
