"""`mysql` - a MySQL (8.4 and later) or MariaDB (10.6 and later) server.

A publish is one transaction: readers see the old rows or the new ones, and after any crash the table holds one of them. Row count,
unique keys and a checksum of all values are compared before COMMIT; of 200,000 rows or more a second connection compares what has
arrived while the rest is on its way, and where the account may open only one, the first does it at the end.

A missing table is made: texts of the key are VARCHAR(255), or shorter where several share the 3072 bytes of an index, other texts are
TEXT, all in utf8mb4_bin. The account needs SELECT, INSERT and DELETE on the tables and on those whose names start with `_etlrun_`, and
for the first run CREATE (and CREATE VIEW for sinks that `publish: pointer`).

A table of 100,000 rows or more is read over several connections at once, each of which takes ranges of the primary key; all of them
see the table as it was at one moment. That needs the right LOCK TABLES, held for the moment in which they start; an account without
it reads over one connection, and so is read what has no primary key of numbers, texts, dates or bytes, and what somebody is writing.

With `labels: warehouse` beside `connections`, the answers of models are kept in this database as well, in tables whose names start with
`etlrun_`, and everybody who uses it shares them. Their line is the same: `tls`, `ca` and the timeouts hold for it too.

```yaml
profiles:
  prod:
    connections:
      warehouse: {mysql: {url: "${WAREHOUSE_URL}"}}    # mysql+pymysql://etl:password@db.example.com/customer360
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from etlrun.contracts.connection import Connection, Database, ServerAccess
from etlrun.spec.fields import key

if TYPE_CHECKING:
    from etlrun.connections._mysql.session import SessionSettings
    from etlrun.warehouse.address import Address


@dataclass(frozen=True)
class Mysql(Connection):
    """A MySQL or MariaDB server."""

    short: ClassVar[str] = "url"

    url: str = key("`mysql+pymysql://user:password@host:3306/database`, best as `${WAREHOUSE_URL}`")
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
    loader: Literal["auto", "insert", "load_data"] = key(
        "how rows travel: `load_data` streams them, and needs local_infile=ON on the server; `auto` falls back to `insert`",
        default="auto",
    )
    readers: int | None = key(
        "how many connections read a large table at once; as many as there are cores, and at most 4, where it is not given",
        default=None,
    )
    connect_timeout: int = key("seconds until a server that does not answer counts as unreachable", default=10)
    timeout: int = key("seconds that one statement may take", default=600)
    lock_timeout: int = key("seconds to wait for rows that another transaction holds", default=30)

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        from etlrun.connections._mysql.reading import Parallel
        from etlrun.connections._mysql.server import MysqlServer, warnings
        from etlrun.warehouse.database import Warehouse

        address, settings = self._target(name, root, environment)
        server = MysqlServer(name, address, settings, self.loader, Parallel(self.readers))
        return Warehouse(name, server, tuple(warnings(name, address, settings)))

    def lines(self, name: str, root: Path, environment: Callable[[str], str]) -> ServerAccess:
        from etlrun.connections._mysql.lines import lines_to

        return lines_to(*self._target(name, root, environment))

    def _target(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[Address, SessionSettings]:
        from etlrun.connections._mysql.session import SessionSettings
        from etlrun.connections._mysql.urls import read_mysql_url

        address = read_mysql_url(name, environment(self.url), environment(self.password))
        ca = str(root / environment(self.ca)) if self.ca else ""
        return address, SessionSettings(self.tls, ca, self.connect_timeout, self.timeout, self.lock_timeout)
