"""`mysql` - a MySQL (8.4 and later) or MariaDB (10.6 and later) server.

A publish is one transaction: readers see the old rows or the new ones, and after any crash the table holds one of them. Row count,
unique keys and a checksum of all values are compared before COMMIT; of 200,000 rows or more a second connection compares what has
arrived while the rest is on its way, and where the account may open only one, the first does it at the end.

A missing table is made: texts of the key are VARCHAR(255), or shorter where several share the 3072 bytes of an index, other texts are
TEXT, all in utf8mb4_bin. The account needs SELECT, INSERT and DELETE on the tables and on those whose names start with `_etlrun_`, and
for the first run CREATE (and CREATE VIEW for sinks that `publish: pointer`). Sinks that are views need CREATE VIEW and DROP.

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
from typing import ClassVar, Literal

from etlrun.contracts.connection import Database, QueryWriter, ServerAccess
from etlrun.spec.fields import key
from etlrun.warehouse.access import Parallel, ServerConnection, tls_warnings
from etlrun.warehouse.address import UrlForm


@dataclass(frozen=True)
class Mysql(ServerConnection):
    """A MySQL or MariaDB server."""

    form: ClassVar[UrlForm] = UrlForm(
        "MySQL",
        ("mysql", "mysql+pymysql", "mariadb", "mariadb+pymysql"),
        3306,
        ("charset", "unix_socket"),
        "unix_socket",
        "mysql+pymysql://user@host:3306/database",
    )

    url: str = key("`mysql+pymysql://user:password@host:3306/database`; recommended: `${WAREHOUSE_URL}`")
    loader: Literal["auto", "insert", "load_data"] = key(
        "how rows are sent: `load_data` streams them and needs local_infile=ON on the server; `insert` sends INSERT "
        "statements; `auto` tries `load_data` and falls back to `insert`",
        default="auto",
    )

    def open(self, name: str, root: Path, environment: Callable[[str], str], *, writing: bool) -> Database:
        from etlrun.connections._mysql.server import MysqlServer
        from etlrun.warehouse.database import Warehouse

        address, settings = self.target(name, root, environment)
        server = MysqlServer(name, address, settings, self.loader, Parallel(self.readers))
        return Warehouse(name, server, tuple(tls_warnings(name, address, settings)))

    def queries(self) -> QueryWriter:
        from etlrun.connections._mysql.conditions import QUERIES

        return QUERIES

    def lines(self, name: str, root: Path, environment: Callable[[str], str]) -> ServerAccess:
        from etlrun.connections._mysql.errors import explain, server_error
        from etlrun.connections._mysql.session import open_transactional

        address, settings = self.target(name, root, environment)
        return ServerAccess(
            "mysql+pymysql",
            address.place,
            lambda: open_transactional(address, settings),
            lambda error: explain(server_error(error), address),
        )

    def dataset(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str]:
        address, _ = self.target(name, root, environment)
        return f"mysql://{address.host}:{address.port}", f"{address.database}."

    def mysql_server(self, name: str, root: Path, environment: Callable[[str], str]) -> tuple[str, str] | None:
        address, _ = self.target(name, root, environment)
        return f"{address.host}:{address.port}", address.database
