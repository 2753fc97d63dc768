"""`csv` - text files of separated values, plain or gzip, with a header line.

Columns are found by their names in the header, in any order; columns of the file that are not declared are left out. An empty value
is null. A value may be quoted, and a quote inside it is doubled. A line is broken when it has another number of values than the
header, or a value that is not of its type.

```yaml
sources:
  sales:
    csv:
      path: data/sales.csv
      columns: {shop: string not null, units: int, price: "decimal(10,2)"}
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from etlrun.language.columns import Column, Columns
from etlrun.reading.intake import Intake, Order
from etlrun.reading.source import DeclaredColumn, TextSource, declared_fields
from etlrun.spec.fields import key
from etlrun.spec.kinds import Scope


@dataclass(frozen=True, kw_only=True)
class Csv(TextSource):
    """Text files of separated values, plain or gzip, with a header line."""

    separator: str = key("what stands between two values: one character", default=",")
    header: Literal["yes", "no"] = key("`no`: the columns stand in the declared order", default="yes")

    def verify_type(self, name: str, declared: DeclaredColumn, column: Column, scope: Scope) -> None:
        if column.type.name in ("struct", "array", "binary"):
            scope.error(("columns", name), "type-mismatch", f"a value of a CSV file is not read as {column.type}")
        if len(self.separator) != 1:
            scope.error("separator", "wrong-value", "one character is wanted here")

    def read(self, order: Order, columns: Columns) -> Intake:
        from etlrun.reading.separated import read_separated

        return read_separated(
            order, columns, declared_fields(self, columns), self.separator, has_header=self.header == "yes"
        )
