"""`explode` - one row for each element of an array column.

The new column has the name `as` (default: the name of the array) and the place of the array. `empty` decides about a
row whose array is empty or null: `drop` removes it, `keep` keeps it once, with a null element. `position` adds a column
with the position of the element, from 1; it is null for a row that `keep` kept.

```yaml
steps:
  one_plan_a_row:
    - from: users
    - explode: {column: plans, as: plan, empty: keep, position: nth}
```

```rows
users: {user: string, plans: array<string>}
| user | plans        |
| u1   | [TV, Sports] |
| u2   | []           |
| u3   | null         |
| u4   | [null]       |
->
| user | plan   | nth  |
| u1   | TV     | 1    |
| u1   | Sports | 2    |
| u2   | null   | null |
| u3   | null   | null |
| u4   | null   | 1    |
```
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named, relation_table
from etlrun.contracts.step import Step
from etlrun.language.columns import INT, NULL, Column, Columns
from etlrun.language.expressions import cast, column
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, Scope

ELEMENT, POSITION = f"{HIDDEN}element", f"{HIDDEN}position"


@dataclass(frozen=True)
class Explode(Step):
    """One row for each element of an array column."""

    column: str = key("the array column")
    empty: Literal["drop", "keep"] = key(
        "a row whose array is empty or null: `drop` removes it, `keep` keeps it with a null element"
    )
    as_: str = key("the name of the new column; default: the name of the array column", yaml="as", default="")
    position: str = key("a new column with the position of the element, from 1", default="")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        found = scope.column(columns, self.column, "column")
        if found.type.element is None and found.type != NULL:
            fix = (
                f"first turn its entries into an array: derive: {{entries: map_entries({found.name})}}"
                if found.type.entry
                else ""
            )
            message = f"an array is expected here, but `{found.name}` is {found.type}"
            scope.error("column", "type-mismatch", message, fix)
        rest = columns.keep(item.name for item in columns if item.name.lower() != found.name.lower())
        if self.as_:
            scope.new_column(rest, self.as_, "as")
        element = Column(self.as_ or found.name, found.type.element or NULL)
        result = replace(
            rest,
            items=tuple(element if item.name.lower() == found.name.lower() else item for item in columns),
            unique=None,
        )
        if not self.position:
            return result
        scope.new_column(result, self.position, "position")
        return result.with_column(Column(self.position, INT, nullable=self.empty == "keep"))

    def lower(self, relation: Input) -> exp.Query:
        found = relation.columns.get(self.column)
        assert found is not None and found.type.element is not None
        outputs: list[exp.Expr] = [
            named(column(ELEMENT), self.as_ or found.name) if item is found else column(item.name)
            for item in relation.columns
        ]
        if self.position:
            outputs.append(named(cast(column(POSITION), INT), self.position))
        names = exp.TableAlias(
            this=exp.to_identifier("elements", quoted=True), columns=[exp.to_identifier(ELEMENT, quoted=True)]
        )
        elements = exp.Unnest(
            expressions=[column(found.name)], alias=names, offset=exp.to_identifier(POSITION, quoted=True)
        )
        if self.empty == "keep":
            join = exp.Join(this=elements, side="LEFT", on=exp.Boolean(this=True))
        else:
            join = exp.Join(this=elements, kind="CROSS")
        return exp.select(*outputs).from_(relation_table(relation.name, "rows")).join(join)
