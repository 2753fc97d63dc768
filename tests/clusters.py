"""Servers of Spark's own: a Connect server, or the master and the workers of a standalone cluster."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyspark

from etlrun.engines._java import provide_java
from etlrun.engines._spark.recorded_start import start_option
from projects import wait_for

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
MASTER, WORKER = "org.apache.spark.deploy.master.Master", "org.apache.spark.deploy.worker.Worker"
CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"
QUIET = ("--webui-port", "0")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def connect_server(folder: Path) -> Iterator[str]:
    """The address of a Spark Connect server, for as long as the block lasts."""
    port = free_port()
    settings = {
        "spark.connect.grpc.binding.port": port,
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": start_option(""),
    }
    given = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    with serving(
        folder,
        "org.apache.spark.deploy.SparkSubmit",
        "--class",
        CONNECT,
        "--master",
        "local[2]",
        *given,
        "spark-internal",
    ):
        wait_for(lambda: is_open(port), 120)
        yield f"sc://127.0.0.1:{port}"


@contextmanager
def serving(folder: Path, *command: str, user: str | None = None, **given: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of Spark's for as long as the block lasts, which may be another user's; its words go to a file."""
    environment = {
        **os.environ,
        **provide_java(),
        "SPARK_DAEMON_JAVA_OPTS": "" if user else start_option(""),  # another user cannot open the record
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        **given,
    }
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [str(SPARK_CLASS), *command],
            env=environment,
            cwd=folder,
            user=user,
            group=user and pwd.getpwnam(user).pw_gid,
            extra_groups=user and [],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):  # a test has killed it
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
