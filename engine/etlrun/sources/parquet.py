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

from etlrun.spec.files import FileSource


@dataclass(frozen=True, kw_only=True)
class Parquet(FileSource):
    """Files or folders of Parquet."""
