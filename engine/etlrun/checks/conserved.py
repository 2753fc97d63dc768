"""`conserved` - no rows got lost or duplicated: a sum over another relation equals a sum over this relation.

`left` is `sum` or `count` over the columns of one other relation, each written `relation.column`. `right` is `sum` or
`count` over this relation; `sum(group)` adds all columns of a column group. The sum of no rows is 0. `tolerance` is the
largest difference allowed, as a share of the left side, for values that are rounded. `where` filters the rows of this
relation.

If one `aggregate` makes this relation from the other, the left sum is computed in the same query.

```yaml
steps:
  profile:
    - from: views
    - aggregate:
        by: [contract]
        pivot: {column: type, labels: [TV, Film], value: sum(seconds), fill: 0, as: totals}
checks:
  profile:
    - conserved: {left: sum(views.seconds), right: sum(totals)}
```

```rows
views: {contract: string, type: string, seconds: bigint}
| contract | type | seconds |
| A        | TV   | 1000    |
| A        | Film | 200     |
| B        | TV   | 34      |
->
holds: both sides are 1,234
```

```rows
views: {contract: string, type: string, seconds: bigint}
| contract | type  | seconds |
| A        | TV    | 1000    |
| B        | Sport | 234     |
->
fails: `sum(views.seconds)` is 1,234 and `sum(totals)` is 1,000: 234 less
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from etlrun.contracts.check import SumCheck, Verdict, severity_key, where_key
from etlrun.contracts.relation import Input, named, relation_table
from etlrun.language.columns import Columns
from etlrun.language.expressions import ExpressionError, call, cast, column, literal, parse, type_of
from etlrun.spec.fields import Expr, Percent, key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Conserved(SumCheck):
    """A sum over another relation equals one over this relation."""

    left: Expr = key("`sum` or `count` over another relation: `sum(views.seconds)`")
    right: Expr = key("`sum` or `count` over this relation: `sum(seconds)`, or `sum(group)`")
    tolerance: Percent = key("the largest difference allowed, as a share of the left side", default=Percent(0))
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    @property
    def left_relation(self) -> str:
        try:
            tree = parse(self.left)
        except ExpressionError:
            return ""  # `verify` reports it
        return next((found.parts[0].name for found in tree.find_all(exp.Column) if len(found.parts) > 1), "")

    def reads(self) -> Iterable[tuple[str, At]]:
        return [(self.left_relation, "left")] if self.left_relation else []

    def verify(self, columns: Columns, scope: Scope) -> None:
        self._sum(columns, self.right, "right", scope)
        if self.left_relation:
            other = scope.relation(self.left_relation, "left")
            if self.left_relation in scope.relations:
                self._sum(other, self.left, "left", scope)
        elif scope.tree(Columns(()), self.left, "left", may="aggregate") is not None:
            scope.error(
                "left",
                "unknown-relation",
                "the left side does not name a relation",
                "write it as `sum(RELATION.COLUMN)`",
            )

    def _sum(self, columns: Columns, expression: Expr, at: str, scope: Scope) -> exp.Expr | None:
        tree = scope.tree(
            columns, expression, at, may="aggregate", adapt=self._without_relation if at == "left" else None
        )
        if tree is None:
            return None
        is_sum = (
            isinstance(tree, exp.Anonymous)
            and tree.name.lower() in ("sum", "count")
            and tree.find(exp.Distinct) is None
        )
        if not is_sum:
            scope.error(
                at,
                "wrong-arguments",
                "one `sum` or `count` is expected here",
                "use `sum` or `count`: only their values add up over groups",
            )
        return tree if is_sum else None

    def _without_relation(self, tree: exp.Expr) -> exp.Expr:
        """The tree with `relation.column` as `column`: its only relation is the one named."""
        for found in list(tree.find_all(exp.Column)):
            first, *rest = found.parts
            if rest and first.name == self.left_relation:
                bare = exp.Column(
                    **dict(zip(("this", "table", "db"), (part.copy() for part in reversed(rest)), strict=False))
                )
                found.replace(bare)
        return tree

    def left_tree(self, columns: Columns, scope: Scope) -> exp.Expr:
        tree = self._sum(columns, self.left, "left", scope)
        assert tree is not None, f"`{self.left}` was lowered without being checked"
        return tree

    def lower(self, relation: Input) -> exp.Query:
        left = self.left_tree(relation.scope.relations[self.left_relation], relation.scope)
        sides = (
            exp.select(named(_or_zero(left), "left"))
            .from_(relation_table(self.left_relation))
            .subquery("one", copy=False)
        )
        other = relation.select(named(_or_zero(self._right(relation)), "right")).subquery("two", copy=False)
        return exp.select(column("left"), column("right")).from_(sides).join(exp.Join(this=other, kind="CROSS"))

    def lower_carried(self, relation: Input, carried: str) -> exp.Query:
        found = relation.columns.get(carried)
        assert found is not None
        left = call("coalesce", call("sum", column(carried)), cast(literal(0), found.type))
        return relation.select(named(left, "left"), named(_or_zero(self._right(relation)), "right"))

    def _right(self, relation: Input) -> exp.Expr:
        return relation.tree(self.right, "right", may="aggregate")

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        left, right = row["left"], row["right"]
        if left == right:
            return Verdict(True, f"both sides are {left:,}")
        difference = f"{abs(left - right):,} {'less' if right < left else 'more'}"
        within = abs(float(left) - float(right)) <= self.tolerance * abs(float(left))
        return Verdict(within, f"`{self.left}` is {left:,} and `{self.right}` is {right:,}: {difference}")


def _or_zero(tree: exp.Expr) -> exp.Expr:
    return call("coalesce", tree, cast(literal(0), type_of(tree)))
