"""`unpivot` - turn columns into rows: one row for each of them, with its label and its value.

`columns` lists the columns (the label is the column name), or `over` names a column group (the label is the label of
the group). All of them must have the same type. The other columns stay, before the new ones. `nulls: keep` makes a row
of a null value, `drop` does not.

```yaml
steps:
  long:
    - from: totals
    - unpivot: {columns: [TV, Film], name: type, value: seconds}
```

```rows
totals: {contract: string, Film: bigint, TV: bigint}
| contract | Film | TV   |
| A        | 5    | 2    |
| B        | 1    | null |
->
| contract | type | seconds |
| A        | TV   | 2       |
| A        | Film | 5       |
| B        | TV   | null    |
| B        | Film | 1       |
```
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, named, relation_table
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, STRING, Column, Columns
from etlrun.language.expressions import LONG_CHAIN, column, literal
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, At, Scope

LABEL = f"{HIDDEN}label"


@dataclass(frozen=True)
class Unpivot(Step):
    """Turn columns into rows: one row for each of them, with its label and its value."""

    name: str = key("the new column with the label")
    value: str = key("the new column with the value")
    columns: tuple[str, ...] = key("the columns to turn into rows", default=())
    over: str = key("the column group to turn into rows", default="", example="totals")
    nulls: Literal["keep", "drop"] = key("a null value: `keep` makes a row of it, `drop` does not", default="keep")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        if bool(self.columns) == bool(self.over):
            scope.error((), "missing-key", "one of `columns` and `over` is expected here")
        group = scope.group(columns, self.over, "over") if self.over else None
        members = self._members(columns)
        found = [
            (columns.get(name) if group else None) or scope.column(columns, name, self._place(index))
            for index, (_, name) in enumerate(members)
        ]
        for index, item in enumerate(found):
            if item.name.lower() in [earlier.name.lower() for earlier in found[:index]]:
                scope.error(
                    self._place(index), "column-exists", f"`{item.name}` is defined twice", "remove one of them"
                )
            elif item.type != found[0].type and NULL not in (item.type, found[0].type):
                message = f"`{found[0].name}` is {found[0].type} and `{item.name}` is {item.type}"
                scope.error(self._place(index), "type-mismatch", message, "`cast` them to one type first")
        rest = self._rest(columns)
        result = rest
        labels = group.domain if group else tuple(label for label, _ in members)
        nullable = self.nulls == "keep" and any(item.nullable for item in found)
        for at, new in (
            ("name", Column(self.name, STRING, nullable=False, domain=labels or None)),
            ("value", Column(self.value, found[0].type if found else NULL, nullable=nullable)),
        ):
            scope.new_column(result, new.name, at)
            result = result.with_column(new)
        return result.with_unique((*rest.unique, self.name) if rest.unique is not None else None)

    def _place(self, index: int) -> At:
        return ("columns", index) if self.columns else "over"

    def _members(self, columns: Columns) -> tuple[tuple[str, str], ...]:
        """The label and the column for each of the rows that one row is turned into."""
        group = columns.group(self.over) if self.over else None
        if group is not None:
            return tuple(zip(group.labels, group.columns, strict=True))
        return tuple((found.name if (found := columns.get(name)) else name, name) for name in self.columns)

    def _rest(self, columns: Columns) -> Columns:
        gone = {name.lower() for _, name in self._members(columns)}
        return columns.keep(item.name for item in columns if item.name.lower() not in gone)

    def lower(self, relation: Input) -> exp.Query:
        """Join each row with a list of the labels, and select the column of each label: the input is read once."""
        members = self._members(relation.columns)
        labels = _union_all([exp.select(named(literal(label), LABEL)) for label, _ in members])
        choice = exp.Case(
            ifs=[
                exp.If(this=exp.EQ(this=column(LABEL), expression=literal(label)), true=column(name))
                for label, name in members
            ]
        )
        rest = [column(item.name) for item in self._rest(relation.columns)]
        rows = exp.select(*rest, named(column(LABEL), self.name), named(choice, self.value)).from_(
            relation_table(relation.name)
        )
        rows = rows.join(
            exp.Join(
                this=exp.Subquery(this=labels, alias=exp.TableAlias(this=exp.to_identifier("labels", quoted=True))),
                kind="CROSS",
            )
        )
        if self.nulls == "keep":
            return rows
        return rows.where(choice.copy().is_(exp.Null()).not_())


def _union_all(queries: Sequence[exp.Query]) -> exp.Query:
    """UNION ALL of the queries, as a balanced tree: a deep one could exceed the recursion limit of a pass."""
    if len(queries) <= LONG_CHAIN:
        return reduce(lambda left, right: exp.union(left, right, distinct=False, copy=False), queries)
    middle = len(queries) // 2
    halves = [exp.Subquery(this=_union_all(half)) for half in (queries[:middle], queries[middle:])]
    return exp.union(*halves, distinct=False, copy=False)
