"""`history` - turn daily snapshots into validity periods: one row for each change, with `valid_from` and `valid_to`.

The input has one row for each `by` and `at`: a snapshot for each day, or a row for each change. A row is left out if no
`track` column differs from the previous row of the same `by`. `valid_from` is the `at` of the change. `valid_to` is the
`at` of the next change, which is not part of the period; in the last row it is null and `is_current` is true.

Null is treated like a value: from null to null is not a change. A null `at` comes first. `by` and `at` together must
identify a row.

```yaml
steps:
  tiers:
    - from: customers
    - dedupe: {by: [id, day], order: [tier, city]}
    - history: {by: [id], at: day, track: [tier, city]}
```

```rows
customers: {id: int, day: date, tier: string, city: string}
| id | day        | tier | city |
| 1  | 2024-01-01 | gold | Hue  |
| 1  | 2024-01-02 | gold | Hue  |
| 1  | 2024-01-03 | base | Hue  |
| 2  | 2024-01-02 | base | null |
->
| id | tier | city | valid_from | valid_to   | is_current |
| 1  | gold | Hue  | 2024-01-01 | 2024-01-03 | false      |
| 1  | base | Hue  | 2024-01-03 | null       | true       |
| 2  | base | null | 2024-01-02 | null       | true       |
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlglot import exp

from etlrun.contracts.ordering import ascending, over
from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import BOOLEAN, Column, Columns
from etlrun.language.expressions import call, column
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, Scope

FROM, TO, CURRENT = "valid_from", "valid_to", "is_current"
PLACE = f"{HIDDEN}place"


@dataclass(frozen=True)
class History(Step):
    """Turn daily snapshots into validity periods: one row for each change."""

    by: tuple[str, ...] = key("the columns that identify an entity, such as a customer")
    at: str = key("the column with the time of a row: a date, a timestamp or another ordered type")
    track: tuple[str, ...] = key("a change in these columns makes a new row")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        result = Columns(())
        for name, place in self._kept():
            found = scope.column(columns, name, place)
            scope.new_column(result, found.name, place)
            if not found.type.is_orderable:
                scope.error(
                    place,
                    "type-mismatch",
                    f"`{found.name}` is {found.type}, which cannot be compared for equality on every engine",
                )
            result = result.with_column(found)
        at = scope.column(columns, self.at, "at")
        if not at.type.is_orderable:
            scope.error(
                "at", "type-mismatch", f"`{at.name}` is {at.type}, which has no order", "name a date or timestamp"
            )
        missing = [name for name in columns.telling if name.lower() not in self._telling]
        if missing and all(name in columns for name in (*self.by, self.at)):
            fix = "add a `key` to the source, or put `- dedupe: {by: [...], order: [...]}` with both before this step"
            scope.error(
                "at", "no-total-order", f"several rows may have the same `{', '.join(self.by)}` and `{at.name}`", fix
            )
        for name in (FROM, TO, CURRENT):
            scope.new_column(result, name, "track")
        for new in (
            replace(at, name=FROM),
            replace(at, name=TO, nullable=True),
            Column(CURRENT, BOOLEAN, nullable=False),
        ):
            result = result.with_column(new)
        return result.with_unique((*self.by, FROM))

    @property
    def _telling(self) -> set[str]:
        return {name.lower() for name in (*self.by, self.at)}

    def _kept(self) -> list[tuple[str, tuple[str | int, ...]]]:
        """The columns that stay, each with its place."""
        return [
            *((name, ("by", index)) for index, name in enumerate(self.by)),
            *((name, ("track", index)) for index, name in enumerate(self.track)),
        ]

    def lower(self, relation: Input) -> exp.Query:
        kept = [column(found.name) for name, _ in self._kept() if (found := relation.columns.get(name))]
        before = {name: f"{HIDDEN}before_{index}" for index, name in enumerate(self.track)}
        rows = relation.select(
            *kept,
            named(column(self.at), FROM),
            named(over(call("row_number"), self.by, ascending(self.at)), PLACE),
            *(named(over(call("lag", column(name)), self.by, ascending(self.at)), old) for name, old in before.items()),
        )
        same = [exp.NullSafeEQ(this=column(name), expression=column(old)) for name, old in before.items()]
        is_first = exp.EQ(this=column(PLACE), expression=exp.Literal.number(1))
        is_changed = exp.or_(is_first, *(exp.Not(this=exp.paren(equal)) for equal in same), copy=False)
        changes = exp.select(*kept, column(FROM)).from_(rows.subquery("versions", copy=False)).where(is_changed)
        last = over(call("row_number"), self.by, exp.Ordered(this=column(FROM), desc=True, nulls_first=False))
        return exp.select(
            *kept,
            column(FROM),
            named(over(call("lead", column(FROM)), self.by, ascending(FROM)), TO),
            named(exp.EQ(this=last, expression=exp.Literal.number(1)), CURRENT),
        ).from_(changes.subquery("changes", copy=False))
