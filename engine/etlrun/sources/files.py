"""`files` - a folder of Parquet files that the sink `files` publishes.

The file `_etlrun/current.json` in the folder names the files of the last publish. A run reads exactly these files,
never a mixture of old and new ones. Partition columns (`partition_by` of the sink) are declared like others; their
values are in the folder names. If another pipeline of the project publishes the folder, it runs first, and `etlrun run`
of the project runs this pipeline again after each publish. If the folder is in a store
(`path: s3://lake/out/profile/`), its files are first copied into the run's folder. Only Parquet can be read: publish
with `format: parquet`, not CSV or JSON.

```yaml
sources:
  profile:
    files: {path: out/profile/, columns: {shop: string, units: bigint}}
```

```files out/profile
{shop: string, units: bigint, ward: int}
| shop | units | ward |
| Hue  | 3     | 5    |
| null | 4     | 6    |
```

```read
profile: 2 rows, 0 broken, 0 blank
| shop | units |
| Hue  | 3     |
| null | 4     |
```
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from etlrun.contracts.connection import Database
from etlrun.failures import RunFailure
from etlrun.lake.file_sets import FileSet, read_pointer
from etlrun.lake.table_source import FolderTable
from etlrun.language.columns import TIMESTAMPTZ, Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.storage.stores import Stores

if TYPE_CHECKING:
    from etlrun.lake.snapshot import LakeFile, Snapshot

NULL = "__HIVE_DEFAULT_PARTITION__"  # the folder of rows without a value


@dataclass(frozen=True)
class Files(FolderTable):
    """A folder of Parquet files that the sink `files` publishes."""

    def state(self, open_database: Callable[[str], Database], stores: Stores) -> str:
        found = read_pointer(self.folder(stores))
        return "none" if found is None else found.folder

    def snapshot(self, open_database: Callable[[str], Database], stores: Stores) -> Snapshot:
        from etlrun.lake.snapshot import Snapshot

        folder = self.folder(stores)
        found = read_pointer(folder)
        if found is None:
            message = f"no sink `files` has published to the folder {self.path}"
            raise RunFailure(
                "source", "missing-table", message, "check the path, or run the pipeline that publishes it"
            )
        if found.format != "parquet" or not found.columns:
            message = f"the published files in {self.path} are not Parquet"
            fix = "publish them again with `format: parquet`"
            raise RunFailure("source", "unreadable-table", message, fix)
        columns = Columns(tuple(Column(name, parse_type(kind)) for name, kind in found.columns.items()))
        instants = frozenset(item.name.lower() for item in columns if item.type == TIMESTAMPTZ)
        return Snapshot(folder, found.run_id, columns, found.partition_by, tuple(_files(found)), instants)


def _files(found: FileSet) -> Iterator[LakeFile]:
    from etlrun.lake.snapshot import LakeFile

    for name, size in found.files.items():
        parts = (part.partition("=") for part in name.split("/")[:-1])
        values = {unquote(key): None if value == NULL else unquote(value) for key, _, value in parts}
        yield LakeFile(quote(f"{found.folder}/{name}"), values, size, 0)
