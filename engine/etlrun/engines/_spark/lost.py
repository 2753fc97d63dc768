"""Detects that Spark's process or server was lost: killed, out of memory, unreachable."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from etlrun.engines._spark.errors import first_line
from etlrun.failures import RunFailure

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TRIES, FEW_TRIES = (
    7,
    3,
)  # two minutes, and one second: each waits four times as long as the one before, a minute at most


def is_lost(error: Exception) -> bool:
    """Whether an error is about the connection to Spark, not an error that Spark reports."""
    from py4j.protocol import Py4JError, Py4JJavaError

    is_of_java = isinstance(error, (Py4JError, ConnectionError)) and not isinstance(error, Py4JJavaError)
    return is_of_java or "StatusCode.UNAVAILABLE" in str(error)


@contextmanager
def in_touch() -> Iterator[None]:
    """In this block, a lost Spark raises RunFailure; errors that Spark reports are raised unchanged."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, ConnectionError, PySparkException) as error:
        if not is_lost(error):
            raise
        if isinstance(error, PySparkException):
            raise _lost(
                "the Spark Connect server can no longer be reached",
                "check that it runs, then run again; its data of this run is lost",
            ) from error
        fix = "check the memory of the machine (`memory:` of the profile's engine), and read spark.log in the folder of the run"
        raise _lost(f"the process of Spark ended ({first_line(error)})", fix) from error


def _lost(message: str, fix: str) -> RunFailure:
    return RunFailure("engine", "engine-lost", message, fix)


@contextmanager
def connection_errors() -> Iterator[None]:
    """For calls without an answer, such as ending a session: a lost connection is ignored."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    with suppress(Py4JError, ConnectionError, PySparkException):
        yield


def set_retries(spark: SparkSession, tries: int) -> None:
    """Set how often a session of Spark Connect tries to reach its server. Its default, 15 times, takes ten minutes per call."""
    from pyspark.sql.connect.client.retries import DefaultPolicy

    warnings.filterwarnings("ignore", message=r"\[RETRIES_EXCEEDED\]")
    spark.client.set_retry_policies([DefaultPolicy(max_retries=tries)])


def silence() -> None:
    """Keep py4j from logging tracebacks, through the root logger, of errors that it also raises."""
    logging.getLogger().addFilter(_is_of_others)


def _is_of_others(record: logging.LogRecord) -> bool:
    return "py4j" not in record.pathname.replace("\\", "/").split("/")
