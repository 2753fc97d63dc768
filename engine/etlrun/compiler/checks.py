"""Statements of checks: each is a SELECT over the checked relation with one row, from which the check's `judge` decides."""

from __future__ import annotations

from sqlglot import exp

from etlrun.compiler.plan import Plan
from etlrun.contracts.check import SumCheck
from etlrun.contracts.relation import Input
from etlrun.language.expressions import column
from etlrun.language.queries import check_query
from etlrun.spec.project import Use
from etlrun.spec.scope import HIDDEN


def lower_check(plan: Plan, name: str, position: int) -> exp.Query:
    """The typed statement of the check at `position` of the relation `name`.

    It reads the relation with its hidden columns. A check that compares two relations also reads the other one, unless its sum
    is one of the hidden columns.
    """
    use = plan.checked.pipeline.checks[name][position]
    given = _checked_rows(plan, name, use)
    carried = next((found for found in plan.carried if (found.chain, found.check) == (name, position)), None)
    if carried is not None and isinstance(use.value, SumCheck):
        query = use.value.lower_carried(given, carried.column.name)
    else:
        query = use.value.lower(given)
    typed, _ = check_query(query, {**plan.checked.columns, given.name: given.columns})
    return typed


def lower_failing(plan: Plan, name: str, position: int, most: int) -> exp.Query | None:
    """The first `most` rows that do not pass the check at `position` of the relation `name`, sorted by all columns."""
    use = plan.checked.pipeline.checks[name][position]
    given = _checked_rows(plan, name, use)
    failing = use.value.failing(given)
    if failing is None:
        return None
    unread = plan.unread.get(given.name, frozenset())
    shown = [item for item in given.columns if not item.name.startswith(HIDDEN) and item.name not in unread]
    order = [exp.Ordered(this=column(item.name), nulls_first=True) for item in shown if item.type.is_orderable]
    rows = exp.select(*(column(item.name) for item in shown)).from_(failing.subquery("failing", copy=False))
    query = rows.order_by(*order).limit(most) if order else rows.limit(most)
    typed, _ = check_query(query, {**plan.checked.columns, given.name: given.columns})
    return typed


def _checked_rows(plan: Plan, name: str, use: Use) -> Input:
    """The rows that are checked."""
    name = use.value.of_relation() or name
    columns, scope = plan.relation(name).columns, plan.checked.scope(use.where)
    rows = scope.condition(columns, use.value.where, "where") if use.value.where is not None else None
    return Input(name, columns, scope, rows)
