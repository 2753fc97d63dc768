"""One private server of each kind for the contract of connections, and an empty database for each test."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from warehouses import Target

from mysql.server import Server
from postgres.server import PostgresProcess

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="etlrun-db-", dir="/tmp"))
    server = Server(folder / "server")
    server.make()
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresProcess]:
    server = PostgresProcess().start()
    yield server
    server.stop()


@pytest.fixture(params=["duckdb", "mysql", "mysql by insert", "postgres"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """An empty database behind a connection of each kind."""
    yield from _opened(request, tmp_path)


@pytest.fixture(params=["mysql", "mysql by insert", "postgres"])
def versioned(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """An empty database of each kind that publishes by pointer."""
    yield from _opened(request, tmp_path)


@pytest.fixture(params=["mysql", "postgres"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """An empty database on a server of each kind."""
    target = _TARGETS[str(request.param)](request, tmp_path, f"t{next(_numbers)}")
    yield target
    target.close()


def _opened(request: pytest.FixtureRequest, folder: Path) -> Iterator[Target]:
    kind, _, loader = str(request.param).partition(" by ")
    target = _TARGETS[kind](request, folder, f"t{next(_numbers)}")
    if loader:
        target.keys["loader"] = loader
    yield target
    target.close()


def _duckdb(request: pytest.FixtureRequest, folder: Path, name: str) -> Target:
    path = str(folder / "warehouse.duckdb")
    return Target("duckdb", {"path": path}, lambda: None, lambda schema: f"CREATE SCHEMA {schema}")


def _mysql(request: pytest.FixtureRequest, folder: Path, name: str) -> Target:
    return Target.on(request.getfixturevalue("mysql_server"), "mysql", name, {})


def _postgres(request: pytest.FixtureRequest, folder: Path, name: str) -> Target:
    return Target.on(request.getfixturevalue("postgres_server"), "postgres", name, {})


_TARGETS = {"duckdb": _duckdb, "mysql": _mysql, "postgres": _postgres}


@pytest.fixture
def kinds_with_a_database() -> set[str]:
    return set(_TARGETS)
