"""Starts a Spark session: classic or Connect, without console noise, and with the settings that statements rely on."""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etlrun.contracts.engine import Workspace
from etlrun.engines._java import provide_java
from etlrun.engines._spark.application import end_session, new_session
from etlrun.engines._spark.errors import first_line
from etlrun.engines._spark.hiding import handed_over, redaction
from etlrun.engines._spark.lost import TRIES, set_retries, silence
from etlrun.engines._spark.recorded_start import start_option
from etlrun.engines._spark.session import SparkSessionAtWork
from etlrun.engines._spark.shipping import send_packages, with_packages
from etlrun.engines._spark.staged_files import BROADCAST
from etlrun.failures import RunFailure
from etlrun.language.dialects import SPARK_SETTINGS
from etlrun.stopping import cancelling

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# The settings on which the meaning of statements relies; a profile cannot override them.
RULES = {
    **SPARK_SETTINGS,
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.sql.runSQLOnFiles": "false",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # for files that do not name their calendar
    "spark.sql.parquet.int96RebaseModeInRead": "CORRECTED",
    "spark.sql.legacy.parquet.nanosAsLong": "true",
}
# Settings that must be set before a session starts: text of a specification must not reach Java classes or the log.
AT_START = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.reflect.allowList": "a^",
    "spark.redaction.regex": "(?i)secret|pass|token|key|credential|url",
    "spark.sql.catalogImplementation": "in-memory",
}

CONNECT_PORT, KNOCK_SECONDS = 15002, 10.0
LOG = "spark.log"
LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}  # a local driver needs no network


def start_session(
    workspace: Workspace,
    master: str,
    remote: str,
    memory: str,
    java: str,
    packages: str,
    settings: Mapping[str, str],
    secrets: Mapping[str, str],
) -> SparkSessionAtWork:
    """Start a session on Spark Connect (`remote`, or SPARK_REMOTE) or on a master. Raises RunFailure.

    `secrets` are settings that came from the environment.
    """
    remote = remote or os.environ.get("SPARK_REMOTE", "")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    for chatter in (
        "SQLQueryContextLogger",
        "DataFrameQueryContextLogger",
    ):  # otherwise each analysis error has ten kilobytes of stack trace
        logging.getLogger(chatter).setLevel(logging.CRITICAL + 1)
    if workspace.area:
        settings = {**BROADCAST, **settings}
    if remote:
        spark = _connect(remote, {**settings, **secrets})
        if packages:
            send_packages(spark, packages)
        return SparkSessionAtWork(spark, is_classic=False, is_on_cluster=True, area=workspace.area)
    os.environ.update(provide_java(java))
    silence()
    if packages and not is_local(master, remote):
        settings = with_packages(packages, settings)
    start = partial(_start_classic, workspace, master, memory, java, settings, secrets)
    spark = new_session(start, workspace.folder / LOG)
    is_on_cluster = not is_local(master, remote)
    return SparkSessionAtWork(spark, is_classic=True, end=end_session, is_on_cluster=is_on_cluster, area=workspace.area)


def _connect(remote: str, settings: Mapping[str, str]) -> SparkSession:
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    _knock(remote)
    try:
        spark = SparkSession.builder.remote(remote).create()
        set_retries(spark, TRIES)
        with warnings.catch_warnings():  # a server warns about every setting that should not be changed
            warnings.simplefilter("ignore")
            for key, value in {**settings, **RULES}.items():
                _set(spark, key, value)
    except (ImportError, PySparkException) as error:
        missing = isinstance(error, ImportError) or "PACKAGE_NOT_INSTALLED" in str(error)
        if missing:
            detail = f"Spark Connect needs more packages ({first_line(error)})"
            raise RunFailure("engine", "connect-missing", detail, "pip install 'etlrun[connect]'") from error
        raise _unreachable(remote, first_line(error)) from error
    return spark


def _set(spark: SparkSession, key: str, value: str) -> None:
    """Set a setting. Raises RunFailure if the server refuses it."""
    from pyspark.errors import PySparkException

    try:
        spark.conf.set(key, value)
    except PySparkException as error:
        if "CONFIG" not in str(error.getCondition()):
            raise
        message = f"the Spark Connect server rejects the setting `{key}` ({first_line(error)})"
        fix = "set it when you start the server, and remove it from `conf`"
        raise RunFailure("engine", "engine-setting", message, fix) from error


def _knock(remote: str) -> None:
    """Raises RunFailure if nothing listens at the address: Spark's own client would try for minutes."""
    host, port = _address(remote)
    try:
        with socket.create_connection((host, port), KNOCK_SECONDS):
            return
    except OSError as error:
        raise _unreachable(remote, error.strerror or str(error)) from error


def _address(remote: str) -> tuple[str, int]:
    """Host and port of a URL. Raises RunFailure, without the URL, which may contain a token."""
    try:
        address = urlsplit(remote)
        return address.hostname or "", address.port or CONNECT_PORT
    except ValueError as error:
        raise RunFailure(
            "usage",
            "wrong-remote",
            "`remote` is not an address of a Spark Connect server",
            "write it as sc://HOST:PORT",
        ) from error


def _unreachable(remote: str, why: str) -> RunFailure:
    host, port = _address(remote)
    where = f"{host}:{port}"  # the rest may contain a token
    fix = "check the address, and that the server runs Spark 4"
    return RunFailure("engine", "engine-unreachable", f"no Spark Connect server answers at {where} ({why})", fix)


def _start_classic(
    workspace: Workspace, master: str, memory: str, java: str, settings: Mapping[str, str], secrets: Mapping[str, str]
) -> SparkSession:
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    given = bool(os.environ.get("PYSPARK_GATEWAY_PORT") or os.environ.get("MASTER"))
    builder = SparkSession.builder.appName("etlrun")
    where = master or ("" if given else "local[*]")
    if where:
        builder = builder.master(where)
    local = {"spark.driver.memory": memory, **_local(where)} if where.startswith("local") else {}
    log = workspace.folder / LOG
    options = f"-Dlog4j2.configurationFile={_logging(workspace.folder, log).as_uri()} {start_option(java)}"
    quiet = {"spark.driver.extraJavaOptions": options.rstrip()}
    shown = {name: value for name, value in {**local, **quiet, **settings}.items() if name not in secrets}
    rules = {**AT_START, "spark.redaction.regex": redaction(AT_START["spark.redaction.regex"], secrets), **RULES}
    hidden = {name: value for name, value in secrets.items() if name not in rules}
    try:
        with handed_over(hidden, workspace.fleeting) as handed, _noise_to(log), _ended_by_signals():
            return builder.config(map={**shown, **handed, **rules}).getOrCreate()
    except (PySparkException, Py4JError, OSError) as error:
        raise RunFailure(
            "engine", "engine-unreachable", f"Spark does not start ({first_line(error)})", f"see {log}"
        ) from error


def _local(master: str) -> dict[str, str]:
    """Settings for a driver that runs all tasks itself: it also lists the files itself, because a job with a task for each takes longer."""
    listed = {"spark.sql.sources.parallelPartitionDiscovery.threshold": "10000"}
    return {"spark.sql.shuffle.partitions": str(2 * _cores(master)), **listed, **LOOPBACK}


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """In this block, a signal ends the JVM that is starting: alone, it would notice only after its start that nobody waits for it."""
    before = _children()
    with cancelling(lambda: _kill(_children() - before)):
        yield


def _children() -> set[int]:
    """The child processes of this one, if the system lists them."""
    found: set[int] = set()
    for listed in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # the thread has ended
            found.update(map(int, listed.read_text(encoding="ascii").split()))
    return found


def _kill(processes: set[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def is_local(master: str, remote: str) -> bool:
    """Whether the executors are on this machine, inside the JVM of the driver."""
    if remote or os.environ.get("SPARK_REMOTE"):
        return False
    given = bool(os.environ.get("PYSPARK_GATEWAY_PORT") or os.environ.get("MASTER"))
    return (os.environ.get("MASTER", "") if given and not master else master or "local").startswith("local")


def _cores(master: str) -> int:
    found = re.match(r"local\[(\d+)", master)
    return int(found.group(1)) if found else len(os.sched_getaffinity(0))


def _logging(folder: Path, log: Path) -> Path:
    path = folder / "log4j2.properties"
    path.write_text(LOGGING.format(log=_property(str(log))), encoding="ascii")
    return path


def _property(value: str) -> str:
    """A value escaped for Java properties and for the logger's variables."""
    return "".join(
        character if character.isascii() and (character.isalnum() or character in "/._-") else _unicode(character)
        for character in value.replace("$", "$$")
    )


def _unicode(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


LOGGING = """rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
appender.file.type = File
appender.file.name = file
appender.file.fileName = {log}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{HH:mm:ss}} %p %c{{1}}: %m%n%ex{{3}}
logger.query.name = SQLQueryContextLogger
logger.query.level = off
logger.frame.name = DataFrameQueryContextLogger
logger.frame.level = off
"""


@contextmanager
def _noise_to(log: Path) -> Iterator[None]:
    """In this block, the standard error of the starting JVM goes to a file."""
    sys.stderr.flush()
    kept = os.dup(2)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.dup2(target, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(target)
