"""`iceberg` - a catalog of Apache Iceberg tables: a REST server, or tables of an SQL database.

```yaml
profiles:
  local:
    connections:
      lake: {iceberg: {uri: "sqlite:///lake/catalog.db", warehouse: lake/tables}}
  prod:
    connections:
      lake: {iceberg: {uri: "https://catalog.example.com", warehouse: gold, credential: "${CATALOG_CREDENTIAL}"}}
```

An SQL catalog is a SQLite file, which the first publish creates, or a PostgreSQL database
(`postgresql+psycopg://user:password@host/database`). It has the tables of Iceberg's JdbcCatalog, so Spark and Trino can
read it. `warehouse` is the folder for new tables: a folder of the project, or an S3 URL that `storage:` of
`etlrun.yaml` names. A REST catalog chooses where tables are; etlrun writes their files with the settings of `storage:`.
The sink and the source `iceberg` use the connection. It needs `pip install 'etlrun[iceberg]'`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etlrun.contracts.connection import Connection, Database
from etlrun.spec.fields import key

SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Iceberg(Connection):
    """A catalog of Apache Iceberg tables."""

    holds: ClassVar[str] = "Iceberg tables"

    uri: str = key("`https://host/path` of a REST catalog, `sqlite:///lake/catalog.db` or `postgresql+psycopg://...`")
    warehouse: str = key(
        "for an SQL catalog: the folder of new tables; for a REST catalog: the name of the warehouse there", default=""
    )
    catalog: str = key("the name of the catalog in its SQL database", default="default")
    token: str = key("the token of a REST catalog, best as `${CATALOG_TOKEN}`", default="", example="${CATALOG_TOKEN}")
    credential: str = key(
        "`client_id:client_secret` for a REST catalog, instead of `token`; best as `${CATALOG_CREDENTIAL}`",
        default="",
        example="${CATALOG_CREDENTIAL}",
    )

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        import pyiceberg  # noqa: F401  # fails here if the extra is not installed

        from etlrun.lake.iceberg_catalog import CatalogSettings, IcebergCatalog

        uri = self._uri(root, environment)
        token, credential = environment(self.token), environment(self.credential)
        return IcebergCatalog(
            name, CatalogSettings(self.catalog, uri, environment(self.warehouse), root, token, credential)
        )

    def dataset(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str]:
        address = self._uri(root, environment)
        return f"iceberg://{address.rpartition('@')[2] if '@' in address else address.partition('://')[2]}", ""

    def _uri(self, root: Path, environment: Callable[[str], str]) -> str:
        """The address; the path of a file starts at the project's folder."""
        found = environment(self.uri)
        if found.startswith(SQLITE):
            return f"{SQLITE}{(root / found.removeprefix(SQLITE)).resolve()}"
        return found
