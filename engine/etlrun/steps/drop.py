"""`drop` - remove columns.

```yaml
steps:
  short:
    - from: people
    - drop: [city]
```

```rows
people: {name: string, city: string}
| name | city |
| An   | Hue  |
->
| name |
| An   |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input
from etlrun.contracts.step import Step
from etlrun.language.columns import Columns
from etlrun.language.expressions import column
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Drop(Step):
    """Remove columns."""

    short: ClassVar[str] = "columns"
    keeps_rows: ClassVar[bool] = True

    columns: tuple[str, ...] = key("the columns to remove")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        for index, name in enumerate(self.columns):
            scope.column(columns, name, ("columns", index))
        kept = self._kept(columns)
        if columns.items and not kept.items:
            scope.error("columns", "wrong-value", "no column would be left")
        return kept

    def _kept(self, columns: Columns) -> Columns:
        dropped = {name.lower() for name in self.columns}
        return columns.keep(item.name for item in columns if item.name.lower() not in dropped)

    def lower(self, relation: Input) -> exp.Query:
        return relation.select(*(column(item.name) for item in self._kept(relation.columns)))
