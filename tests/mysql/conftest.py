"""The server of the tests, and a database for each."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from .authority import Authority
from .loads import Place
from .proxy import Proxy
from .server import Server

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def template() -> Iterator[Server]:
    """A server that is never started: others are copies of it."""
    folder = Path(tempfile.mkdtemp(prefix="etlrun-db-", dir="/tmp"))
    server = Server(folder / "template")
    server.make()
    yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server(template: Server) -> Iterator[Server]:
    """The server that tests share, which none of them harms."""
    server = template.copy(template.folder.parent / "shared").start()
    yield server
    server.stop()


@pytest.fixture
def spare(template: Server) -> Iterator[Callable[..., Server]]:
    """Starts servers that a test may kill or set otherwise."""
    servers: list[Server] = []

    def start(settings: Sequence[str] = ()) -> Server:
        servers.append(template.copy(template.folder.parent / f"spare{next(_numbers)}", settings).start())
        return servers[-1]

    yield start
    for one in servers:
        one.stop()
        shutil.rmtree(one.folder, ignore_errors=True)


@pytest.fixture
def place(server: Server) -> Iterator[Place]:
    """An empty database on the shared server."""
    database = f"w{next(_numbers)}"
    server.run(f"CREATE DATABASE {database}")
    yield Place(server, database, server.port)
    server.run(f"DROP DATABASE {database}")


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    """A line to the shared server that can be cut."""
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test enters here is left when it ends, however it ends."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")
