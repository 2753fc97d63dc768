"""`share` - the share of rows that fulfil a condition is at least `min` or at most `max`.

If the condition is null for a row, the row does not fulfil it. If there are no rows, the check passes.

```yaml
steps:
  everyone:
    - from: people
checks:
  everyone:
    - share: {condition: category = 'Other', max: 20%, severity: warn}
```

```rows
people: {category: string}
| category |
| Other    |
| News     |
| null     |
| News     |
| News     |
->
holds: 1 of 5 rows (20%) fulfils `category = 'Other'`
```

```rows
people: {category: string}
| category |
| Other    |
| Other    |
| null     |
->
fails: 2 of 3 rows (66.67%) fulfil `category = 'Other'`, but at most 20% may
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, of_rows, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.language.columns import Columns
from etlrun.language.expressions import call, literal
from etlrun.spec.fields import Expr, Percent, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Share(Check):
    """Of all rows, at least or at most this share fulfils a condition."""

    condition: Expr = key("the condition")
    max: Percent | None = key("the largest share of rows that may fulfil it, such as `20%`", default=None)
    min: Percent | None = key("the smallest share of rows that must fulfil it", default=None, example="95%")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        scope.condition(columns, self.condition, "condition")
        if self.max is None and self.min is None:
            scope.error((), "missing-key", "`max` or `min` is missing here")
        if self.max is not None and self.min is not None and self.min > self.max:
            scope.error("min", "wrong-value", "`min` is larger than `max`")

    def lower(self, relation: Input) -> exp.Query:
        met = exp.Case(ifs=[exp.If(this=relation.tree(self.condition, "condition"), true=literal(1))])
        return relation.select(named(call("count", exp.Star()), "rows"), named(call("count", met), "met"))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        rows, met = row["rows"], row["met"]
        if not rows:
            return Verdict(True, "there are no rows")
        share = met / rows
        counted = of_rows(met, rows, f"({_percent(share)}) fulfils", f"({_percent(share)}) fulfil")
        detail = f"{counted} `{self.condition}`"
        if self.max is not None and share > self.max:
            return Verdict(False, f"{detail}, but at most {_percent(self.max)} may")
        if self.min is not None and share < self.min:
            return Verdict(False, f"{detail}, but at least {_percent(self.min)} must")
        return Verdict(True, detail)


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"
