"""Checks as statements: each a SELECT of one row over the checked relation, for its `judge` to read."""

from __future__ import annotations

from sqlglot import exp

from etlrun.compiler.plan import Plan
from etlrun.contracts.check import SumCheck
from etlrun.contracts.relation import Input
from etlrun.language.queries import check_query


def lower_check(plan: Plan, name: str, position: int) -> exp.Query:
    """The typed statement of the check at `position` of the relation `name`.

    It reads the relation as the plan makes it, hidden columns included, and for a check that compares two relations the other one,
    unless its sum rode along.
    """
    use = plan.checked.pipeline.checks[name][position]
    relation = plan.relation(name)
    given = Input(name, relation.columns, plan.checked.scope(use.where))
    carried = next((found for found in plan.carried if (found.chain, found.check) == (name, position)), None)
    if carried is not None and isinstance(use.value, SumCheck):
        query = use.value.lower_carried(given, carried.column.name)
    else:
        query = use.value.lower(given)
    typed, _ = check_query(query, {**plan.checked.columns, name: relation.columns})
    return typed
