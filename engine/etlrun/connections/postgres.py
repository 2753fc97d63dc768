"""`postgres` - a PostgreSQL server, version 13 and later.

A publish is one transaction: readers see the old rows or the new ones, and after any crash the table holds one of them. Row count,
unique keys and a fingerprint of all values are compared before COMMIT. Rows travel by COPY.

A missing table is made: texts are `text COLLATE "C"`, which compares bytes. An account with these rights suffices; the second is for the
first run, which makes what is missing, and the third for tables that somebody else has made:

```sql
CREATE ROLE etl LOGIN PASSWORD 'a long one';
GRANT CREATE ON SCHEMA public TO etl;
GRANT SELECT, INSERT, DELETE ON profile, _etlrun_loads, _etlrun_writers TO etl;
```

A sink with `publish: pointer` has its rows in `profile__data` and its versions in `_etlrun_versions`: the third line is for those tables
then, and `profile` is a view, which readers need SELECT on. A change of its columns makes the view again, without the grants that it had.

Behind a pooler (PgBouncer) the pool must be one of sessions: the lock of a table is held by its session. A server that is not proved by
its certificate never gets a password in clear.

A table of 100,000 rows or more is read over several connections at once, each of which takes some of its pages; all of them see the
table as it was at one moment. A table in another schema is named with it: `marts.orders`.

With `labels: warehouse` beside `connections`, the answers of models are kept in this database as well, in tables whose names start with
`etlrun_`, and everybody who uses it shares them. `tls`, `ca` and the timeouts hold for them too.

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
