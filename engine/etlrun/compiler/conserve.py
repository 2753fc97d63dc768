"""`conserved` checks without a second scan: the sum of the left side is computed as a hidden column of the aggregation.

`sum(x)` over a relation equals the sum, over the groups made from it, of `sum(x)` in each group. So where the checked chain
reads that relation directly and aggregates it once, the aggregate carries `sum(x)` under a hidden name, the following steps
(which all keep their rows) pass it on, and the check adds it up over the staged result. Sinks never see hidden columns.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from etlrun.compiler.check import Checked
from etlrun.contracts.check import SumCheck
from etlrun.contracts.relation import named
from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import type_of
from etlrun.spec.project import Use
from etlrun.spec.scope import HIDDEN


@dataclass(frozen=True)
class Carried:
    """A sum that is computed as a hidden column in `chain`: added by the step at `index` under `column`, for the check at `check`."""

    chain: str
    index: int
    column: Column
    tree: exp.Expr
    check: int

    def ride_along(self, index: int, query: exp.Query) -> exp.Query:
        """The tree of the aggregate step with the hidden sum as an additional column; other steps unchanged."""
        if index != self.index or not isinstance(query, exp.Select):
            return query
        return query.select(named(self.tree.copy(), self.column.name), copy=False)

    def follow(self, index: int, columns: Columns) -> Columns:
        return columns.with_column(self.column) if index == self.index else columns


def carry_sums(checked: Checked) -> tuple[Carried, ...]:
    """The left sides of `conserved` checks that can be hidden columns; for the others, the relation is read again."""
    found: list[Carried] = []
    for name, uses in checked.pipeline.checks.items():
        for position, use in enumerate(uses):
            may_carry = isinstance(use.value, SumCheck) and use.value.where is None
            carried = _carry(checked, name, position, use) if may_carry else None
            if carried:
                found.append(carried)
    return tuple(found)


def _carry(checked: Checked, name: str, position: int, use: Use) -> Carried | None:
    chain = checked.pipeline.chains.get(name, ())
    relation = use.value.left_relation
    if len(chain) < 2 or chain[0].value.alias() != relation or not chain[1].value.groups_rows:
        return None
    if not all(step.value.keeps_rows for step in chain[2:]):
        return None
    if any(list(step.value.reads()) for step in chain[2:]):
        return None
    tree = use.value.left_tree(checked.columns[relation], checked.scope(use.where))
    column = Column(f"{HIDDEN}{name}_{position}", type_of(tree))
    return Carried(name, 1, column, tree, position)
