"""`csv` - text files with a header line and separated values, also compressed.

Columns are found by their names in the header, in any order; file columns that are not declared are ignored. An empty
value is null. A record is broken if it has more or fewer values than the header, or a value of the wrong type. Empty
lines are skipped. A column with `optional: true` is null for files whose header lacks it; the run prints how many files
lack it. A header with a name in other letter case stops the run. Files may be compressed: their names end in `.gz`,
`.zst` or `.bz2`. `partitions: {dt: date}` reads a column from folders such as `dt=2024-01-01`; a column of that name
in a file is ignored. Text is UTF-8; other files need `encoding:`, such as `encoding: windows-1252`.

`skip_lines: 2` skips the first two lines of each file, such as a title above the header. If the header cannot be used
(because two columns have the same name, or a name is empty), write `header: no` and `skip_lines: 1`. Then declare all
columns of the file, in their order.

A value may be quoted: it starts with `"`, and a quote inside it is written twice. A quoted value may contain separators
and line breaks, so a record may have several lines, at most `max_record_lines`. If a quote is not closed within that
many lines, its line is one broken record, and the next line starts a new record. Inside a value without quotes, `"` is
a normal character.

```yaml
sources:
  sales:
    csv:
      path: data/sales.csv
      columns: {shop: string not null, units: int, price: "decimal(10,2)"}
```

```csv data/sales.csv
shop,units,price
A,3,1.50
B,many,2.00

C,,0.99
```

```read
sales: 2 rows, 1 broken, 1 blank
| shop | units | price |
| A    | 3     | 1.50  |
| C    | null  | 0.99  |
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Column, Columns
from etlrun.reading.source import DeclaredColumn, OptionalColumn, TextSource, declared_fields
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True, kw_only=True)
class Csv(TextSource):
    """Text files of separated values, plain or compressed, with a header line."""

    columns: Mapping[str, OptionalColumn] = key("column: type. The relation has the columns in this order")
    separator: str = key("the character between two values", default=",")
    header: Literal["yes", "no"] = key(
        "`no`: the file has no header, and its columns are in the declared order", default="yes"
    )
    skip_lines: int = key("the number of lines to skip at the start of each file, before the header", default=0)
    max_record_lines: int = key(
        "the largest number of lines of one record, if quoted values contain line breaks", default=100
    )

    def verify_type(self, name: str, declared: DeclaredColumn, column: Column, scope: Scope) -> None:
        if column.type.name in ("struct", "array", "binary"):
            scope.error(("columns", name), "type-mismatch", f"a value of a CSV file cannot be read as {column.type}")
        self.columns[name].verify_optional(name, scope)
        if self.columns[name].optional and self.header == "no":
            message = "a file without a header cannot lack a column"
            fix = "remove `optional`, or add a header line to the files"
            scope.error(("columns", name), "wrong-value", message, fix)
        if len(self.separator) != 1 or self.separator in '"\r\n\x1e\x1f':
            scope.error("separator", "wrong-value", "expected one character that is neither a quote nor a line end")
        if self.skip_lines < 0:
            scope.error("skip_lines", "wrong-value", "expected a number of lines, 0 or more")
        if self.max_record_lines < 1:
            scope.error("max_record_lines", "wrong-value", "expected a number of lines, 1 or more")

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        from etlrun.reading.separated import Separated, read_separated

        optional = frozenset(name for name, column in self.columns.items() if column.optional)
        how = Separated(self.separator, self.header == "yes", self.max_record_lines, optional, self.skip_lines)
        return read_separated(request, columns, declared_fields(self, columns), how)
