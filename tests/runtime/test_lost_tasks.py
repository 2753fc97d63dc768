"""Tasks of Spark's that are lost after their work, or run twice at once, leave the same rows as tasks that are not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clusters import MASTER, QUIET, WORKER, free_port, is_open, serving
from etlrun.engines._spark.recorded_start import start_option
from object_server import object_server
from projects import Project, wait_for

HOSTS = ("127.0.0.1", "127.0.0.2")  # Spark runs a task a second time on another host only
LONG = 120.0  # seconds that nothing here should take
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}  # to a store, which executors have of their own
FILES, ROWS, SHOPS = 50, 2_000, 1_500
SPEC = """
sources:
  sales: {parquet: {path: sales, columns: {shop: string, units: bigint, price: double}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: [shop], columns: {units: sum(units), n: count(*), dearest: max(price)}}
  dear:
    - from: sales
    - derive: {twice: price * 2}
sinks:
  totals:
    table: {from: totals, connection: warehouse, key: [shop], write: replace}
  dear:
    table: {from: dear, connection: warehouse, key: [units], write: replace}
"""
TEXTS = SPEC.replace("parquet: {path: sales,", "csv: {path: s3://lake/sales/*.csv,")
PROFILE = """
    engine:
      spark:
        master: "MASTER"
        memory: 512m
        conf:
          spark.executor.memory: 512m
          spark.executor.extraJavaOptions: "OPTIONS"
          spark.cores.max: 2
          spark.scheduler.minRegisteredResourcesRatio: 1.0  # no task before both executors are there
          spark.scheduler.maxRegisteredResourcesWaitingTime: 120s
          spark.eventLog.enabled: true
          spark.eventLog.dir: "EVENTS"
          spark.eventLog.compress: false
          spark.sql.files.maxPartitionBytes: 100000
          spark.sql.shuffle.partitions: 4
          spark.sql.adaptive.coalescePartitions.enabled: false
          spark.speculation: SPECULATION
    connections: {warehouse: {duckdb: warehouse.duckdb}}
"""


@dataclass(frozen=True)
class Cluster:
    """A standalone cluster of two workers of one core each, whose executors keep what they shuffle below `folder`."""

    folder: Path
    master: str
    workers: tuple[int, ...]

    def executors(self) -> list[int]:
        """The processes that run tasks."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
                is_executor = b"CoarseGrainedExecutorBackend" in (process / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent in self.workers and is_executor:
                found.append(int(process.name))
        return found

    def have_worked(self) -> bool:
        """Whether both executors hold rows for the next stage, of tasks that are done."""
        executors = {
            Path(folder).relative_to(self.folder).parts[2]
            for folder, _, names in os.walk(self.folder / "local")  # Spark may remove a folder meanwhile
            if any(name.startswith("shuffle_") and name.endswith(".data") for name in names)
        }
        return len(executors) == len(self.executors()) == len(HOSTS)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder, port = tmp_path_factory.mktemp("cluster"), free_port()
    master = f"spark://127.0.0.1:{port}"
    with ExitStack() as servers:
        servers.enter_context(serving(folder, MASTER, "--host", "127.0.0.1", "--port", str(port), *QUIET))
        wait_for(lambda: is_open(port), 60)
        workers = []
        for host in HOSTS:
            command = (
                WORKER,
                "--host",
                host,
                "--cores",
                "1",
                "--memory",
                "600m",
                "--work-dir",
                str(folder / "work"),
                *QUIET,
                master,
            )
            workers.append(
                servers.enter_context(
                    serving(
                        folder,
                        *command,
                        SPARK_LOCAL_IP=host,
                        SPARK_LOCAL_DIRS=str(folder / "local"),
                        **KEYS,
                    )
                ).pid
            )
        wait_for(
            lambda: (folder / "server.log").read_text().count("Successfully registered with master") == len(HOSTS), 60
        )
        yield Cluster(folder, master, tuple(workers))


@pytest.fixture
def project(tmp_path: Path, cluster: Cluster) -> Project:
    """A project with a hundred thousand rows in many files, and a profile of the cluster with an event log."""
    project = Project(tmp_path)
    (tmp_path / "events").mkdir()
    profiles = ""
    for name, speculation in (("cluster", "false"), ("speculating", "true")):
        text = (
            PROFILE.replace("MASTER", cluster.master)
            .replace("EVENTS", (tmp_path / "events").as_uri())
            .replace("SPECULATION", speculation)
            .replace("OPTIONS", start_option(""))
        )
        profiles += f"  {name}:{text}"
    project.write("etlrun.yaml", (tmp_path / "etlrun.yaml").read_text() + profiles)
    (tmp_path / "sales").mkdir()
    for number in range(FILES):
        first = range(number * ROWS, (number + 1) * ROWS)
        rows = {
            "shop": [f"shop {row % SHOPS}" for row in first],
            "units": list(first),
            "price": [row / 7 for row in first],
        }
        pq.write_table(pa.table(rows), tmp_path / f"sales/{number:03}.parquet")
    project.pipeline(SPEC)
    return project


def events(project: Project) -> list[dict[str, Any]]:
    """What Spark has told of the jobs so far."""
    lines = [
        line
        for path in (project.folder / "events").rglob("*")
        if path.is_file()
        for line in path.read_text().splitlines(keepends=True)
    ]
    return [json.loads(line) for line in lines if line.endswith("\n") and line.startswith("{")]


def published(project: Project) -> tuple[Any, ...]:
    """The rows of both tables, and their number and checksum as the ledger has them."""
    ledger = project.run("runs", "--json").json["ledger"]["warehouse"]
    return (
        project.table("totals"),
        project.table("dear"),
        sorted((entry["table"], entry["rows"], entry["checksum"]) for entry in ledger),
    )


def expected(project: Project) -> tuple[Any, ...]:
    """What a run without any disturbance publishes, on another engine; the table is removed then."""
    result = project.run("pipelines/p.yaml", "-q")
    assert result.code == 0, result.err
    found = published(project)
    assert (len(found[0]), len(found[1])) == (SHOPS, FILES * ROWS)
    (project.folder / "warehouse.duckdb").unlink()
    return found


@contextmanager
def running(project: Project, profile: str) -> Iterator[subprocess.Popen[str]]:
    """The run, with its own JVM; it ends with the block."""
    process = project.start("pipelines/p.yaml", "-q", "--profile", profile, SPARK_LOCAL_IP="127.0.0.1")
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_executors_that_are_killed_after_their_work_change_no_row(project: Project, cluster: Cluster) -> None:
    wanted = expected(project)
    with running(project, "cluster") as process:
        wait_for(cluster.have_worked, LONG)
        os.kill(cluster.executors()[0], signal.SIGKILL)
        wait_for(lambda: any(project.folder.glob(".etlrun/runs/*/stage/dear/_temporary/0/task_*/*.parquet")), LONG)
        os.kill(cluster.executors()[0], signal.SIGKILL)
        assert not any(project.folder.glob(".etlrun/runs/*/stage/dear/_SUCCESS"))
        _, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert published(project) == wanted
    reasons = Counter(
        event["Task End Reason"]["Reason"] for event in events(project) if event["Event"] == "SparkListenerTaskEnd"
    )
    assert reasons["Resubmitted"] + reasons["ExecutorLostFailure"] > 0, reasons  # which of them: a matter of moments
    assert len([event for event in events(project) if event["Event"] == "SparkListenerExecutorRemoved"]) == 2


def test_tasks_that_run_twice_at_once_change_no_row(project: Project, cluster: Cluster) -> None:
    wanted = expected(project)

    def is_doubled() -> bool:
        return any(
            event["Event"] == "SparkListenerTaskEnd" and event["Task Info"]["Speculative"] for event in events(project)
        )

    with running(project, "speculating") as process:
        wait_for(cluster.have_worked, LONG)
        slow = cluster.executors()[0]
        os.kill(slow, signal.SIGSTOP)
        try:
            wait_for(is_doubled, LONG)
        finally:
            os.kill(slow, signal.SIGCONT)
        _, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert published(project) == wanted


def test_an_executor_that_is_killed_while_it_reads_objects_changes_no_row(
    project: Project, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    settings = (
        (project.folder / "etlrun.yaml").read_text().replace("      spark:\n", "      spark:\n        read: tasks\n")
    )
    project.pipeline(TEXTS)
    with object_server() as server:
        server.make_bucket("lake")
        store = f"{{endpoint: '{server.url}', region: us-east-1, access_key: '${{LAKE_KEY}}', secret_key: '${{LAKE_SECRET}}'}}"
        project.write("etlrun.yaml", f"storage: {{s3://lake: {{s3: {store}}}}}\n{settings}")
        for number in range(FILES):
            rows = range(number * ROWS, (number + 1) * ROWS)
            text = "".join(f"shop {row % SHOPS},{row},{row / 4}\n" for row in rows)
            server.put("lake", f"sales/{number:03}.csv", f"shop,units,price\n{text}".encode())
        wanted = expected(project)
        server.log()
        server.fail({"sales/0": "slow"})
        with running(project, "cluster") as process:
            wait_for(lambda: any(asked.startswith("GET /lake/sales/") for asked in server.log()), LONG)
            os.kill(cluster.executors()[0], signal.SIGKILL)
            server.fail({})
            _, err = process.communicate(timeout=LONG)
    assert process.returncode == 0, err
    assert published(project) == wanted
    removed = [event for event in events(project) if event["Event"] == "SparkListenerExecutorRemoved"]
    assert len(removed) == 1
