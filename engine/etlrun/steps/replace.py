"""`replace` - compute existing columns again, with the same names and places.

Every expression uses the input columns, as they were before the step. A column may get another type. If a column of a
known key is replaced, the key is no longer known.

```yaml
steps:
  sold:
    - from: sales
    - replace: {shop: upper(shop), units: "coalesce(units, 0)"}
```

```rows
sales: {shop: string, units: int, day: date}
| shop | units | day        |
| hue  | 3     | 2024-01-01 |
| null | null  | 2024-01-02 |
->
| shop | units | day        |
| HUE  | 3     | 2024-01-01 |
| null | 0     | 2024-01-02 |
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
class Replace(Step):
    """Compute existing columns again, with the same names and places."""

    short: ClassVar[str] = "columns"
    keeps_rows: ClassVar[bool] = True

    columns: Mapping[str, Expr] = key("column: expression")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        result = columns
        for name, expression in self.columns.items():
            found = columns.get(name)
            if found is None:
                fix = f"add a column with `derive: {{{name}: ...}}`" if len(columns) else ""
                scope.error_at_key(("columns", name), "unknown-column", f"there is no column `{name}` here", fix)
                continue
            if [other.lower() for other in self.columns].index(name.lower()) != list(self.columns).index(name):
                scope.error_at_key(
                    ("columns", name), "column-exists", f"`{name}` is defined twice", "remove one of them"
                )
            tree = scope.tree(columns, expression, ("columns", name))
            result = result.with_column(Column(found.name, type_of(tree) if tree is not None else NULL))
        return result

    def lower(self, relation: Input) -> exp.Query:
        trees = {name.lower(): relation.tree(item, ("columns", name)) for name, item in self.columns.items()}
        return relation.select(
            *(
                named(trees[item.name.lower()], item.name) if item.name.lower() in trees else column(item.name)
                for item in relation.columns
            )
        )
