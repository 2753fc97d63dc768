"""A private PostgreSQL server, in a folder of its own, on a port of its own; it dies with the tests.

PostgreSQL refuses to run as root: there it runs as `nobody`, and the folder is nobody's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mysql.server import _die_with_us, free_port

ADMINISTRATOR = "root"
NOBODY = 65534
QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=64MB", "max_connections=50", "logging_collector=off")


def find_programs() -> Path:
    """The folder of the server's programs. Without one the tests fail and say how to get it."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))[::-1]
    folder = next((folder for folder in folders if (folder / "postgres").exists()), None)
    if folder is None:
        pytest.fail(
            "there is no PostgreSQL for these tests; on Debian: apt-get install --no-install-recommends postgresql",
            pytrace=False,
        )
    return folder


class PostgresProcess:
    """A server in a folder that is made for it."""

    def __init__(self, *settings: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="etlrun-pg-", dir="/tmp"))
        self.account: dict[str, Any] = {"user": NOBODY, "group": NOBODY} if os.getuid() == 0 else {}
        if self.account:
            os.chown(self.folder, NOBODY, NOBODY)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        programs = find_programs()
        command = [
            *(str(programs / "initdb"), "-D", str(self.folder / "data"), "-U", ADMINISTRATOR),
            *("-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        ]
        subprocess.run(command, check=True, capture_output=True, cwd=self.folder, **self.account)
        self.command = [
            *(str(programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)),
            *("-k", str(self.folder), "-h", "127.0.0.1"),
            *(part for setting in (*QUICK, *settings) for part in ("-c", setting)),
        ]

    def start(self) -> PostgresProcess:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.folder, preexec_fn=_die_with_us, **self.account
            )
        for _ in range(600):
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                if self.process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-3000:]) from None
                time.sleep(0.05)
            else:
                return self
        raise RuntimeError("PostgreSQL does not start")

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """A connection of an administrator."""
        return psycopg.connect(host="127.0.0.1", port=self.port, dbname=database, user=ADMINISTRATOR, autocommit=True)

    def run(self, *statements: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run statements as an administrator; gives the rows of the last."""
        with self.connect(database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def write(self, name: str, content: bytes) -> Path:
        """Write a file that the server may read, and nobody else."""
        path = self.folder / "data" / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self.account:
            os.chown(path, NOBODY, NOBODY)
        return path

    def kill(self) -> None:
        """SIGKILL, the processes of its sessions too: as if the machine had lost its power."""
        assert self.process is not None
        number = self.process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
        for process in (number, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)
