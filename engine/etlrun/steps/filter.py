"""`filter` - keep the rows for which a condition is true.

A row for which the condition is null is removed, as in SQL.

```yaml
steps:
  watched:
    - from: views
    - filter: seconds > 0 and contract <> '0'
```

```rows
views: {contract: string, seconds: bigint}
| contract | seconds |
| A        | 10      |
| 0        | 20      |
| B        | null    |
->
| contract | seconds |
| A        | 10      |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.relation import Input
from etlrun.contracts.step import Step
from etlrun.language.columns import Columns
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Filter(Step):
    """Keep the rows for which a condition is true."""

    short: ClassVar[str] = "where"

    where: Expr = key("the condition")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.condition(columns, self.where, "where")
        return columns

    def lower(self, relation: Input) -> exp.Query:
        return relation.select(*relation.all()).where(relation.tree(self.where, "where"))
