"""`expression` - a condition is true for every row.

If the condition is null for a row, the row does not fulfil it. Column groups can be used as in other expressions:
`sum(totals) > 0`.

```yaml
steps:
  everyone:
    - from: visits
checks:
  everyone:
    - expression: seconds <= 86400 * days
```

```rows
visits: {seconds: bigint, days: int}
| seconds | days |
| 86400   | 1    |
| 0       | 0    |
->
holds: all 2 rows fulfil `seconds <= 86400 * days`
```

```rows
visits: {seconds: bigint, days: int}
| seconds | days |
| 86401   | 1    |
| null    | 1    |
| 1       | 1    |
->
fails: 2 of 3 rows do not fulfil `seconds <= 86400 * days`
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, all_rows, of_rows, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.language.columns import Columns
from etlrun.language.expressions import call, literal
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Expression(Check):
    """A condition is true for every row."""

    short: ClassVar[str] = "condition"

    condition: Expr = key("the condition")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        scope.condition(columns, self.condition, "condition")

    def lower(self, relation: Input) -> exp.Query:
        met = exp.Case(ifs=[exp.If(this=relation.tree(self.condition, "condition"), true=literal(1))])
        return relation.select(named(call("count", exp.Star()), "rows"), named(call("count", met), "met"))

    def failing(self, relation: Input) -> exp.Query:
        met = call("coalesce", relation.tree(self.condition, "condition"), exp.false())
        return relation.select(*relation.all()).where(exp.Not(this=met))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        rows, unmet = row["rows"], row["rows"] - row["met"]
        if unmet:
            return Verdict(False, f"{of_rows(unmet, rows, 'does', 'do')} not fulfil `{self.condition}`")
        return Verdict(True, f"{all_rows(rows, 'fulfils', 'fulfil')} `{self.condition}`")
