"""`mysql` - a MySQL (8.4 and later) or MariaDB (10.6 and later) server.

A publish is one transaction: readers see the old rows or the new rows, also after a crash. Before COMMIT, the row
count, the unique keys and a checksum of all values are compared with the computed rows. For 200,000 rows or more, a
second connection compares the rows that have arrived while the others are being sent; if the account may open only one
connection, the comparison happens at the end.

A missing table is created. Strings of the key become VARCHAR(255), or shorter if several key columns share the 3072
bytes of an index; other strings become TEXT. All use the collation utf8mb4_bin. The account needs SELECT, INSERT and
DELETE on the published tables and on tables whose names start with `_etlrun_`. The first run also needs CREATE, and
CREATE VIEW for sinks with `publish: pointer`. View sinks need CREATE VIEW and DROP.

A `timestamptz` column is stored as DATETIME(6) in UTC, a type without a time zone. A source that names the pipeline and
the sink reads it as `timestamptz`. A source with `table` and `columns` reads DATETIME as `timestamp`;
`to_utc_timestamp(at, 'UTC')` makes it an instant. A column of the type TIMESTAMP is read as `timestamptz`, but a run
does not publish to it: the message contains the statement that changes it to DATETIME(6).

A table of 100,000 rows or more is read over several connections at the same time. Each reads ranges of the primary key,
and all of them see the same snapshot. This needs the right LOCK TABLES, for the moment in which the connections start.
The run uses only one connection if the account lacks this right, if the table has no primary key of numbers, strings,
dates or bytes, or if somebody is writing to the table.

With `labels: warehouse` in the profile, the answers of models are stored in this database, in tables whose names start
with `etlrun_`; all users of the database share them. The keys `tls`, `ca` and the timeouts also apply to them.

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
