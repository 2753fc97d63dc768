"""`postgres` - a PostgreSQL server, version 13 and later.

A publish is one transaction: readers see the old rows or the new rows, also after a crash. Before COMMIT, the row
count, the unique keys and a checksum of all values are compared with the computed rows. Rows are sent with COPY.

A missing table is created. Strings become `text COLLATE "C"`, which compares bytes. An account needs only these rights.
The second statement is for the first run, which creates missing tables; the third is for tables that another account
has created:

```sql
CREATE ROLE etl LOGIN PASSWORD 'a long one';
GRANT CREATE ON SCHEMA public TO etl;
GRANT SELECT, INSERT, DELETE ON profile, _etlrun_loads, _etlrun_writers TO etl;
```

A sink with `publish: pointer` stores its rows in `profile__data` and its versions in `_etlrun_versions`; grant the
rights of the third statement on these tables. `profile` is then a view, and readers need SELECT on it. If the columns
change, the view is created again and its grants are lost.

With a connection pooler (PgBouncer), use session pooling, because the lock of a table belongs to a session. If the
server's certificate is not verified, the password is never sent in clear text.

A table of 100,000 rows or more is read over several connections at the same time. Each reads some pages of the table,
and all of them see the same snapshot. Write the schema of a table before its name if it is not the default schema:
`marts.orders`.

With `labels: warehouse` in the profile, the answers of models are stored in this database, in tables whose names start
with `etlrun_`; all users of the database share them. The keys `tls`, `ca` and the timeouts also apply to them.

```yaml
profiles:
  prod:
    connections:
      warehouse: {postgres: {url: "${WAREHOUSE_URL}"}}    # postgresql://etl:password@db.example.com/customer360
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from etlrun.contracts.connection import Database, QueryWriter, ServerAccess
from etlrun.spec.fields import key
from etlrun.warehouse.access import Parallel, ServerConnection, tls_warnings
from etlrun.warehouse.address import UrlForm


@dataclass(frozen=True)
class Postgres(ServerConnection):
    """A PostgreSQL server."""

    form: ClassVar[UrlForm] = UrlForm(
        "PostgreSQL",
        ("postgresql", "postgres", "postgresql+psycopg"),
        5432,
        ("host",),
        "host",
        "postgresql://user@host:5432/database",
    )

    url: str = key("`postgresql://user:password@host:5432/database`; recommended: `${WAREHOUSE_URL}`")
    timeout: int = key("timeout of one statement in seconds; COPY has no timeout", default=600)

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        from etlrun.connections._postgres.server import PostgresServer
        from etlrun.warehouse.database import Warehouse

        address, settings = self.target(name, root, environment)
        server = PostgresServer(address, settings, Parallel(self.readers))
        return Warehouse(name, server, tuple(tls_warnings(name, address, settings)))

    def queries(self) -> QueryWriter:
        from etlrun.connections._postgres.conditions import QUERIES

        return QUERIES

    def dataset(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str]:
        address, _ = self.target(name, root, environment)
        return f"postgres://{address.host}:{address.port}", f"{address.database}."

    def lines(self, name: str, root: Path, environment: Callable[[str], str]) -> ServerAccess:
        from etlrun.connections._postgres.errors import explain, server_error
        from etlrun.connections._postgres.session import open_transactional

        address, settings = self.target(name, root, environment)
        return ServerAccess(
            "postgresql+psycopg",
            address.place,
            lambda: open_transactional(address, settings),
            lambda error: explain(server_error(error)),
        )
