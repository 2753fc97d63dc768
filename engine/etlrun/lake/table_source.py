"""Shared by sources of lake tables: the declared columns are compared with one version of a table, and the engine reads its files in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from etlrun.contracts.connection import Database
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.partitions import PARTITIONS
from etlrun.contracts.sink import canonical_place
from etlrun.contracts.source import Inventory, ReadRequest, ReadResult, Source, keyed, row_key
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


class VersionedTable(Source):
    """A lake table, read in one version. `shown` is its name in messages."""

    skips_columns: ClassVar[bool] = True

    columns: Mapping[str, DeclaredColumn]

    @property
    def shown(self) -> str:
        raise NotImplementedError

    def snapshot(self, open_database: Callable[[str], Database], stores: Stores) -> Snapshot:
        """The version to read. Raises RunFailure if it does not exist."""
        raise NotImplementedError

    def personal(self) -> Iterable[str]:
        return tagged_columns(self.columns)

    def output(self, scope: Scope) -> Columns:
        found = Columns(())
        for name, declared in self.columns.items():
            scope.new_column(found, name, ("columns", name), is_key=True)
            kind = scope.type(declared.type_text, ("columns", name))
            found = found.with_column(Column(name, kind, not declared.is_required, declared.description))
        self.verify_place(scope)
        return keyed(found, self.key_, scope)

    def verify_place(self, scope: Scope) -> None:
        """Report mistakes in the location of the table."""
        raise NotImplementedError

    def look_ahead(self, columns: Columns, open_database: Callable[[str], Database], stores: Stores) -> None:
        self._fitting(columns, open_database, stores)

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        from etlrun.lake.snapshot import copy_rows

        snapshot = self._fitting(columns, request.open_database, request.stores)
        inventory = Inventory(snapshot.input_files())
        if request.tasks is None:
            inventory = request.fetch(inventory)
        divided = [item for item in snapshot.columns if item.name in snapshot.partition_by]
        if snapshot.files and all(item.type.name in PARTITIONS for item in divided):
            try:
                return _read_files(request, columns, snapshot, inventory)
            except RunFailure as failure:
                if failure.code != "wrong-columns":  # the table has the column, but its files are older than the column
                    raise
        request.folder.mkdir(parents=True, exist_ok=True)
        path, paths = request.folder / "rows.parquet", [file.at for file in request.fetch(inventory).files]
        wanted = columns.keep(name for name in columns.names if name not in request.unread)
        rows = copy_rows(snapshot, paths, wanted, path, request.control.follow)
        return ReadResult((ParquetFiles((str(path),), lacking=request.unread),), rows)

    def _fitting(self, columns: Columns, open_database: Callable[[str], Database], stores: Stores) -> Snapshot:
        """The version to read. Raises RunFailure if it does not exist, or the declared columns do not fit it."""
        snapshot = self.snapshot(open_database, stores)
        problems = list(_misfits(columns, snapshot.columns))
        if problems:
            fix = f"the table has {', '.join(f'{item.name}: {item.type}' for item in snapshot.columns)}"
            raise RunFailure("source", "wrong-columns", f"{self.shown}: {'; '.join(problems)}", fix)
        return snapshot


@dataclass(frozen=True)
class FolderTable(VersionedTable):
    """A table in a folder."""

    path: str = key(
        "the folder of the table: relative to the project, below one of the `roots` of `etlrun.yaml`, or a URL in a "
        "store",
        example="lake/orders",
    )
    columns: Mapping[str, DeclaredColumn] = key("column: type. The relation has the columns in this order")
    key_: tuple[str, ...] = row_key()
    root: Path = Path()  # of the project

    @property
    def shown(self) -> str:
        return self.path

    def resolve(self, scope: Scope) -> Self:
        return replace(self, root=scope.root)

    def table_read(self) -> tuple[str, str]:
        return "", canonical_place(self.path).lower()

    def verify_place(self, scope: Scope) -> None:
        if is_url(self.path):
            verify_url(self.path, scope)
        elif not scope.places.holds(self.path):
            scope.error("path", "path-outside", OUTSIDE_ROOTS, scope.places.fix(f"{self.path}/"))

    def folder(self, stores: Stores) -> TableFolder:
        """The folder of the table. Raises RunFailure for a store that cannot be opened."""
        from etlrun.lake.table_folder import table_folder

        return table_folder(self.root, self.path, stores, Path())


def _read_files(request: ReadRequest, columns: Columns, snapshot: Snapshot, inventory: Inventory) -> ReadResult:
    """Read files in place. The values of partition columns come from the log of the table."""
    from etlrun.lake.snapshot import null_found
    from etlrun.reading.parquet_columns import WantedColumn
    from etlrun.reading.parquet_files import read_parquet

    keys = {key.lower(): key for key in snapshot.partition_by}
    divided = [item for item in columns if item.name.lower() in keys]
    wanted = [
        WantedColumn(item, (item.name,), item.name.lower() in snapshot.instants, item.nullable)
        for item in columns
        if item not in divided
    ]
    values = [tuple(file.partition.get(keys[item.name.lower()]) for item in divided) for file in snapshot.files]
    files = [replace(file, partition=each) for file, each in zip(inventory.files, values, strict=True)]
    constants = frozenset(item.name for item in divided)
    inventory = replace(inventory, files=tuple(files))
    found = read_parquet(replace(request, inventory=inventory), wanted, columns, constants)
    for at, item in enumerate(divided):
        nulls = sum(found.rows_of[file.path] for file in files if file.partition[at] is None)
        if nulls and not item.nullable:
            raise null_found(snapshot, item.name, nulls)
    return replace(found, notices=())


def _misfits(columns: Columns, there: Columns) -> Iterator[str]:
    from etlrun.reading.parquet_types import fits

    for item in columns:
        found = there.get(item.name)
        if found is None:
            yield f"there is no column `{item.name}`"
        elif not fits(found.type, item.type) and (found.type, item.type) != (TIMESTAMPTZ, TIMESTAMP):
            yield f"`{item.name}` is {found.type}, but {item.type} is declared"
