"""`postgres` - a PostgreSQL server, version 13 and later.

A publish is one transaction: readers see the old rows or the new ones, and after any crash the table holds one of them. Row count,
unique keys and a fingerprint of all values are compared before COMMIT. Rows travel by COPY.

A missing table is made: texts are `text COLLATE "C"`, which compares bytes. The account needs SELECT, INSERT and DELETE on the tables
and on those whose names start with `_etlrun_`, and for the first run CREATE on the schema. Behind a pooler (PgBouncer) the pool must be
one of sessions: the lock of a table is held by its session.

A table of 100,000 rows or more is read over several connections at once, each of which takes some of its pages; all of them see the
table as it was at one moment. A table in another schema is named with it: `marts.orders`.

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
from typing import ClassVar, Literal

from etlrun.contracts.connection import Connection, Database
from etlrun.spec.fields import key


@dataclass(frozen=True)
class Postgres(Connection):
    """A PostgreSQL server."""

    short: ClassVar[str] = "url"

    url: str = key("`postgresql://user:password@host:5432/database`, best as `${WAREHOUSE_URL}`")
    password: str = key("the password, as `${NAME}`, where the URL has none", default="")
    tls: Literal["auto", "verify_identity", "verify_ca", "insecure"] = key(
        "`auto` verifies the certificate and the host's name (`verify_identity`) unless the server is on this machine; "
        "`verify_ca` leaves the name out, `insecure` verifies nothing",
        default="auto",
    )
    ca: str = key(
        "the file of the authority that signed the server's certificate; the system's authorities where it is not given",
        default="",
    )
    readers: int | None = key(
        "how many connections read a large table at once; as many as there are cores, and at most 4, where it is not given",
        default=None,
    )
    connect_timeout: int = key("seconds until a server that does not answer counts as unreachable", default=10)
    timeout: int = key("seconds that one statement may take; COPY takes as long as it needs", default=600)
    lock_timeout: int = key("seconds to wait for rows that another transaction holds", default=30)

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        from etlrun.connections._postgres.reading import PageReaders
        from etlrun.connections._postgres.server import PostgresServer
        from etlrun.connections._postgres.session import PostgresSettings
        from etlrun.warehouse.address import UrlForm, read_address
        from etlrun.warehouse.database import Warehouse

        drivers = ("postgresql", "postgres", "postgresql+psycopg")
        form = UrlForm("PostgreSQL", drivers, 5432, ("host",), "host", "postgresql://user@host:5432/database")
        address = read_address(name, environment(self.url), environment(self.password), form)
        ca = str(root / environment(self.ca)) if self.ca else ""
        settings = PostgresSettings(self.tls, ca, self.connect_timeout, self.timeout, self.lock_timeout)
        return Warehouse(name, PostgresServer(address, settings, PageReaders(self.readers)))
