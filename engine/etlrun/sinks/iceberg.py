"""`iceberg` - publishes a relation as an Apache Iceberg table of a catalog, in one commit.

`connection` is the catalog. `table` is the name of the table with its namespace; the first run creates both. A publish
links the run's Parquet files into the folder of the table (or copies them to another disk or to S3) and does not read
the rows again. With `partition_by`, DuckDB writes the rows again, one file for each partition; if executors of Spark
stage them in a store (`staging`), they write the files of each partition at once. A reader sees the snapshot before the
publish or the snapshot after it. Old snapshots can be read until you expire them.

```yaml
sinks:
  daily_views:
    iceberg: {from: profile, connection: lake, table: gold.daily_views, partition_by: [month], write: {replace_where: month = '2022-04'}}
```

* `write: replace` replaces all rows, and also the columns of the table; the run prints a notice if the columns change.
* `write: {replace_where: ...}` replaces partitions. The condition is `column = value` for columns of `partition_by`; join
  several with `and`.
* `write: append` adds rows.
* `write: merge` with `key` is an upsert: a row replaces the rows of the table with the same key; the other rows stay. A merge
  reads the key columns of the table. Then it rewrites the files that contain keys of the run, without the replaced rows: at
  most 10 GB, on the machine that runs etlrun. If `key` contains all columns of `partition_by`, only the partitions of the
  run are read. A table with delete files (merge on read) is refused.

A run publishes at most once, because its id is in the snapshot. If a run computes the same rows that the last run
appended, they are not appended again, and an older run never replaces the rows of a newer run. If another program
commits at the same time, the publish is tried again; it never replaces rows that the other program wrote, except
those with the same key in a merge. If a run is killed, its unused files stay in the folder; a publish removes them after a
week. `tinyint` and `smallint` become `int`.

The sink needs `pip install 'etlrun[iceberg]'`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from etlrun.contracts.connection import Database
from etlrun.contracts.owned_rows import ReplaceWhere
from etlrun.contracts.published_columns import PublishedColumns, published_columns_key
from etlrun.contracts.sink import Publication
from etlrun.lake.commits import Committed, Write
from etlrun.lake.lake_sink import LAKE_WORDS, LakeSink, row_identity
from etlrun.lake.table_names import verify_table_name
from etlrun.language.columns import Columns
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.forgotten import Known
    from etlrun.lake.iceberg_catalog import CatalogTable
    from etlrun.lake.snapshot import Snapshot


@dataclass(frozen=True)
class Iceberg(LakeSink):
    """Publishes a relation as an Apache Iceberg table of a catalog, in one commit."""

    what: ClassVar[str] = "Iceberg table"
    connects_to: ClassVar[str] = "Iceberg tables"
    also: ClassVar[Mapping[str, str]] = LAKE_WORDS

    from_: str = key("the relation to publish", yaml="from")
    connection: str = key("the catalog: a connection of the kind `iceberg` in the profile", example="lake")
    table: str = key("the table, with its namespace", example="gold.orders")
    write: Literal["replace", "append", "merge"] | ReplaceWhere = key(
        "`replace`, `append`, `merge`, or `{replace_where: condition}`"
    )
    key_: tuple[str, ...] = row_identity()
    partition_by: tuple[str, ...] = key("the partition columns", default=(), example=("month",))
    columns: PublishedColumns = published_columns_key()
    min_rows: int = key("the run stops before it publishes if there are fewer rows", default=1)

    @property
    def shown(self) -> str:
        return f"{self.connection}.{self.table}"

    def verify_place(self, columns: Columns, scope: Scope) -> None:
        verify_table_name(self.table, scope)

    def place(self, name: str) -> tuple[str, str, str]:
        return self.connection, self.table, self.part

    def table_written(self, name: str) -> tuple[str, str]:
        return self.connection, self.table

    def foresee(self, publication: Publication, write: Write) -> tuple[bool, tuple[str, ...]]:
        from etlrun.lake.iceberg_log import foresee

        table, notices = foresee(self._table(publication), publication, write)
        return table is not None, notices

    def commit(self, publication: Publication, write: Write) -> Committed:
        from etlrun.lake.iceberg_log import publish

        return publish(self._table(publication), publication, write)

    def current(
        self, root: Path, open_database: Callable[[str], Database], stores: Stores, scratch: Path
    ) -> Snapshot | None:
        from etlrun.lake.iceberg_catalog import catalog_table
        from etlrun.lake.iceberg_snapshot import read_iceberg

        place = catalog_table(open_database(self.connection), self.table, stores, scratch)
        table = place.load()
        return None if table is None else read_iceberg(place, table, None)

    def known(
        self, root: Path, open_database: Callable[[str], Database], stores: Stores, scratch: Path
    ) -> Known | None:
        from etlrun.lake.iceberg_catalog import catalog_table
        from etlrun.lake.iceberg_log import known

        return known(catalog_table(open_database(self.connection), self.table, stores, scratch))

    def _table(self, publication: Publication) -> CatalogTable:
        from etlrun.lake.iceberg_catalog import catalog_table

        database = publication.open_database(self.connection)
        return catalog_table(database, self.table, publication.stores, publication.scratch)
