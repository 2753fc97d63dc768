"""`row_count` - the relation has at least `min` and at most `max` rows.

```yaml
steps:
  everyone:
    - from: people
checks:
  everyone:
    - row_count: {min: 1, max: 2}
```

```rows
people: {name: string}
| name |
| An   |
->
holds: there is 1 row
```

```rows
people: {name: string}
->
fails: there are 0 rows, but at least 1 is expected
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.language.columns import Columns
from etlrun.language.expressions import call
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class RowCount(Check):
    """The relation has at least `min` and at most `max` rows."""

    min: int | None = key("the smallest number of rows allowed", default=None)
    max: int | None = key("the largest number of rows allowed", default=None)
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        if self.max is None and self.min is None:
            scope.error((), "missing-key", "`min` or `max` is missing here")
        if self.max is not None and self.min is not None and self.min > self.max:
            scope.error("min", "wrong-value", "`min` is larger than `max`")

    def lower(self, relation: Input) -> exp.Query:
        return relation.select(named(call("count", exp.Star()), "rows"))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        rows = row["rows"]
        detail = "there is 1 row" if rows == 1 else f"there are {rows:,} rows"
        if self.min is not None and rows < self.min:
            return Verdict(False, f"{detail}, but at least {self.min:,} {'is' if self.min == 1 else 'are'} expected")
        if self.max is not None and rows > self.max:
            return Verdict(False, f"{detail}, but at most {self.max:,} {'is' if self.max == 1 else 'are'} expected")
        return Verdict(True, detail)
