"""`select` - keep only these columns, in this order.

A list keeps columns and can also compute new ones, `new: expression`; a mapping computes all of them. Expressions use
the input columns. A column group or a known key is kept if all of its columns are kept.

```yaml
steps:
  short:
    - from: people
    - select: [name, next_age: age + 1]
```

```rows
people: {age: int, city: string, name: string}
| age  | city | name |
| 30   | Hue  | An   |
| null | Hue  | Ba   |
->
| name | next_age |
| An   | 31       |
| Ba   | null     |
```
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import NULL, Column, Columns
from etlrun.language.expressions import column, type_of
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class Select(Step):
    """Keep only these columns, in this order."""

    short: ClassVar[str] = "columns"

    columns: tuple[str | Mapping[str, Expr], ...] | Mapping[str, Expr] = key(
        "a list of columns and of `new column: expression`, or a mapping of these"
    )

    def output(self, columns: Columns, scope: Scope) -> Columns:
        result, names = Columns(()), dict[str, str]()  # a kept column in lower case, and its new name
        for name, expression, at in self._wanted():
            if expression is None:
                found = scope.column(columns, name, at)
                if found.name in result:
                    scope.error(at, "column-exists", f"`{name}` is defined twice", "remove one of them")
                    continue
                names.setdefault(found.name.lower(), found.name)
            else:
                scope.new_column(result, name, at, is_key=True)
                found = self._computed(name, expression, at, columns, scope, names)
            result = result.with_column(found)
        kept = columns.keep(names).renamed(names)
        return replace(result, groups=kept.groups, unique=kept.unique)

    def _computed(
        self, name: str, expression: Expr, at: At, columns: Columns, scope: Scope, names: dict[str, str]
    ) -> Column:
        tree = scope.tree(columns, expression, at)
        same = columns.get(tree.name) if isinstance(tree, exp.Column) else None
        if same:
            names.setdefault(same.name.lower(), name)
        return Column(name, type_of(tree) if tree is not None else NULL, domain=same.domain if same else None)

    def _wanted(self) -> Iterator[tuple[str, Expr | None, At]]:
        """The name of every column, its expression if it has one, and its place."""
        if not isinstance(self.columns, tuple):
            yield from ((name, expression, ("columns", name)) for name, expression in self.columns.items())
            return
        for index, item in enumerate(self.columns):
            if isinstance(item, str):
                yield item, None, ("columns", index)
            else:
                yield from ((name, expression, ("columns", index, name)) for name, expression in item.items())

    def lower(self, relation: Input) -> exp.Query:
        outputs: list[exp.Expr] = []
        for name, expression, at in self._wanted():
            found = relation.columns.get(name)
            if expression is not None:
                outputs.append(named(relation.tree(expression, at), name))
            elif found is not None:
                outputs.append(column(found.name))
        return relation.select(*outputs)
