"""`calendar` - one row for each day, week, month, quarter or year, without gaps; join it to see periods without rows.

The relation has one date column, which is its key: the first day of each period that overlaps the range `from` to `to`.
Weeks start on Monday. `from` and `to` are days (2024-01-31) or months (2024-01 is its first day in `from`, its last day
in `to`); both may use `$params`. The source reads no file, so a test does not give it rows.

```yaml
sources:
  weeks:
    calendar: {from: 2024-01-01, to: 2024-01-15, every: week, as: week}
```

```read
weeks: 3 rows, 0 broken, 0 blank
| week       |
| 2024-01-01 |
| 2024-01-08 |
| 2024-01-15 |
```
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import ReadRequest, ReadResult, Source
from etlrun.language.columns import DATE, Column, Columns
from etlrun.spec.dates import DatesError, bounds_of
from etlrun.spec.fields import Scalar, key
from etlrun.spec.scope import Scope

MOST = 200_000  # periods: more than five hundred years of days
_BEGINS: dict[str, Callable[[datetime.date], datetime.date]] = {
    "day": lambda day: day,
    "week": lambda day: day - datetime.timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "quarter": lambda day: day.replace(month=day.month - (day.month - 1) % 3, day=1),
    "year": lambda day: day.replace(month=1, day=1),
}


@dataclass(frozen=True)
class Calendar(Source):
    """Days, weeks, months, quarters or years without a gap."""

    from_: Scalar = key("the first day, or a month: its first day", yaml="from")
    to: Scalar = key("the last day, or a month: its last day")
    every: Literal["day", "week", "month", "quarter", "year"] = key("the period of each row", default="day")
    as_: str = key("the name of the column", yaml="as", default="day")

    def output(self, scope: Scope) -> Columns:
        scope.new_column(Columns(()), self.as_, "as" if self.as_ != "day" else ())
        for at, text in (("from", self.from_), ("to", self.to)):
            try:
                bounds_of(text)
            except DatesError as error:
                scope.error(at, "wrong-value", str(error), "write a day or a month: 2024-01-31 or 2024-01")
                return self._columns()
        first, last = bounds_of(self.from_)[0], bounds_of(self.to)[1]
        if last < first:
            scope.error(
                "to", "wrong-value", f"the calendar ends on {last}, before it begins", "write the earlier one first"
            )
        elif (last - first).days >= MOST:
            scope.error("to", "wrong-value", f"the calendar has more than {MOST:,} days", "begin later, or end earlier")
        return self._columns()

    def _columns(self) -> Columns:
        return Columns((Column(self.as_, DATE, nullable=False),)).with_unique((self.as_,))

    def own_rows(self) -> tuple[tuple[datetime.date], ...]:
        first, last = bounds_of(self.from_)[0].toordinal(), bounds_of(self.to)[1].toordinal()
        begins = _BEGINS[self.every]
        days = (begins(datetime.date.fromordinal(ordinal)) for ordinal in range(first, last + 1))
        return tuple((day,) for day in dict.fromkeys(days))

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        import pyarrow as pa

        from etlrun.language.arrow import arrow_schema, write_parquet

        request.folder.mkdir(parents=True, exist_ok=True)
        path = request.folder / "rows.parquet"
        (days,) = zip(*self.own_rows(), strict=True)
        rows = write_parquet(path, columns, [pa.record_batch([pa.array(days, pa.date32())], arrow_schema(columns))])
        return ReadResult((ParquetFiles((str(path),)),), rows)
