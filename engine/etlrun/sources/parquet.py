"""`parquet` - files or folders of Parquet.

Every file may have its own types: a value comes out as it was written. An int fits where bigint is declared, text does not fit; a file
that does not fit stops the run before any work, and every such file is named. A column of type null fits every column that may be null,
and an unsigned bigint is a decimal(20,0). Names compare without case. Columns that are not declared are not read; a folder named
`column=value` adds none.

Arrays, structs and maps are columns as they are: `array<struct<sku string, qty int>>`. Of a struct only the declared fields are read, and
each fits as a column would; files must have them. `path: device.mac` reads a field of a struct as a column. A column with
`optional: true` is null in files that lack it, and a line says how many do.

A `timestamp` is a clock without a zone. Files may hold instants instead (`isAdjustedToUTC`, and the INT96 of Spark and Hive): declare
those as `timestamptz`, or as `timestamp utc` for a `timestamp` that is their clock in UTC.

`key: [user_id]` says which columns tell rows apart. Steps that need a total order then ask for no more than the key, a `join` by it matches one
row, and every run verifies it (nulls are equal there): where two rows share it nothing is published.

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
    """A column of Parquet files: its type, where it stands, and what it means. `not null` after the type refuses files with nulls in it."""

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
        from etlrun.reading.footers import read_footers
        from etlrun.reading.parquet_columns import WantedColumn

        wanted = [
            WantedColumn(column, declared.keys(column.name), declared.is_instant, declared.optional)
            for column, declared in zip(columns, self.columns.values(), strict=False)
        ]
        return read_footers(request, wanted)
