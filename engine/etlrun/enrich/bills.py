"""The estimated cost of every `enrich` step: its keys compared with the answers in the label store. No model is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Relation, make_plan
from etlrun.enrich.enrichment import Enrichment, open_enrichment
from etlrun.enrich.estimates import Bill
from etlrun.enrich.keys import Keys
from etlrun.spec.personal_kinds import count_kinds


def asking_relations(checked: Checked) -> tuple[Relation, ...]:
    """The relations of a pipeline that are made by asking models."""
    return tuple(relation for relation in make_plan(checked).relations if relation.ask is not None)


def find_bills(checked: Checked, keys: Mapping[str, Keys]) -> dict[str, list[Bill]]:
    """The estimated cost (bill) of each model of every enrich step. Raises RunFailure, and SpecError for mistakes in files."""
    bills: dict[str, list[Bill]] = {}
    counted: dict[str, set[str]] = {}
    for relation in asking_relations(checked):
        assert relation.ask is not None
        with open_enrichment(checked.project, checked.profile, relation.ask) as enrichment:
            bills[relation.name] = _with_kinds(enrichment, keys[relation.name], counted)
    return bills


def _with_kinds(enrichment: Enrichment, keys: Keys, counted: dict[str, set[str]]) -> list[Bill]:
    """The bills of a step. The first one counts keys that look like personal data, if keys are sent to a service."""
    first, *others = enrichment.bills(keys, counted)
    if enrichment.asks_services:
        looks_personal = count_kinds(key.shown for key in keys.asked)
        first = replace(first, looks_personal=looks_personal, held_back=keys.held_back(), personal=enrichment.personal)
    return [first, *others]
