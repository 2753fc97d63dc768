"""`parquet` - Parquet files, or folders of them.

Files may have different types, if each fits the declared type: an int fits bigint, a string does not. Values are not
changed. If a file does not fit, the run stops before it computes anything, and the message names all such files. A
column of Parquet's type null fits every nullable column, and an unsigned bigint is a decimal(20,0). Column names are
compared without letter case. Columns that are not declared are not read. Hive-style partition folders (`dt=2024-01-01`)
add columns only if `partitions` declares them: `partitions: {dt: date}`.

Arrays, structs and maps are declared as nested types: `array<struct<sku string, qty int>>`. Only the declared fields of
a struct are read; every file must have them, with types that fit. `path: device.mac` reads a field of a struct as a
column. A column with `optional: true` is null for files that lack it; the run prints how many files lack it.

A `timestamp` has no time zone. If the files hold instants (`isAdjustedToUTC`, or the INT96 of Spark and Hive), declare
the column as `timestamptz`; or as `timestamp utc`, to get a `timestamp` with the time in UTC.

```yaml
sources:
  searches:
    parquet:
      path: data/log_search/{date:yyyyMMdd}
      dates: 2022-06-01
      columns:
        user_id: string
        keyword: string
        searched_at: timestamp utc
        platform: {type: string, optional: true}
```

```parquet data/log_search/20220601/part-0.parquet
{user_id: string, keyword: string, searched_at: timestamp}
| user_id | keyword | searched_at         |
| 7       | hai     | 2022-06-01 20:30:00 |
```

```parquet data/log_search/20220601/part-1.parquet
{user_id: string, keyword: string, searched_at: timestamp, platform: string}
| user_id | keyword | searched_at | platform |
| 8       | null    | null        | ios      |
```

```read
searches: 2 rows, 0 broken, 0 blank
| user_id | keyword | searched_at         | platform | date       |
| 7       | hai     | 2022-06-01 20:30:00 | null     | 2022-06-01 |
| 8       | null    | null                | ios      | 2022-06-01 |
```
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Column, Columns
from etlrun.reading.source import DeclaredColumn, FileSource, OptionalColumn
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope

_INSTANT = re.compile(r"(?i)\A(timestamp)\s+utc\Z")


@dataclass(frozen=True)
class ParquetColumn(OptionalColumn):
    """A column of Parquet files: its type, path and description. With `not null` after the type, a file with nulls in it stops the run."""

    @property
    def is_instant(self) -> bool:
        return _INSTANT.match(super().type_text) is not None

    @property
    def type_text(self) -> str:
        return _INSTANT.sub(r"\1", super().type_text)


@dataclass(frozen=True, kw_only=True)
class Parquet(FileSource):
    """Files or folders of Parquet."""

    form: ClassVar[Literal["text", "parquet"]] = "parquet"

    columns: Mapping[str, ParquetColumn] = key("column: type. The relation has the columns in this order")

    def verify_type(self, name: str, declared: DeclaredColumn, column: Column, scope: Scope) -> None:
        self.columns[name].verify_optional(name, scope)

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        from etlrun.reading.parquet_columns import WantedColumn
        from etlrun.reading.parquet_files import read_parquet

        wanted = [
            WantedColumn(column, declared.keys(column.name), declared.is_instant, declared.optional)
            for column, declared in zip(columns, self.columns.values(), strict=False)
        ]
        return read_parquet(request, wanted, columns)
