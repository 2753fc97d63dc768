"""A standalone cluster of Spark whose machines share no disk: the driver and each worker are users of their own, and only its user can open a folder.

Only root can start programs as other users. They need a Python that they can read, of the version that runs the tests.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb

import etlrun
from clusters import MASTER, QUIET, WORKER, free_port, is_open, serving
from etlrun.engines._spark.recorded_start import start_option
from projects import Project, Result, wait_for

DRIVER, WORKERS = "nobody", ("daemon", "games")  # accounts that every Debian has
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}


def why_not() -> str:
    """Why programs of other users cannot be started here; empty if they can."""
    if os.geteuid() != 0:
        return "only root can start the machines of a cluster as users of their own"
    return "" if python_of_all() else "there is no Python of this version that other users can start"


@cache
def python_of_all() -> str:
    """A Python of this version that every user can start; empty if there is none."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for place in (sys.executable, shutil.which(name, path="/usr/bin:/usr/local/bin") or ""):
        if place and _starts(place):
            return place
    return ""


def _starts(python: str) -> bool:
    command = [python, "-c", "import pyspark, etlrun"]
    try:
        done = subprocess.run(
            command, env=environment_of(Path("/tmp")), cwd="/", user=DRIVER, capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def environment_of(home: Path) -> dict[str, str]:
    """The variables of a user's programs, who imports the packages of the tests."""
    packages = (Path(each).parent.parent for each in (duckdb.__file__, etlrun.__file__))
    inherited = {
        name: os.environ[name] for name in ("PATH", "JAVA_HOME", "JAVA_TOOL_OPTIONS", "LANG") if name in os.environ
    }
    return {**inherited, "HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": ":".join(map(str, packages))}


def folder_of(user: str, parent: Path) -> Path:
    """A new folder that only this user, and root, can open."""
    folder = parent / user
    folder.mkdir(mode=0o700)
    found = pwd.getpwnam(user)
    os.chown(folder, found.pw_uid, found.pw_gid)
    return folder


def can_open(user: str, folder: Path) -> bool:
    """Whether a user can list a folder."""
    return (
        subprocess.run(
            ["ls", str(folder)], user=user, group=user_group(user), extra_groups=[], capture_output=True, check=False
        ).returncode
        == 0
    )


def user_group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def copy_record(folder: Path) -> str:
    """The option by which Java starts with the recorded start of Spark, in a copy that every user can read; empty if there is none."""
    option, _, archive = start_option("").partition("=")
    if not archive:
        return ""
    copy = Path(shutil.copy(archive, folder))
    cache = folder / DRIVER / ".cache" / "etlrun"
    cache.mkdir(mode=0o700, parents=True)
    (cache / copy.name).hardlink_to(copy)
    for made in (cache, cache.parent):
        os.chown(made, pwd.getpwnam(DRIVER).pw_uid, -1)
    return f"{option}={copy}"


class ApartProject(Project):
    """A project of the user of the driver."""

    def start(self, *arguments: str, output: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[str]:  # type: ignore[override]
        return subprocess.Popen(
            [python_of_all(), "-m", "etlrun", *arguments],
            cwd=self.folder,
            env={
                **environment_of(self.folder),
                "PYSPARK_PYTHON": python_of_all(),
                "SPARK_LOCAL_IP": "127.0.0.1",
                **KEYS,
                **environment,
            },
            user=DRIVER,
            group=user_group(DRIVER),
            extra_groups=[],
            text=True,
            stdout=output,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, **environment: str) -> Result:  # type: ignore[override]
        with self.start(*arguments, **environment) as process:
            try:
                out, err = process.communicate(timeout=self.seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Result(process.returncode, out, err)


@dataclass
class Apart:
    """A running cluster: the URL of its master, and the folder that holds those of the users. Its workers can be killed, and others started."""

    master: str
    folder: Path
    stack: ExitStack
    record: str  # Java's option to start quickly
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self, user: str, **given: str) -> None:
        """Start a worker with one core; it has its keys for the store."""
        home = self.folder / user if (self.folder / user).exists() else folder_of(user, self.folder)
        places = {"SPARK_LOCAL_DIRS": str(home), "SPARK_WORKER_DIR": str(home / "work"), "SPARK_LOG_DIR": str(home)}
        command = (WORKER, "--host", "127.0.0.1", "--cores", "1", "--memory", "1g", *QUIET, self.master)
        environment = {**environment_of(home), **places, **KEYS, "SPARK_DAEMON_JAVA_OPTS": self.record, **given}
        self.workers.append(self.stack.enter_context(serving(home, *command, user=user, **environment)))

    def kill_worker(self) -> None:
        """Kill the worker that was started last, with its executors."""
        os.killpg(self.workers.pop().pid, signal.SIGKILL)


@contextmanager
def apart_cluster(users: tuple[str, ...] = WORKERS) -> Iterator[Apart]:
    """A master and a worker for each of these users."""
    with tempfile.TemporaryDirectory(prefix="etlrun-apart-") as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        folder.chmod(0o755)
        stack.enter_context(serving(folder, MASTER, "--host", "127.0.0.1", "--port", str(port), *QUIET))
        wait_for(lambda: is_open(port), 120)
        folder_of(DRIVER, folder)
        cluster = Apart(f"spark://127.0.0.1:{port}", folder, stack, copy_record(folder))
        for user in users:
            cluster.start_worker(user)
        yield cluster
