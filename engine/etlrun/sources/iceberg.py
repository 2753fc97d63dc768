"""`iceberg` - an Apache Iceberg table of a catalog.

The table must have the declared columns with a type that fits; partition columns are declared like others. A run reads
one snapshot: the current one, or `snapshot`. `etlrun run` of the project runs the pipeline again when there is a new
snapshot. A timestamp with a time zone becomes a timestamp in UTC. If another pipeline of the project publishes the
table, it runs first.

Tables with delete files, with columns that were renamed after older files were written, or with files that are not
Parquet are not supported; the message names the reason.

```yaml
sources:
  sales:
    iceberg: {connection: lake, table: shop.sales, columns: {shop: string, units: bigint}}
```

```iceberg shop.sales
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

It needs `pip install 'etlrun[iceberg]'`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from etlrun.contracts.connection import Database
from etlrun.contracts.source import row_key
from etlrun.failures import RunFailure
from etlrun.lake.table_names import verify_table_name
from etlrun.lake.table_source import VersionedTable
from etlrun.reading.source import DeclaredColumn
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.iceberg_catalog import CatalogTable
    from etlrun.lake.snapshot import Snapshot


@dataclass(frozen=True)
class Iceberg(VersionedTable):
    """An Apache Iceberg table of a catalog."""

    connects_to: ClassVar[str] = "Iceberg tables"

    connection: str = key("the catalog: a connection of the kind `iceberg` in the profile", example="lake")
    table: str = key("the table, with its namespace", example="gold.orders")
    columns: Mapping[str, DeclaredColumn] = key("column: type. The relation has the columns in this order")
    snapshot_id: int | None = key(
        "the id of the snapshot to read; default: the current snapshot",
        yaml="snapshot",
        default=None,
        example=4821037465123087,
    )
    key_: tuple[str, ...] = row_key()

    @property
    def shown(self) -> str:
        return f"{self.connection}.{self.table}"

    def table_read(self) -> tuple[str, str]:
        return self.connection, self.table.lower()

    def verify_place(self, scope: Scope) -> None:
        verify_table_name(self.table, scope)

    def state(self, open_database: Callable[[str], Database], stores: Stores) -> str:
        table = self._place(open_database, stores).load()
        snapshot = table.current_snapshot() if table is not None else None
        if table is None or snapshot is None:
            return "none"
        return f"{table.metadata.table_uuid} {self.snapshot_id or snapshot.snapshot_id}"

    def snapshot(self, open_database: Callable[[str], Database], stores: Stores) -> Snapshot:
        from etlrun.lake.iceberg_snapshot import read_iceberg

        place = self._place(open_database, stores)
        table = place.load()
        if table is None:
            message = f"there is no Iceberg table {self.shown}"
            raise RunFailure(
                "source", "missing-table", message, "check the name, or run the pipeline that publishes it"
            )
        return read_iceberg(place, table, self.snapshot_id)

    def _place(self, open_database: Callable[[str], Database], stores: Stores) -> CatalogTable:
        from etlrun.lake.iceberg_catalog import catalog_table

        return catalog_table(open_database(self.connection), self.table, stores)
