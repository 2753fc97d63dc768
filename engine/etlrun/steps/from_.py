"""`from` - name the relation a chain reads, or several whose rows are put together.

Several relations are united by column name, duplicates kept; all must have the same columns with the same types.

```yaml
steps:
  all_sales:
    - from: [north, south]
```

```rows
north: {shop: string, units: int}
| shop | units |
| A    | 1     |
south: {units: int, shop: string}
| units | shop |
| 2     | B    |
->
| shop | units |
| A    | 1     |
| B    | 2     |
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.relation import Input, relation_table
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import column
from etlrun.spec.fields import key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class From(Step):
    """Name the relation a chain reads, or several whose rows are put together."""

    short: ClassVar[str] = "relations"
    stands: ClassVar[Literal["first", "later", "anywhere"]] = "first"

    relations: tuple[str, ...] = key("a source or step chain, or a list of them")

    def reads(self) -> Iterable[tuple[str, At]]:
        return [(name, ("relations", index)) for index, name in enumerate(self.relations)]

    def alias(self) -> str:
        return self.relations[0] if len(self.relations) == 1 else ""

    def output(self, columns: Columns, scope: Scope) -> Columns:
        found = [scope.relation(name, at) for name, at in self.reads()]
        first = found[0]
        for (name, at), other in zip(list(self.reads())[1:], found[1:], strict=True):
            if len(other):
                self._compare(first, name, other, at, scope)
        if len(found) == 1:
            return first
        return Columns(tuple(self._united(item, found) for item in first), first.groups)

    def _united(self, item: Column, found: list[Columns]) -> Column:
        others = [other.get(item.name) for other in found]
        return replace(item, domain=None, nullable=any(other is None or other.nullable for other in others))

    def _compare(self, first: Columns, name: str, other: Columns, at: At, scope: Scope) -> None:
        for item in first:
            match = other.get(item.name)
            if match is None:
                scope.error(
                    at,
                    "unknown-column",
                    f"`{name}` has no column `{item.name}`, which `{self.relations[0]}` has",
                    "unite relations of the same columns",
                )
            elif match.type != item.type and NULL not in (match.type, item.type):
                message = f"`{item.name}` is {match.type} in `{name}` and {item.type} in `{self.relations[0]}`"
                scope.error(at, "type-mismatch", message, "`cast` one of them first")
        for item in other:
            if item.name not in first:
                scope.error(
                    at,
                    "unknown-column",
                    f"`{name}` has a column `{item.name}`, which `{self.relations[0]}` lacks",
                    "`drop` it first",
                )

    def lower(self, relation: Input) -> exp.Query:
        names = relation.scope.relations[self.relations[0]].names
        selects = [
            exp.select(*(column(name) for name in names)).from_(relation_table(other)) for other in self.relations
        ]
        united: exp.Query = selects[0]
        for select in selects[1:]:
            united = exp.union(united, select, distinct=False, copy=False)
        return united
