"""`parquet` - files or folders of Parquet.

Every file must hold the declared columns with a type that fits (an int where bigint is declared fits, text does not); a difference
stops the run before any work, and names every file. Names compare without case. Columns that are not declared are not read.

```yaml
sources:
  searches:
    parquet:
      path: data/log_search/{date:yyyyMMdd}
      dates: {months: 2022-06, days: 1-14}
      columns: {user_id: string, keyword: string}
```
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from etlrun.language.columns import Columns
from etlrun.reading.intake import Intake, Order
from etlrun.reading.source import FileSource


@dataclass(frozen=True, kw_only=True)
class Parquet(FileSource):
    """Files or folders of Parquet."""

    form: ClassVar[Literal["text", "parquet"]] = "parquet"

    def read(self, order: Order, columns: Columns) -> Intake:
        from etlrun.reading.footers import read_footers

        return read_footers(order, columns, {name: declared.keys(name)[-1] for name, declared in self.columns.items()})
