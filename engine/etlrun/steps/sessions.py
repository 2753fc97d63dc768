"""`sessions` - number the sessions of each user; a session ends after a pause that is longer than `gap`.

The new column contains the number of the session: 1, 2, 3, ... for each user (`by`), in the order of `at`. If a pause is
exactly as long as the gap, the session continues. Rows with the same time are in the same session; if `at` is null, the
session is null.

```yaml
steps:
  visits:
    - from: clicks
    - sessions: {by: [user], at: ts, gap: 30 minutes}
```

```rows
clicks: {user: string, ts: timestamp}
| user | ts                  |
| u1   | 2024-01-01 10:00:00 |
| u1   | 2024-01-01 10:30:00 |
| u1   | 2024-01-01 11:00:01 |
| u2   | 2024-01-01 10:00:00 |
| u2   | null                |
->
| user | ts                  | session |
| u1   | 2024-01-01 10:00:00 | 1       |
| u1   | 2024-01-01 10:30:00 | 1       |
| u1   | 2024-01-01 11:00:01 | 2       |
| u2   | 2024-01-01 10:00:00 | 1       |
| u2   | null                | null    |
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sqlglot import exp

from etlrun.contracts.length import Length, read_length
from etlrun.contracts.ordering import ascending, over
from etlrun.contracts.relation import Input, named
from etlrun.contracts.step import Step
from etlrun.language.columns import BIGINT, MOMENTS, NULL, Column, Columns
from etlrun.language.expressions import call, cast, column
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, Scope

BEFORE = f"{HIDDEN}before"


@dataclass(frozen=True)
class Sessions(Step):
    """Number the sessions of each user; a session ends after a pause that is longer than `gap`."""

    keeps_rows: ClassVar[bool] = True

    by: tuple[str, ...] = key("the columns that identify a user")
    at: str = key("the time of the row: a timestamp or a date")
    gap: str = key("the longest pause inside a session, such as `30 minutes`: seconds, minutes, hours, days or weeks")
    as_: str = key("the name of the new column", yaml="as", default="session")

    def output(self, columns: Columns, scope: Scope) -> Columns:
        scope.parts(columns, self.by, "by")
        at = scope.column(columns, self.at, "at")
        if at.type not in (*MOMENTS, NULL):
            scope.error("at", "type-mismatch", f"a date or timestamp is expected here, but `{at.name}` is {at.type}")
        else:
            read_length(self.gap, at, "gap", scope)
        scope.new_column(columns, self.as_, "as" if self.as_ != "session" else ())
        return columns.with_column(Column(self.as_, BIGINT))

    def lower(self, relation: Input) -> exp.Query:
        before = named(over(call("lag", column(self.at)), self.by, ascending(self.at)), BEFORE)
        rows = relation.select(*relation.all(), before).subquery("rows", copy=False)
        gap = Length.of(self.gap)
        assert gap is not None, f"`{self.gap}` was lowered without being checked"
        last = exp.Add(this=column(BEFORE), expression=gap.tree)
        one, none = exp.Literal.number(1), exp.Literal.number(0)
        begins = (
            exp.Case()
            .when(column(self.at).is_(exp.null()), none)
            .when(column(BEFORE).is_(exp.null()), one.copy())
            .when(exp.GT(this=column(self.at), expression=last), one)
            .else_(none.copy())
        )
        count = over(call("sum", begins), self.by, ascending(self.at))
        number = exp.Case().when(column(self.at).is_(exp.null()), cast(exp.null(), BIGINT)).else_(count)
        return exp.select(*relation.all(), named(number, self.as_)).from_(rows)
