"""`duckdb` - an embedded database in one file; the file is created if it does not exist.

```yaml
profiles:
  local:
    connections:
      warehouse: {duckdb: {path: warehouse.duckdb}}
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etlrun.contracts.connection import Connection, Database, QueryWriter
from etlrun.spec.fields import key


@dataclass(frozen=True)
class Duckdb(Connection):
    """An embedded database in one file, made when it is missing."""

    short: ClassVar[str] = "path"

    path: str = key("the file, relative to the project's folder")

    def dataset(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str]:
        return "file", f"{(root / environment(self.path)).resolve()}:"

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        from etlrun.connections._duckdb.warehouse_file import open_warehouse

        return open_warehouse(name, root / environment(self.path), writing=writing)

    def queries(self) -> QueryWriter:
        from etlrun.language.duckdb_queries import DuckdbQueries

        return DuckdbQueries()
