"""`select` - only these columns, in this order.

A list keeps columns; a mapping `new: expression` computes them. Groups stay while all of their columns do.

```yaml
steps:
  short:
    - from: people
    - select: [name, age]
```

```rows
people: {age: int, city: string, name: string}
| age | city | name |
| 30  | Hue  | An   |
->
| name | age |
| An   | 30  |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import column, type_of
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Select(Step):
    """Only these columns, in this order."""

    short: ClassVar[str] = "columns"

    columns: tuple[str, ...] | Mapping[str, Expr] = key("a list of columns, or new column: expression")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        if not isinstance(self.columns, tuple):
            return self._computed(self.columns, columns, scope)
        for index, name in enumerate(self.columns):
            scope.column(columns, name, ("columns", index))
            if name.lower() in [earlier.lower() for earlier in self.columns[:index]]:
                scope.error(("columns", index), "column-exists", f"`{name}` is here twice", "remove one of them")
        return columns.keep(self.columns)

    def _computed(self, wanted: Mapping[str, Expr], columns: Columns, scope: Scope) -> Columns:
        result, kept = Columns(()), dict[str, str]()  # a kept column in lower case, and its new name
        for name, expression in wanted.items():
            scope.new_column(result, name, ("columns", name), is_key=True)
            tree = scope.tree(columns, expression, ("columns", name))
            same = columns.get(tree.name) if isinstance(tree, exp.Column) else None
            domain = same.domain if same else None
            if same:
                kept[same.name.lower()] = name
            result = result.with_column(Column(name, type_of(tree) if tree is not None else NULL, domain=domain))
        return result.with_unique(columns.keep(kept).renamed(kept).unique)

    def lower(self, relation: Input) -> exp.Query:
        if isinstance(self.columns, tuple):
            kept = relation.columns.keep(self.columns)
            return relation.select(*(column(item.name) for item in kept))
        return relation.select(
            *(named(relation.tree(item, ("columns", name)), name) for name, item in self.columns.items())
        )
