"""One server of objects for all tests of stores, and a bucket with a project for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_projects import Lake, new_lake

from object_server import ObjectServer, object_server


@pytest.fixture(scope="session")
def server() -> Iterator[ObjectServer]:
    with object_server() as found:
        yield found


@pytest.fixture
def lake(server: ObjectServer, tmp_path: Path) -> Iterator[Lake]:
    bucket = re.sub(r"[^a-z0-9]+", "-", f"lake{tmp_path.name}".lower())[:60].rstrip("-")
    yield new_lake(server, tmp_path, bucket)
    server.hold(0)
    server.fail({})
