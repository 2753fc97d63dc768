"""The Spark application of this process: one JVM and one context, in which every run has its own session.

Temporary views and settings are private to a session. The application ends with its last session, unless it is kept for later ones.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from etlrun.engines._spark.lost import connection_errors, in_touch
from etlrun.stopping import is_asked

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class _Application:
    """The session that started the application, and the users that keep it alive: sessions, and `kept` blocks."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    first: SparkSession | None = None
    log: Path = Path()
    sessions: int = 0
    keepers: int = 0

    def end_unless_needed(self) -> None:
        if not self.sessions and not self.keepers:
            _end()


_application = _Application()


@contextmanager
def kept() -> Iterator[None]:
    """In this block, the application stays alive after a session ends, for the next sessions."""
    with _application.lock:
        _application.keepers += 1
    try:
        yield
    finally:
        if _application.lock.acquire(blocking=not is_asked()):  # otherwise it is starting, and ends with this process
            try:
                _application.keepers -= 1
                _application.end_unless_needed()
            finally:
                _application.lock.release()


def new_session(start: Callable[[], SparkSession], log: Path) -> SparkSession:
    """A new session; `start` starts the application if there is none, or if it was lost.

    If it is started here, it writes to `log`; otherwise `log` becomes a link to its log file.
    """
    with _application.lock:
        if _application.first is None or not _is_alive(_application.first):
            _end()
            _application.first, _application.log = start(), log
        with in_touch():
            session = _application.first.newSession()
        _application.sessions += 1
        with suppress(OSError):  # a run with its folder on another disk has no log
            os.link(_application.log, log)
    return session


def end_session() -> None:
    """Release the application for a session of `new_session`."""
    with _application.lock:
        _application.sessions -= 1
        _application.end_unless_needed()


def _is_alive(spark: SparkSession) -> bool:
    """Whether the application still works: its JVM may be killed, or a cluster may have ended it."""
    context = spark.sparkContext._jsc
    with connection_errors():
        return context is not None and not context.sc().isStopped()
    return False


def _end() -> None:
    """End the application, and let PySpark forget a dead JVM, to which it would try to connect forever."""
    ending, _application.first = _application.first, None
    if ending is None:
        return
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    context = ending.sparkContext
    with connection_errors(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ending.stop()
    context.stop()  # the first call fails if the JVM does not answer; the second cleans up this process
    SparkSession._instantiatedSession = SparkSession._activeSession = None
    gateway = SparkContext._gateway
    if gateway is not None and gateway.proc.poll() is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        SparkContext._gateway = SparkContext._jvm = None
