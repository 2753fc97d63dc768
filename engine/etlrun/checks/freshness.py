"""`freshness` - the newest value of a column is not too old: new data still arrives.

The check works on any relation, also on a source of files or a table. (`max_age` of a file source checks the
modification time of the files instead.) Dates are compared as whole days: yesterday is `1 day` old. The check fails if
there are no rows or only nulls. Without `as_of`, the age is measured at the time of the run, and `etlrun run` of the
project then runs the pipeline even if nothing else has changed. A `timestamp` has no time zone: `time_zone` says in
which one it was written.

```yaml
steps:
  sold:
    - from: orders
checks:
  sold:
    - freshness: {column: at, max_age: 24 hours, as_of: "timestamp '2022-04-30 08:00:00'"}
```

```rows
orders: {number: int, at: timestamp}
| number | at                  |
| 1      | 2022-04-29 09:00:00 |
| 2      | null                |
->
holds: the newest `at` is 2022-04-29 09:00:00, 23 hours before 2022-04-30 08:00:00
```

```rows
orders: {number: int, at: timestamp}
| number | at                  |
| 1      | 2022-04-27 08:00:00 |
->
fails: the newest `at` is 2022-04-27 08:00:00, 3 days before 2022-04-30 08:00:00, but at most 24 hours are allowed
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlglot import exp

from etlrun.contracts.check import Check, Verdict, severity_key, where_key
from etlrun.contracts.relation import Input, named
from etlrun.language.columns import NULL, TIMESTAMPTZ, Columns, Type
from etlrun.language.expressions import call, column, literal, type_of
from etlrun.language.instant_text import EXAMPLE
from etlrun.spec.ages import HOW, UNITS, allowed_at_most, read_age, shown_age
from etlrun.spec.fields import Expr, Label, key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Freshness(Check):
    """The newest value of a column is not older than this."""

    column: str = key("the column of dates, timestamps or instants")
    max_age: Label = key("the largest age of the newest value: `90 minutes`, `24 hours`, `1 day`, `2 weeks`")
    as_of: Expr | None = key("the time to compare with, such as `$day`; default: the time of the run", default=None)
    time_zone: str = key("the time zone of the column's timestamps, such as `Asia/Ho_Chi_Minh`", default="UTC")
    where: Expr | None = where_key()
    severity: Literal["error", "warn"] = severity_key()

    def verify(self, columns: Columns, scope: Scope) -> None:
        found = scope.column(columns, self.column, "column")
        if found.type != NULL and found.type.name not in ("date", "timestamp", "timestamptz"):
            fix = "`cast` it, or read it with `to_timestamp` first"
            scope.error("column", "type-mismatch", f"`{found.name}` is {found.type}, which has no age", fix)
        age = read_age(self.max_age)
        if age is None:
            scope.error("max_age", "wrong-value", f"`{self.max_age}` is not an age", HOW)
        elif found.type.name == "date" and age % UNITS["day"]:
            fix = "write it in days, such as `1 day`"
            scope.error("max_age", "wrong-value", f"`{found.name}` is a date, which has no hours", fix)
        self._verify_clock(found.type, scope)

    def _verify_clock(self, kind: Type, scope: Scope) -> None:
        """Report a time to compare with that has another type than the column: instants and times without a zone cannot be compared."""
        if kind == TIMESTAMPTZ and self.time_zone != "UTC":
            message = f"`{self.column}` holds instants, which are the same in every time zone"
            scope.error("time_zone", "wrong-value", message, "leave out `time_zone`")
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError):
            fix = "write it as `Asia/Ho_Chi_Minh` or `UTC`"
            scope.error("time_zone", "wrong-value", f"`{self.time_zone}` is not a time zone", fix)
        tree = scope.tree(Columns(()), self.as_of, "as_of") if self.as_of is not None else None
        if tree is None or kind == TIMESTAMPTZ == type_of(tree):
            return
        if kind == TIMESTAMPTZ:
            fix = f"write cast({EXAMPLE} as timestamptz), or a param of type timestamptz"
            scope.error("as_of", "type-mismatch", f"a timestamptz is expected here, but this is {type_of(tree)}", fix)
        elif type_of(tree).name not in ("date", "timestamp"):
            fix = "write `date '2022-04-30'`, or a param of type date"
            scope.error(
                "as_of", "type-mismatch", f"a date or timestamp is expected here, but this is {type_of(tree)}", fix
            )

    def depends_on_time(self) -> bool:
        return self.as_of is None

    def lower(self, relation: Input) -> exp.Query:
        found = relation.columns.get(self.column)
        zone = literal("UTC" if found is not None and found.type == TIMESTAMPTZ else "")
        outputs = [named(call("max", column(self.column)), "newest"), named(call("max", zone), "zone")]
        if self.as_of is not None:
            tree = relation.scope.tree(Columns(()), self.as_of, "as_of")
            assert tree is not None, f"`{self.as_of}` was lowered without being checked"
            outputs.append(named(tree, "as_of"))
        return relation.select(*outputs)

    def judge(self, row: Mapping[str, Any]) -> Verdict:
        newest = row["newest"]
        if newest is None:
            return Verdict(False, f"`{self.column}` is null in all rows")
        now = row["as_of"] if self.as_of is not None else datetime.now(ZoneInfo(self.time_zone)).replace(tzinfo=None)
        if not isinstance(newest, datetime):
            now = now.date() if isinstance(now, datetime) else now
        age = _clock(now) - _clock(newest)
        side = "before" if age >= timedelta() else "after"
        zone = f" {row['zone']}" if row["zone"] else ""
        now_shown = f"{now}{zone}" if self.as_of is not None else "this run"
        detail = f"the newest `{self.column}` is {newest}{zone}, {shown_age(age)} {side} {now_shown}"
        most = read_age(self.max_age)
        assert most is not None, f"`{self.max_age}` was judged without being checked"
        if age > most:
            return Verdict(False, f"{detail}, but {allowed_at_most(self.max_age)}")
        return Verdict(True, detail)


def _clock(value: date) -> datetime:
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
