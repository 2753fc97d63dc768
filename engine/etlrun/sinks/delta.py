"""`delta` - publishes a relation as a Delta Lake table, in one commit.

`path` is the folder of the table: in the project, or in a store that `storage:` of `etlrun.yaml` names
(`s3://lake/tables/orders`). A publish links the run's Parquet files into the table (or copies them to another disk or a
store) and does not read the rows again. With `partition_by`, DuckDB writes the rows again, one file for each partition;
if executors of Spark stage them in a store (`staging`), they write the files of each partition at once. A reader sees
the version before the publish or the version after it. Old versions can be read until somebody runs VACUUM.

```yaml
sinks:
  daily_views:
    delta: {from: profile, path: lake/daily_views, partition_by: [month], write: {replace_where: month = '2022-04'}}
```

`write: replace` replaces all rows, and also the columns of the table; the run prints a notice if the columns change.
`replace_where` replaces partitions: its condition is `column = value` for partition columns, joined by `and`. `append`
adds rows. `merge` is an upsert: a row replaces the rows of the table with the same `key`; the other rows stay.

```yaml
sinks:
  orders:
    delta: {from: orders, path: lake/orders, write: merge, key: [id]}
```

A merge reads the key columns of the table. Then it rewrites the files that contain keys of the run, without the replaced
rows. The machine that runs etlrun does this, so these files may have at most 10 GB together. If `key` contains all columns
of `partition_by`, only the partitions of the run are read.

A run publishes at most once, because its id is in the Delta log. If a run computes the same rows that the last run
appended, they are not appended again, and an older run never replaces the rows of a newer run. If another program
commits at the same time, the publish is tried again; it never replaces rows that the other program wrote, except those
with the same key in a merge. This needs a store with conditional writes ("write only if the object does not exist"):
Amazon S3, Google Cloud Storage and Azure have them. Tables at `gs://` are not covered by the tests of etlrun. If a run is
killed, its unused files stay in the folder; a publish removes them after a week.

A table of another program is refused if it has rules that etlrun does not verify: constraints, generated or identity
columns, column mapping, or `not null` columns if the relation may have nulls there.

The sink needs `pip install 'etlrun[delta]'`. A table with a column of type timestamp needs readers that support reader
version 3 with the feature `timestampNtz`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from etlrun.contracts.connection import Database
from etlrun.contracts.owned_rows import ReplaceWhere
from etlrun.contracts.published_columns import PublishedColumns, published_columns_key
from etlrun.contracts.sink import Publication, canonical_place, published_file, verify_place
from etlrun.lake.commits import Committed, Write
from etlrun.lake.lake_sink import LAKE_WORDS, LakeSink, row_identity
from etlrun.language.columns import LABEL, Columns
from etlrun.spec.fields import key
from etlrun.spec.scope import HIDDEN, Scope
from etlrun.spec.urls import is_url
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.forgotten import Known
    from etlrun.lake.snapshot import Snapshot
    from etlrun.lake.table_folder import TableFolder

UNNAMEABLE = frozenset(" ,;{}()\n\t=")


@dataclass(frozen=True)
class Delta(LakeSink):
    """Publishes a relation as a table of Delta Lake, in one commit."""

    what: ClassVar[str] = "Delta table"
    also: ClassVar[Mapping[str, str]] = LAKE_WORDS

    from_: str = key("the relation to publish", yaml="from")
    path: str = key("the folder of the table, relative to the project, or a URL in a store", example="lake/orders")
    write: Literal["replace", "append", "merge"] | ReplaceWhere = key(
        "`replace`, `append`, `merge`, or `{replace_where: condition}`"
    )
    key_: tuple[str, ...] = row_identity()
    partition_by: tuple[str, ...] = key("the partition columns", default=(), example=("month",))
    columns: PublishedColumns = published_columns_key()
    min_rows: int = key("the run stops before it publishes if there are fewer rows", default=1)

    @property
    def shown(self) -> str:
        return self.path

    def verify_place(self, columns: Columns, scope: Scope) -> None:
        for item in (item for item in columns if not item.name.startswith(HIDDEN)):
            if UNNAMEABLE.intersection(item.name.replace(LABEL, "")):
                fix = "give it another name with a step `rename`"
                scope.error(
                    "from",
                    "bad-name",
                    f"`{item.name}` has a character that is not allowed in names of Delta columns",
                    fix,
                )
        verify_place(self.path, scope)

    def place(self, name: str) -> tuple[str, str, str]:
        return "", canonical_place(self.path), self.part

    def table_written(self, name: str) -> tuple[str, str]:
        return self.place(name)[:2]

    def foresee(self, publication: Publication, write: Write) -> tuple[bool, tuple[str, ...]]:
        from etlrun.lake.delta_log import foresee

        table, notices = foresee(self._folder(publication), publication, write)
        return table is not None, notices

    def commit(self, publication: Publication, write: Write) -> Committed:
        from etlrun.lake.delta_log import publish

        return publish(self._folder(publication), publication, write)

    def current(
        self, root: Path, open_database: Callable[[str], Database], stores: Stores, scratch: Path
    ) -> Snapshot | None:
        from etlrun.lake.snapshot import open_delta, read_snapshot
        from etlrun.lake.table_folder import table_folder

        folder = table_folder(root, self.path, stores, scratch)
        table = open_delta(folder)
        return None if table is None else read_snapshot(folder, table)

    def known(
        self, root: Path, open_database: Callable[[str], Database], stores: Stores, scratch: Path
    ) -> Known | None:
        from etlrun.lake.delta_log import known
        from etlrun.lake.table_folder import table_folder

        return known(table_folder(root, self.path, stores, scratch))

    def _folder(self, publication: Publication) -> TableFolder:
        from etlrun.lake.table_folder import table_folder

        if not is_url(self.path):
            published_file(publication.root, self.path)
        return table_folder(publication.root, self.path, publication.stores, publication.scratch)
