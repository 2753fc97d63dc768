"""The server that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mysql.authority import Authority

from .guarded import Guarded
from .server import PostgresProcess


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    authority = Authority(tmp_path_factory.mktemp("tls") / "authority")
    server = PostgresProcess("ssl=on", "ssl_cert_file=cert.pem", "ssl_key_file=key.pem")
    guarded = Guarded(server, authority)
    authority.settings("127.0.0.1")
    for name in ("cert.pem", "key.pem"):
        server.write(name, (authority.folder / name).read_bytes())
    server.start()
    server.run("CREATE DATABASE w")
    yield guarded
    server.stop()


@pytest.fixture(autouse=True)
def empty_database(guarded: Guarded) -> Iterator[None]:
    """Each test starts without a table and ends without a connection."""
    guarded.run("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", "GRANT USAGE ON SCHEMA public TO PUBLIC")
    yield
    guarded.close()
