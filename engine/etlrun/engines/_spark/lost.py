"""The process of Spark that went away while it was wanted: killed, out of memory, crashed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from etlrun.engines._spark.errors import first_line
from etlrun.failures import RunFailure
from etlrun.spec.engine import StatementError


def lost_errors() -> tuple[type[Exception], ...]:
    """What py4j raises, at whichever call, once nobody answers it."""
    from py4j.protocol import Py4JError

    return Py4JError, ConnectionError


@contextmanager
def in_touch() -> Iterator[None]:
    """Raises StatementError for an error that Java tells of, and RunFailure where Java tells nothing any more."""
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as error:
        raise StatementError("engine", first_line(error)) from error
    except lost_errors() as error:
        said = f"Spark's own process ended, or cannot be reached any more ({first_line(error)})"
        fix = "look whether the system was short of memory (`memory:` of the profile's engine), and into spark.log of the run's folder"
        raise RunFailure("engine", "engine-lost", said, fix) from error


def hush() -> None:
    """Keep py4j from writing tracebacks, through the root logger, of errors that it raises as well."""
    logging.getLogger().addFilter(_is_of_others)


def _is_of_others(record: logging.LogRecord) -> bool:
    return "py4j" not in record.pathname.replace("\\", "/").split("/")
