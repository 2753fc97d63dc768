"""`unique` - no two rows have the same values in these columns.

Two nulls are equal, as in GROUP BY. If there are no rows, the check passes.

```yaml
steps:
  everyone:
    - from: people
checks:
  everyone:
    - unique: [name, city]
```

```rows
people: {name: string, city: string}
| name | city |
| An   | Hue  |
| An   | null |
| Ba   | Hue  |
->
holds: no two of 3 rows have the same `name`, `city`
```

```rows
people: {name: string, city: string}
| name | city |
| An   | null |
| An   | null |
| Ba   | Hue  |
->
fails: 2 of 3 rows have the same `name`, `city` as another row
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, of_rows, severity_key, where_key
from etlrun.contracts.engine import EngineSession
from etlrun.contracts.relation import Input, named
from etlrun.diagnostics import counted
from etlrun.language.columns import Columns
from etlrun.language.expressions import call, column, literal
from etlrun.spec.fields import Expr, key
from etlrun.spec.scope import HIDDEN, Scope

SIZE = f"{HIDDEN}size"


@dataclass(frozen=True)
class Unique(Check):
    """No two rows have the same values in these columns."""

    short: ClassVar[str] = "columns"

    columns: tuple[str, ...] = key("the columns that together identify a row")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        for index, name in enumerate(self.columns):
            found = scope.column(columns, name, ("columns", index))
            if not found.type.is_orderable:
                message = f"`{found.name}` is {found.type}, which cannot be compared for equality on every engine"
                scope.error(("columns", index), "type-mismatch", message)

    def lower(self, relation: Input) -> exp.Query:
        keys = [column(name) for name in self.columns]
        groups = relation.select(named(call("count", exp.Star()), "size")).group_by(*keys, copy=False)
        several = exp.Case(ifs=[exp.If(this=exp.GT(this=column("size"), expression=literal(1)), true=column("size"))])
        rows, repeated = (call("coalesce", call("sum", size), literal(0)) for size in (column("size"), several))
        return exp.select(named(rows, "rows"), named(repeated, "repeated")).from_(groups.subquery("groups", copy=False))

    def quick_row(self, session: EngineSession, relation: str) -> Mapping[str, Any] | None:
        counts = session.count_rising(relation, self.columns) if self.where is None else None
        if counts is None or counts[0] - counts[1] > 1:
            return None
        return {"rows": counts[0], "repeated": 0}

    def failing(self, relation: Input) -> exp.Query:
        alike = exp.Window(this=call("count", exp.Star()), partition_by=[column(name) for name in self.columns])
        counted = relation.select(*relation.all(), named(alike, SIZE)).subquery("counted", copy=False)
        return exp.select(*relation.all()).from_(counted).where(exp.GT(this=column(SIZE), expression=literal(1)))

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        names = ", ".join(f"`{name}`" for name in self.columns)
        if row["repeated"]:
            return Verdict(
                False, f"{of_rows(row['repeated'], row['rows'], 'has', 'have')} the same {names} as another row"
            )
        return Verdict(True, f"no two of {counted(row['rows'], 'row')} have the same {names}")
