"""One server of objects for all tests of stores, and a bucket with a project for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_projects import Lake

from object_server import ObjectServer, object_server
from projects import Project


@pytest.fixture(scope="session")
def server() -> Iterator[ObjectServer]:
    with object_server() as found:
        yield found


@pytest.fixture
def lake(server: ObjectServer, tmp_path: Path) -> Iterator[Lake]:
    bucket = re.sub(r"[^a-z0-9]+", "-", f"lake{tmp_path.name}".lower())[:60].rstrip("-")
    server.make_bucket(bucket)
    project = Project(tmp_path)
    settings = f"s3: {{endpoint: '{server.url}', region: us-east-1, access_key: '${{LAKE_KEY}}', secret_key: '${{LAKE_SECRET}}'}}"
    project.write(
        "etlrun.yaml",
        f"storage: {{s3://{bucket}: {{{settings}}}}}\n"
        "profiles: {fast: {engine: {duckdb: {threads: 2}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}}\n",
    )
    yield Lake(server, project, bucket)
    server.fail({})
