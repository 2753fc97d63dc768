"""The two engines that tests run statements on, and cases that run on both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from sessions import start_spark

# The machine decides how long an example takes; it must not decide what a test says.
settings.register_profile("etlrun", deadline=None, derandomize=True)
settings.load_profile("etlrun")
pytest.register_assert_rewrite("asked", "cases", "projects", "running", "tables")


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
