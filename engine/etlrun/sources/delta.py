"""`delta` - a table of Delta Lake.

The declared columns must be in the table, with a type that fits; those of its partitions are columns like others. A run reads one version: the
last one, or `version`. Once there is another, `etlrun run` of the project runs the pipeline again. A timestamp with a zone becomes a clock in
UTC. What a pipeline of the project publishes there is written first. A table may be in a store (`path: s3://lake/tables/sales`): the files of
the version are copied into the run's folder then.

A table whose files alone do not say what its rows are (deletion vectors, mapped columns) is refused by name.

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

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.contracts.connection import Database
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.sink import canonical_place
from etlrun.contracts.source import Inventory, ReadRequest, ReadResult, Source, keyed
from etlrun.failures import RunFailure
from etlrun.language.columns import TIMESTAMP, TIMESTAMPTZ, Column, Columns
from etlrun.reading.source import DeclaredColumn, tagged_columns, verify_url
from etlrun.spec.fields import key
from etlrun.spec.paths import OUTSIDE_ROOTS
from etlrun.spec.scope import Scope
from etlrun.spec.urls import is_url
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.snapshot import Snapshot
    from etlrun.lake.table_folder import TableFolder


@dataclass(frozen=True)
class Delta(Source):
    """A table of Delta Lake."""

    path: str = key(
        "the table's folder, in the project's folder or below one of the `roots` of etlrun.yaml, or the URL of one in a store",
        example="lake/orders",
    )
    columns: Mapping[str, DeclaredColumn] = key("column: type, in the order of the relation")
    key_: tuple[str, ...] = key(
        "the columns that tell rows apart: a run stops before it publishes where two rows share them",
        yaml="key",
        default=(),
        example=("id",),
    )
    version: int | None = key("the version that is read; the last one where it is not given", default=None, example=12)
    root: Path = Path()  # of the project

    def resolve(self, scope: Scope) -> Delta:
        return replace(self, root=scope.root)

    def table_read(self) -> tuple[str, str]:
        return "", canonical_place(self.path).lower()

    def personal(self) -> Iterable[str]:
        return tagged_columns(self.columns)

    def output(self, scope: Scope) -> Columns:
        items: list[Column] = []
        for name, declared in self.columns.items():
            scope.new_column(Columns(tuple(items)), name, ("columns", name), is_key=True)
            kind = scope.type(declared.type_text, ("columns", name))
            items.append(Column(name, kind, not declared.is_required, declared.description))
        if is_url(self.path):
            verify_url(self.path, scope)
        elif not scope.places.holds(self.path):
            scope.error("path", "path-outside", OUTSIDE_ROOTS, scope.places.fix(f"{self.path}/"))
        if self.version is not None and self.version < 0:
            scope.error("version", "wrong-value", f"`version` is {self.version}", "write a number from 0")
        return keyed(Columns(tuple(items)), self.key_, scope)

    def state(self, stores: Stores) -> str:
        from etlrun.lake.snapshot import open_delta

        table = open_delta(self._folder(stores), self.version)
        return "none" if table is None else f"{table.metadata().id} {table.version()}"

    def look_ahead(self, columns: Columns, open_database: Callable[[str], Database], stores: Stores) -> None:
        self._snapshot(columns, stores)

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        from etlrun.lake.snapshot import copy_rows
        from etlrun.reading.fetching import COPIES, Fetching

        snapshot = self._snapshot(columns, request.stores)
        inventory = Inventory(snapshot.input_files())
        inventory = Fetching(inventory, request.folder / COPIES, request.stores).fetch()
        if snapshot.files and not snapshot.partition_by:
            return self._read_files(request, columns, snapshot, inventory)
        request.folder.mkdir(parents=True, exist_ok=True)
        path, paths = request.folder / "rows.parquet", [file.at for file in inventory.files]
        rows = copy_rows(snapshot, paths, columns, path, request.control.follow)
        return ReadResult((ParquetFiles((str(path),)),), rows)

    def _read_files(
        self, request: ReadRequest, columns: Columns, snapshot: Snapshot, inventory: Inventory
    ) -> ReadResult:
        """Files without partitions hold all columns: the engine reads them where they are."""
        from etlrun.reading.footers import read_footers
        from etlrun.reading.parquet_columns import WantedColumn

        wanted = [
            WantedColumn(item, (item.name,), item.name.lower() in snapshot.instants, item.nullable) for item in columns
        ]
        return replace(read_footers(replace(request, inventory=inventory), wanted), notices=())

    def _folder(self, stores: Stores) -> TableFolder:
        from etlrun.lake.table_folder import table_folder

        return table_folder(self.root, self.path, stores, Path())

    def _snapshot(self, columns: Columns, stores: Stores) -> Snapshot:
        """The version to read. Raises RunFailure where it is missing, or the declared columns do not fit it."""
        from etlrun.lake.snapshot import open_delta, read_snapshot

        folder = self._folder(stores)
        table = open_delta(folder, self.version)
        if table is None:
            message = f"there is no Delta table at {self.path}"
            raise RunFailure("source", "missing-table", message, "check the path, or run what publishes it")
        snapshot = read_snapshot(folder, table)
        problems = list(_misfits(columns, snapshot.columns))
        if problems:
            fix = f"the table has {', '.join(f'{item.name}: {item.type}' for item in snapshot.columns)}"
            raise RunFailure("source", "wrong-columns", f"{self.path}: {'; '.join(problems)}", fix)
        return snapshot


def _misfits(columns: Columns, there: Columns) -> Iterator[str]:
    from etlrun.reading.parquet_types import fits

    for item in columns:
        found = there.get(item.name)
        if found is None:
            yield f"there is no column `{item.name}`"
        elif not fits(found.type, item.type) and (found.type, item.type) != (TIMESTAMPTZ, TIMESTAMP):
            yield f"`{item.name}` is {found.type}, and {item.type} is declared"
