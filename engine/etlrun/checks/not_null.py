"""`not_null` - every row has a value in each of these columns. An empty text is a value.

```yaml
steps:
  everyone:
    - from: people
checks:
  everyone:
    - not_null: [name, city]
```

```rows
people: {name: string, city: string}
| name | city |
| An   | Hue  |
| ""   | Hue  |
->
holds: no `name`, `city` is missing in 2 rows
```

```rows
people: {name: string, city: string}
| name | city |
| An   | null |
| null | null |
| Ba   | Hue  |
->
fails: 1 of 3 rows has a null in `name`; 2 of 3 rows have a null in `city`
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, of_rows, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.diagnostics import counted
from etlrun.language.columns import Columns
from etlrun.language.expressions import call, column
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class NotNull(Check):
    """Every row has a value in each of these columns."""

    short: ClassVar[str] = "columns"

    columns: tuple[str, ...] = key("the columns that must have a value")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        for index, name in enumerate(self.columns):
            scope.column(columns, name, ("columns", index))

    def lower(self, relation: Input) -> exp.Query:
        filled = [named(call("count", column(name)), f"filled_{index}") for index, name in enumerate(self.columns)]
        return relation.select(named(call("count", exp.Star()), "rows"), *filled)

    def failing(self, relation: Input) -> exp.Query:
        missing = [column(name).is_(exp.null()) for name in self.columns]
        return relation.select(*relation.all()).where(exp.or_(*missing, copy=False))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        missing = [(name, row["rows"] - row[f"filled_{index}"]) for index, name in enumerate(self.columns)]
        detail = [
            f"{of_rows(count, row['rows'], 'has', 'have')} a null in `{name}`" for name, count in missing if count
        ]
        if detail:
            return Verdict(False, "; ".join(detail))
        names = ", ".join(f"`{name}`" for name in self.columns)
        return Verdict(True, f"no {names} is missing in {counted(row['rows'], 'row')}")
