"""A private MariaDB or MySQL server, in a folder of its own, on a port of its own; it dies with the tests.

`ETLRUN_TEST_MYSQLD` names the program of a MySQL or MariaDB server to use instead of the MariaDB that is installed.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pymysql
import pytest

VARIABLE = "ETLRUN_TEST_MYSQLD"
FOLDERS = (
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/libexec",
    "/usr/local/opt/mariadb/bin",
    "/opt/homebrew/opt/mariadb/bin",
)
QUICK = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-data-file-path=ibdata1:10M:autoextend",
    "--innodb-doublewrite=0",
)
SETTINGS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--local-infile=1",
    "--innodb-buffer-pool-size=128M",
    "--max-allowed-packet=64M",
    "--character-set-server=utf8mb4",
    "--lower-case-table-names=0",
)
ONLY_MYSQL = ("--mysqlx=OFF", "--secure-file-priv=NULL")
ADMINISTRATOR = (
    "root@'127.0.0.1'"  # without names of hosts, the `root@localhost` of MySQL comes through the socket only
)
SYSTEM_TABLES = ("system_tables", "performance_tables", "system_tables_data")


def find_program() -> str:
    """The server's program. Without one the tests fail and say how to get it."""
    given = os.environ.get(VARIABLE)
    if given:
        return given
    found = next(
        (
            path
            for folder in (*os.environ.get("PATH", "").split(os.pathsep), *FOLDERS)
            if (path := Path(folder) / "mariadbd").exists()
        ),
        None,
    )
    if found is None:
        pytest.fail(
            "there is no mariadbd for these tests; on Debian: apt-get install --no-install-recommends mariadb-server-core",
            pytrace=False,
        )
    return str(found)


@functools.cache
def is_mysql() -> bool:
    """Whether the program is Oracle's MySQL."""
    return b"MariaDB" not in subprocess.run([find_program(), "--version"], capture_output=True, check=True).stdout


class Server:
    """A server in `folder`, whose path must be short: a socket's path has at most 107 characters."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.settings = settings
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Write the system's tables."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if is_mysql():
            self._make_mysql()
        else:
            self._make_mariadb()

    def _make_mysql(self) -> None:
        accounts = self.folder / "accounts.sql"
        accounts.write_text(f"CREATE USER {ADMINISTRATOR};\nGRANT ALL ON *.* TO {ADMINISTRATOR} WITH GRANT OPTION;\n")
        command = [
            find_program(),
            "--no-defaults",
            *_as_root(),
            "--initialize-insecure",
            f"--datadir={self.data}",
            f"--init-file={accounts}",
            *ONLY_MYSQL,
            *QUICK,
        ]
        _run(command)

    def _make_mariadb(self) -> None:
        self.data.mkdir()
        share = Path(find_program()).resolve().parents[1] / "share"
        texts = ["create database if not exists mysql;\nuse mysql;\nSET @auth_root_socket=NULL;\n"]
        for table in SYSTEM_TABLES:
            places = [
                share / folder / f"{prefix}_{table}.sql"
                for folder in ("mysql", "mariadb")
                for prefix in ("mariadb", "mysql")
            ]
            texts.append(next(place for place in places if place.exists()).read_text())
        command = [
            find_program(),
            "--no-defaults",
            "--bootstrap",
            *_as_root(),
            f"--datadir={self.data}",
            f"--tmpdir={self.data}",
            "--log-warnings=0",
            "--enforce-storage-engine=",
            "--max-allowed-packet=8M",
            "--net-buffer-length=16K",
            *QUICK,
            redo_log(64),
        ]
        _run(command, "".join(texts))

    def copy(self, folder: Path, settings: Sequence[str] = ()) -> Server:
        """A server of the same content, not started yet. This one must be stopped."""
        other = Server(folder, settings)
        folder.mkdir(parents=True)
        shutil.copytree(self.data, other.data)
        return other

    def start(self) -> Server:
        self.port = self.port or free_port()
        command = [
            find_program(),
            "--no-defaults",
            *_as_root(),
            f"--datadir={self.data}",
            f"--socket={self.folder / 's'}",
            f"--port={self.port}",
            f"--pid-file={self.folder / 'pid'}",
            f"--log-error={self.folder / 'log'}",
            f"--tmpdir={self.folder}",
            *QUICK,
            redo_log(64),
            *(ONLY_MYSQL if is_mysql() else ()),
            *SETTINGS,
            *self.settings,
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_die_with_us
            )
        try:
            self._wait_for_it(self.process)
        except BaseException:
            self.stop()
            raise
        return self

    def _wait_for_it(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.connect().close()
            except pymysql.err.OperationalError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError((self.folder / "log").read_text()[-3000:]) from None
                time.sleep(0.02)

    def connect(self, database: str | None = None, **settings: Any) -> Any:
        """A connection of an administrator, in PyMySQL."""
        given = {
            "user": "root",
            "port": self.port,
            "ssl_disabled": True,
            "connect_timeout": 5,
            "autocommit": True,
            **settings,
        }
        return pymysql.connect(host="127.0.0.1", database=database, charset="utf8mb4", **given)

    def run(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as an administrator; gives the rows of the last."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL: as if the machine had lost its power."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def redo_log(megabytes: int) -> str:
    """The setting that gives the server a redo log of this size."""
    return f"--innodb-redo-log-capacity={megabytes}M" if is_mysql() else f"--innodb-log-file-size={megabytes}M"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _run(command: list[str], detail: str = "") -> None:
    """Run a program to its end. One that fails is told with what it wrote."""
    done = subprocess.run(command, check=False, input=detail, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed ({done.returncode}): {done.stderr[-3000:]}")


def _as_root() -> list[str]:
    return ["--user=root"] if os.getuid() == 0 else []


def _die_with_us() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
