"""A server that talks TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from etlrun.connections.postgres import Postgres
from etlrun.warehouse.database import Warehouse
from etlrun.warehouse.retry import RetryPolicy
from mysql.authority import Authority

from .server import PostgresProcess


@dataclass
class Guarded:
    """A server that talks TLS, with certificates of an authority for 127.0.0.1 (database `w`, any user)."""

    server: PostgresProcess
    authority: Authority
    opened: list[Warehouse] = field(default_factory=list)

    def certify(self, address: str) -> None:
        """Give the server a certificate for an IP address."""
        self.authority.settings(address)
        for name in ("cert.pem", "key.pem"):
            self.server.write(name, (self.authority.folder / name).read_bytes())
        self.server.run("SELECT pg_reload_conf()")

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        return self.server.run(*statements, database="w")

    def open(self, **keys: Any) -> Warehouse:
        given: dict[str, Any] = {"account": "root", "port": self.server.port, **keys}
        url = f"postgresql://{given.pop('account')}@127.0.0.1:{given.pop('port')}/w"
        warehouse = Postgres(url, **given).open("warehouse", Path("/"), str, writing=True)
        assert isinstance(warehouse, Warehouse)
        warehouse._publisher.retry_policy = RetryPolicy(sleep=lambda _: None)
        self.opened.append(warehouse)
        return warehouse

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()

    def is_encrypted(self, **keys: Any) -> bool:
        warehouse = self.open(**keys)
        with warehouse._asking() as session:
            (found,) = session.one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return bool(found)
