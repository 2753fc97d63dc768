"""The two engines that tests run statements on, and cases that run on both."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from etlrun.engines._java import provide_java

# The machine decides how long an example takes; it must not decide what a test says.
settings.register_profile("etlrun", deadline=None, derandomize=True)
settings.load_profile("etlrun")
pytest.register_assert_rewrite("asked", "cases", "projects", "running", "tables")


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One Spark session for all tests, set as the product sets it: ANSI, UTC."""
    os.environ.update(provide_java(), PYSPARK_PYTHON=sys.executable)
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.timestampType": "TIMESTAMP_NTZ",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    builder = SparkSession.builder.master("local[2]").appName("etlrun tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
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
