"""What asking would cost: the keys of every enrich step, computed in this process, against what the label store knows. Asks nobody."""

from __future__ import annotations

from dataclasses import replace

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import Relation, make_plan
from etlrun.engines.duckdb import Duckdb
from etlrun.enrich.estimates import Bill
from etlrun.enrich.keys import Keys
from etlrun.runtime.enrichment import open_enrichment, read_keys
from etlrun.runtime.run import RunOptions, run_pipeline
from etlrun.runtime.stage import Staged
from etlrun.runtime.working import Reporter
from etlrun.spec.project import Use


def asking_relations(checked: Checked) -> tuple[Relation, ...]:
    """The relations of a pipeline that are made by asking models."""
    return tuple(relation for relation in make_plan(checked).relations if relation.ask is not None)


def gather_keys(checked: Checked, reporter: Reporter) -> dict[str, Keys]:
    """The distinct keys of every enrich step, by the name of its relation of answers. Computed by duckdb; no service is called.

    Where one step's keys depend on the answers of another, those that are known count. Raises RunFailure.
    """
    asking = asking_relations(checked)
    found: dict[str, Keys] = {}

    def look(staged: dict[str, Staged]) -> None:
        for relation in asking:
            assert relation.ask is not None
            found[relation.name] = read_keys([str(path) for path in staged[relation.reads[0]].paths], relation.ask.key)

    bare = replace(checked, pipeline=replace(checked.pipeline, checks={}, sinks={}))
    bare = replace(bare, profile=replace(bare.profile, engine=Use("duckdb", Duckdb(), ())))
    given = tuple(dict.fromkeys(relation.reads[0] for relation in asking))
    if given:
        run_pipeline(bare, reporter, RunOptions(publishes=False, relations=given, look=look))
    return found


def find_bills(checked: Checked, reporter: Reporter) -> dict[str, list[Bill]]:
    """The bill of each model of every enrich step. Raises RunFailure, and SpecError for mistakes in files."""
    keys = gather_keys(checked, reporter)
    bills: dict[str, list[Bill]] = {}
    for relation in asking_relations(checked):
        assert relation.ask is not None
        with open_enrichment(checked.project, checked.profile, relation.ask) as enrichment:
            bills[relation.name] = enrichment.bills(keys[relation.name])
    return bills
