"""`mysql` - a MySQL (8.4 and later) or MariaDB (10.6 and later) server.

A publish is one transaction: readers see the old rows or the new ones, and after any crash the table holds one of them. Row count,
unique keys and a checksum of all values are compared before COMMIT. A missing table is made: texts of the key are VARCHAR(255), or
shorter where several share the 3072 bytes of an index, other texts are TEXT, all in utf8mb4_bin. The account needs SELECT, INSERT
and DELETE on the tables and on those whose names start with `_etlrun_`, and for the first run CREATE (and CREATE VIEW for sinks that
`publish: pointer`).

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
from typing import ClassVar, Literal

from etlrun.spec.database import Connection, Database
from etlrun.spec.fields import key


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
    ca: str = key("the file of the authority that signed the server's certificate; the system's authorities where it is not given", default="")
    loader: Literal["auto", "insert", "load_data"] = key(
        "how rows travel: `load_data` streams them, and needs local_infile=ON on the server; `auto` falls back to `insert`", default="auto"
    )
    connect_timeout: int = key("seconds until a server that does not answer counts as unreachable", default=10)
    timeout: int = key("seconds that one statement may take", default=600)
    lock_timeout: int = key("seconds to wait for rows that another transaction holds", default=30)

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        from etlrun.connections._mysql.address import read_address
        from etlrun.connections._mysql.session import Settings
        from etlrun.connections._mysql.warehouse import MysqlWarehouse

        address = read_address(name, environment(self.url), environment(self.password))
        ca = str(root / environment(self.ca)) if self.ca else ""
        return MysqlWarehouse(name, address, Settings(self.tls, ca, self.connect_timeout, self.timeout, self.lock_timeout), self.loader)
