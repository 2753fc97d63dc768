"""A database of its own for each test, on every kind of connection that is published to; and a process that publishes to it.

`python warehouses.py KIND KEYS FOLDER` publishes loads of literal rows, each in a child of its own, in which a fault point may be armed: a
line of JSON says which, and a line of JSON comes back.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
if __name__ == "__main__":
    sys.path.insert(0, str(TESTS))

from etlrun.contracts.connection import Connection, Database, Load, RowVersions  # noqa: E402 - the tests are no package that is installed
from etlrun.spec.registry import kinds  # noqa: E402
from etlrun.warehouse.database import Warehouse  # noqa: E402
from etlrun.warehouse.retry import RetryPolicy  # noqa: E402
from mysql.loads import COLUMNS, Rows, columns_of, make_load, many  # noqa: E402

STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), COALESCE(MIN(seconds), 0), COALESCE(MAX(seconds), 0) FROM profile"


@dataclass
class Target:
    """A database that is reached by a connection `kind` with some `keys`; `connect` gives a connection of Python's DB-API to it."""

    kind: str
    keys: dict[str, str]
    connect: Callable[[], Any]
    schema: Callable[[str], str]
    server: Any = None  # mysql.server.Server or postgres.server.PostgresProcess; a file has none
    pause: float | None = None  # seconds between two tries of a publish
    opened: list[Database] = field(default_factory=list)

    @property
    def place(self) -> str:
        """The database as messages name it."""
        return f"127.0.0.1:{self.server.port}, database `{self.name}`"

    @property
    def name(self) -> str:
        return self.keys["url"].rpartition("/")[2]

    def connection(self, account: str = "root", **keys: Any) -> Connection:
        """The connection of a profile, of an account `user` or `user:password`."""
        url = self.keys["url"].replace("//root@", f"//{account}@") if "url" in self.keys else ""
        given = {**self.keys, **({"url": url} if url else {}), **keys}
        connection: Connection = kinds("connections")[self.kind](**given)
        return connection

    def end_sessions(self) -> None:
        """End every other session of the database, from the server's side."""
        if self.kind == "mysql":
            for thread, database in self.run(
                "SELECT id, db FROM information_schema.processlist WHERE id <> CONNECTION_ID()"
            ):
                if database == self.name:
                    self.run(f"KILL {thread}")
        else:
            others = "datname = current_database() AND pid <> pg_backend_pid()"
            self.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {others}")

    def make_account(self, rights: str, *tables: str) -> str:
        """Make an account with rights on these tables, or on the whole schema; gives `user:password`."""
        user = f"u_{self.name}"
        if self.kind == "mysql":
            objects = [f"{self.name}.{table}" for table in tables or ("*",)]
            grants = [f"GRANT {rights} ON {each} TO {user}@'%'" for each in objects]
            self.run(f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'", *grants)
        else:
            grants = [f"GRANT {rights} ON {each} TO {user}" for each in tables or ("SCHEMA public",)]
            self.run(f"CREATE ROLE {user} LOGIN PASSWORD 'x1'", *grants)
        return f"{user}:x1"

    @classmethod
    def on(cls, server: Any, kind: str, name: str, keys: dict[str, str]) -> Target:
        """A database that is made on a server."""
        server.run(f"CREATE DATABASE {name}")
        scheme, schema = ("mysql", "DATABASE") if kind == "mysql" else ("postgresql", "SCHEMA")
        url = f"{scheme}://root@127.0.0.1:{server.port}/{name}"
        given = {"url": url, **keys}
        return cls(kind, given, lambda: server.connect(name), lambda made: f"CREATE {schema} {made}", server)

    def through(self, port: int, pause: float = 0.0) -> Target:
        """The same database by a line of which every break costs a pause only."""
        url = self.keys["url"].replace(f":{self.server.port}/", f":{port}/")
        return replace(self, keys={**self.keys, "url": url}, opened=[], pause=pause)

    def open(self) -> Database:
        """The database as a run opens it. DuckDB's is opened once for all: other connections share it."""
        if not self.opened or self.kind != "duckdb":
            self.opened.append(open_database(self.kind, self.keys))
        database = self.opened[-1]
        if self.pause is not None and isinstance(database, Warehouse):
            database._publisher.retry_policy = RetryPolicy(sleep=lambda _: time.sleep(self.pause or 0))
        return database

    def close(self) -> None:
        while self.opened:
            self.opened.pop().close()

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements beside etlrun; gives the rows of the last."""
        with self.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        if self.kind == "duckdb":
            yield self.open().connection.cursor()  # type: ignore[attr-defined]
            return
        connection = self.connect()
        try:
            yield connection.cursor()
        finally:
            connection.close()

    def rows(self, table: str = "profile") -> list[tuple[Any, ...]]:
        return sorted(self.run(f"SELECT * FROM {table}"), key=repr)

    def ledger(self) -> list[tuple[str, str, int]]:
        """Period, run and rows of every entry."""
        return sorted((entry.period, entry.run_id, entry.rows) for entry in self.open().entries())

    def state(self) -> tuple[Any, ...]:
        return self.run(STATE)[0]

    @contextmanager
    def publisher(self, folder: Path) -> Iterator[Callable[..., dict[str, Any]]]:
        """Inside, loads are published by other processes; gives the number of the signal that ended one, and what was published."""
        with publisher(self.kind, self.keys, folder) as publish_beside:

            def publish(fault: str = "", **load: Any) -> dict[str, Any]:
                self.close()
                return publish_beside(fault, **load)

            yield publish


class Watch:
    """Inside, a reader looks at the table all the time; `states` collects what it saw."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.states: set[tuple[Any, ...]] = set()
        self.errors: list[str] = []
        self.is_over = threading.Event()
        self.has_looked = threading.Event()
        target.open()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self.thread.start()
        assert self.has_looked.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()

    def _look(self) -> None:
        try:
            with self.target.cursor() as cursor:
                while not self.is_over.is_set():
                    cursor.execute(STATE)
                    self.states.add(tuple(cursor.fetchone()))
                    self.has_looked.set()
                    self.is_over.wait(0.001)
        except Exception as error:  # noqa: BLE001 - the test tells
            self.errors.append(str(error))
            self.has_looked.set()


@contextmanager
def publisher(kind: str, keys: dict[str, str], folder: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Inside, loads are published to a connection by other processes."""
    command = [sys.executable, __file__, kind, json.dumps(keys), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None

        def publish(fault: str = "", **load: Any) -> dict[str, Any]:
            process.stdin.write(json.dumps({"fault": fault, "load": load}) + "\n")
            process.stdin.flush()
            found: dict[str, Any] = json.loads(process.stdout.readline())
            return found

        yield publish
        process.stdin.close()


def open_database(kind: str, keys: dict[str, str]) -> Database:
    """The database of a connection, for writing."""
    opened: Database = kinds("connections")[kind](**keys).open("warehouse", Path("/"), str, writing=True)
    return opened


def many_load(folder: Path, *, rows: int, seconds: int, run_id: str) -> Load:
    """A load of contracts that all have the same `seconds`."""
    return make_load(folder, many("2022-04", rows, seconds), run_id=run_id)


def versions_load(
    folder: Path, rows: Rows, *, at: str, run_id: str, tracked: tuple[str, ...] = (), ends_missing: bool = False
) -> Load:
    """The state of contracts at a moment, for a table that keeps versions of them."""
    load = make_load(folder, rows, write="scd2", run_id=run_id)
    columns = columns_of({**COLUMNS, "valid_from": "timestamp", "valid_to": "timestamp", "is_current": "boolean"})
    history = RowVersions(load.key, tracked, f"TIMESTAMP '{at}'", ends_missing)
    return replace(load, columns=columns, key=(*load.key, "valid_from"), history=history)


def newer_load(folder: Path, rows: Rows, *, newer: str, run_id: str) -> Load:
    """Contracts to merge, of which only those take the place of others that are newer by the column `newer`."""
    return replace(make_load(folder, rows, write="merge", run_id=run_id), newer=newer)


def given_load(folder: Path, given: dict[str, Any]) -> Load:
    """The load that a test describes; `publish` and `keep` say how it is published."""
    if "at" in given:
        return versions_load(folder, **given)
    if "newer" in given:
        return newer_load(folder, **given)
    more = {key: given.pop(key) for key in ("publish", "keep") if key in given}
    return replace(many_load(folder, **given), **more)


def main(kind: str, keys: str, folder: str) -> None:
    for loaded_once in ("pandas", f"etlrun.connections._{kind}.server", f"etlrun.connections.{kind}"):
        importlib.import_module(loaded_once)
    for line in sys.stdin:
        wanted = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if not child:
            os.environ["ETLRUN_FAULT"] = wanted["fault"]
            database = open_database(kind, json.loads(keys))
            published = database.publish(given_load(Path(folder), wanted["load"]))
            database.close()
            os.write(write, json.dumps(asdict(published)).encode())
            os._exit(0)
        os.close(write)
        status = os.waitpid(child, 0)[1]
        detail = os.read(read, 1000).decode()
        os.close(read)
        sys.stdout.write(json.dumps({"signal": os.WTERMSIG(status), "published": json.loads(detail or "null")}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
