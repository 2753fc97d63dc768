"""What asking would cost: the keys of every enrich step against what the label store knows. Asks nobody."""

from __future__ import annotations

from collections.abc import Mapping

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Relation, make_plan
from etlrun.enrich.enrichment import open_enrichment
from etlrun.enrich.estimates import Bill
from etlrun.enrich.keys import Keys


def asking_relations(checked: Checked) -> tuple[Relation, ...]:
    """The relations of a pipeline that are made by asking models."""
    return tuple(relation for relation in make_plan(checked).relations if relation.ask is not None)


def find_bills(checked: Checked, keys: Mapping[str, Keys]) -> dict[str, list[Bill]]:
    """The bill of each model of every enrich step. Raises RunFailure, and SpecError for mistakes in files."""
    bills: dict[str, list[Bill]] = {}
    for relation in asking_relations(checked):
        assert relation.ask is not None
        with open_enrichment(checked.project, checked.profile, relation.ask) as enrichment:
            bills[relation.name] = enrichment.bills(keys[relation.name])
    return bills
