"""`table` - a table or view of a connection.

The declared columns must be in the table, with a type that fits. A table of another schema is named with it: `marts.orders`.

```yaml
sources:
  contracts:
    table: {connection: warehouse, table: contracts, columns: {contract: string not null, since: date}}
```

```table contracts
{contract: string, since: date, ward: int}
| contract | since      | ward |
| C1       | 2020-01-31 | 5    |
| C2       | null       | 6    |
```

```read
contracts: 2 rows, 0 broken, 0 blank
| contract | since      |
| C1       | 2020-01-31 |
| C2       | null       |
```
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from etlrun.contracts.connection import Database
from etlrun.contracts.engine import ParquetFiles
from etlrun.contracts.source import ReadRequest, ReadResult, Source
from etlrun.language.columns import Column, Columns
from etlrun.reading.source import DeclaredColumn
from etlrun.spec.fields import key
from etlrun.spec.scope import Scope


@dataclass(frozen=True)
class Table(Source):
    """A table of a connection."""

    connection: str = key("the connection, named in the profile")
    table: str = key("the name of the table or view, with its schema where that is not the usual one")
    columns: Mapping[str, DeclaredColumn] = key("column: type, in the order of the relation")

    def output(self, scope: Scope) -> Columns:
        items: list[Column] = []
        for name, declared in self.columns.items():
            scope.new_column(Columns(tuple(items)), name, ("columns", name), is_key=True)
            kind = scope.type(declared.type_text, ("columns", name))
            items.append(Column(name, kind, not declared.is_required, declared.description))
        return Columns(tuple(items))

    def look_ahead(self, columns: Columns, open_database: Callable[[str], Database]) -> None:
        database = open_database(self.connection)
        try:
            database.verify(self.table, columns)
        finally:
            database.close()

    def read(self, request: ReadRequest, columns: Columns) -> ReadResult:
        request.folder.mkdir(parents=True, exist_ok=True)
        database = request.open_database(self.connection)
        request.control.follow_database(database)
        try:
            copied = database.copy(self.table, columns, request.folder)
        finally:
            database.close()
        paths = tuple(str(path) for path in copied.files)
        return ReadResult((ParquetFiles(paths),), copied.rows, notices=tuple(database.notices))
