"""The two engines that tests run statements on, and cases that run on both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sessions import start_spark

# Files that take longest come first: one that comes last would run alone, while the other process has nothing to do.
LONGEST = (
    "runtime/test_clusters.py",
    "contracts/test_pointer_contract.py",
    "contracts/test_faults_contract.py",
    "runtime/test_failures.py",
    "runtime/test_lost_tasks.py",
    "runtime/test_signals.py",
    "tpch/test_tpch.py",
    "language/test_conformance.py",
    "contracts/test_step_contract.py",
    "contracts/test_connection_contract.py",
    "runtime/test_enrichment.py",
    "runtime/test_interaction.py",
    "stores/test_store_faults.py",
    "stores/test_cluster_without_disk.py",
    "stores/test_staging_in_stores.py",
    "stores/test_store_kills.py",
    "mysql/test_kills.py",
    "mysql/test_locks.py",
    "mysql/test_kinds_of_failure.py",
    "mysql/test_pipelines.py",
    "test_package.py",
    "test_readme.py",
    "signals/test_sweep.py",
    "reading/test_read_everywhere.py",
)
TESTS = Path(__file__).parent

# Every JVM compiles with its quick compiler only: the thorough one costs as much again, and no test runs long enough to gain by it.
os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")
# The machine decides how long an example takes; it must not decide what a test says.
settings.register_profile("etlrun", deadline=None, derandomize=True)
settings.load_profile("etlrun")
pytest.register_assert_rewrite("asked", "cases", "projects", "running", "tables")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {TESTS / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One Spark session for all tests."""
    session = start_spark()
    yield session
    session.stop()


@pytest.fixture
def duck() -> Iterator[Any]:
    """A DuckDB database in memory, new for each test."""
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("set TimeZone = 'UTC'")
    yield connection
    connection.close()


@pytest.fixture
def case(spark: Any, duck: Any, tmp_path: Path) -> Any:
    """Runs a pipeline of literal rows on both engines: `case.gives(steps, rows)`."""
    from cases import Case

    return Case(spark, duck, tmp_path)
