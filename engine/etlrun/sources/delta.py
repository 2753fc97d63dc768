"""`delta` - a Delta Lake table.

The table must have the declared columns with a type that fits; partition columns are declared like others. A run reads
one version: the last one, or `version`. `etlrun run` of the project runs the pipeline again when there is a new
version. A timestamp with a time zone becomes a timestamp in UTC. If another pipeline of the project publishes the
table, it runs first. If the table is in a store (`path: s3://lake/tables/sales`), the files of the version are first
copied into the run's folder.

Tables with deletion vectors or column mapping are not supported; the message names the feature.

```yaml
sources:
  sales:
    delta: {path: lake/sales, columns: {shop: string, units: bigint}}
```

```delta lake/sales
{shop: string, units: bigint, ward: int}
| shop | units | ward |
| Hue  | 3     | 5    |
| null | 4     | 6    |
```

```read
sales: 2 rows, 0 broken, 0 blank
| shop | units |
| Hue  | 3     |
| null | 4     |
```

It needs `pip install 'etlrun[delta]'`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etlrun.contracts.connection import Database
from etlrun.failures import RunFailure
from etlrun.lake.table_source import FolderTable
from etlrun.language.columns import Columns
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.snapshot import Snapshot


@dataclass(frozen=True)
class Delta(FolderTable):
    """A table of Delta Lake."""

    version: int | None = key("the version to read; default: the last version", default=None, example=12)

    def output(self, scope: Scope) -> Columns:
        if self.version is not None and self.version < 0:
            scope.error("version", "wrong-value", f"`version` is {self.version}", "write a number from 0")
        return super().output(scope)

    def state(self, open_database: Callable[[str], Database], stores: Stores) -> str:
        from etlrun.lake.snapshot import open_delta

        table = open_delta(self.folder(stores), self.version)
        return "none" if table is None else f"{table.metadata().id} {table.version()}"

    def snapshot(self, open_database: Callable[[str], Database], stores: Stores) -> Snapshot:
        from etlrun.lake.snapshot import open_delta, read_snapshot

        folder = self.folder(stores)
        table = open_delta(folder, self.version)
        if table is None:
            message = f"there is no Delta table at {self.path}"
            raise RunFailure(
                "source", "missing-table", message, "check the path, or run the pipeline that publishes it"
            )
        return read_snapshot(folder, table)
