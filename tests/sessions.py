"""The Spark session of the tests, set as the product sets its own: ANSI, UTC, timestamps without a zone."""

from __future__ import annotations

import os
import sys
from typing import Any

from etlrun.engines._java import provide_java
from etlrun.engines._spark.recorded_start import start_option


def start_spark() -> Any:
    """A session in this process, on two cores."""
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
        "spark.driver.extraJavaOptions": start_option(""),
    }
    builder = SparkSession.builder.master("local[2]").appName("etlrun tests")
    for name, value in settings.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session
