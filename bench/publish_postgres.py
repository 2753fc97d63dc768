"""What a publish to PostgreSQL costs: the rows of bench/publish.py, against a bare COPY of a ready file, and Spark's JDBC writer.

Starts a private server with the settings of one that is installed, and writes its table into bench/publish.md. The bare COPY reads a file
that is already sorted by key, checks nothing, and commits. Where Debian's `libpostgresql-jdbc-java` is installed, Spark's own JDBC writer
(two tasks, reWriteBatchedInserts) puts the same Parquet files into an empty table; its start-up does not count.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import publish as shared
from etlrun.connections.postgres import Postgres
from postgres.server import PostgresProcess

CONNECTOR = Path("/usr/share/java/postgresql.jar")
AS_INSTALLED = ("fsync=on", "full_page_writes=on", "shared_buffers=128MB")
MADE = (
    'CREATE TABLE plain ("Contract" text COLLATE "C" PRIMARY KEY, '
    + ", ".join(
        f'"{name}" {"bigint" if kind == "bigint" else "text"}' for name, kind in list(shared.DECLARED.items())[1:]
    )
    + ")"
)
CHUNK = 1 << 20


def bare(server: PostgresProcess, folder: Path) -> float:
    """COPY of the ready file, by psycopg itself."""
    started = time.monotonic()
    with server.connect("w") as connection, (folder / "ready.csv").open("rb") as rows, connection.transaction():
        connection.execute("DELETE FROM plain")
        with connection.cursor().copy("COPY plain FROM STDIN (FORMAT csv)") as copy:
            while chunk := rows.read(CHUNK):
                copy.write(chunk)
    return time.monotonic() - started


def elsewhere(what: str, folder: Path, port: int, run_id: str) -> list[float]:
    """What a process of its own measures."""
    program = [sys.executable, __file__, what, str(folder), str(port), run_id]
    return [
        float(part) for part in subprocess.run(program, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    ]


def publish_here(folder: str, port: str, run_id: str) -> None:
    """The product's publish: its seconds, and the most memory that the process had, in MB."""
    load = replace(shared.load_of(Path(folder)), run_id=run_id)
    url = f"postgresql://root@127.0.0.1:{port}/w"
    warehouse = Postgres(url, timeout=3600).open("warehouse", Path("/"), str, writing=True)
    started = time.monotonic()
    warehouse.publish(load)
    sys.stdout.write(f"{time.monotonic() - started} {shared.most_memory()}\n")
    warehouse.close()


def jdbc_here(folder: str, port: str, _: str) -> None:
    url = f"jdbc:postgresql://127.0.0.1:{port}/w?reWriteBatchedInserts=true"
    sys.stdout.write(f"{shared.jdbc_seconds(folder, url, CONNECTOR, 'org.postgresql.Driver')}\n")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="etlrun-bench-"))
    server = PostgresProcess(*AS_INSTALLED).start()
    try:
        shared.stage(folder)
        server.run("CREATE DATABASE w")
        seconds: dict[tuple[str, str], list[float]] = {}
        most, runs = [], itertools.count(1)
        for _ in range(shared.ROUNDS):
            server.run("DROP TABLE IF EXISTS plain, profile", MADE, database="w")
            for into in ("an empty table", "a table with as many rows"):
                found = {"bare": bare(server, folder)}
                found["copy"], memory = elsewhere("publish", folder, server.port, f"{next(runs):06}-run")
                most.append(memory)
                if into == "an empty table" and CONNECTOR.exists():
                    server.run("ALTER TABLE plain RENAME TO loaded", MADE, database="w")
                    (found["jdbc"],) = elsewhere("jdbc", folder, server.port, "")
                    server.run("DROP TABLE plain", "ALTER TABLE loaded RENAME TO plain", database="w")
                for how, took in found.items():
                    seconds.setdefault((into, how), []).append(took)
                    sys.stdout.write(f"{into}, {how}: {took:.1f} s\n")
                    sys.stdout.flush()
        assert server.run("SELECT COUNT(*) FROM profile", database="w") == [(shared.ROWS,)]
        ((version,),) = server.run("SHOW server_version")
        shared.write(f"PostgreSQL {version.split()[0]}, as it is installed", seconds, max(most), [], "COPY")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["publish"]:
        publish_here(*sys.argv[2:])
    elif sys.argv[1:2] == ["jdbc"]:
        jdbc_here(*sys.argv[2:])
    else:
        main()
