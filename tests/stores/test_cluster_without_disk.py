"""A cluster whose machines share no disk, which is shown by rights: the rows of DuckDB, also if a worker is killed, and what `etlrun doctor` says there."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_projects import Lake, new_lake
from test_parts_in_stores import TOTALS, raw_reads
from test_staging_in_stores import SPEC, left_in_runs, published, with_rows

from apart import DRIVER, WORKERS, Apart, ApartProject, apart_cluster, can_open, python_of_all, why_not
from object_server import ObjectServer
from projects import wait_for

_PROFILE = '{}: {{engine: {{spark: {{master: "{}", read: {}, conf: {{spark.executor.memory: 600m, spark.executor.extraJavaOptions: "{}"{}}}}}}}, connections: {{warehouse: {{duckdb: apart.duckdb}}, CATALOG}}}}'


def profile_of(cluster: Apart, name: str, read: str, conf: str = "") -> str:
    """A profile of Spark on the cluster; `conf` is more of its settings, after a comma."""
    return _PROFILE.format(name, cluster.master, read, cluster.record, conf)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Apart]:
    if why_not():
        pytest.skip(why_not())
    with apart_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def shop(server: ObjectServer, cluster: Apart) -> Lake:
    """A project of the user of the driver."""
    profiles = (
        profile_of(cluster, "apart", "tasks"),
        profile_of(cluster, "kept", "tasks").replace("connections:", "parts: {keep: 40d}, connections:"),
        profile_of(cluster, "bare", "driver", ", spark.executorEnv.PYTHONPATH: /nowhere"),
    )
    lake = new_lake(server, cluster.folder / DRIVER, "without-disk", ApartProject)
    return with_rows(lake, ", ".join(profiles))


def test_no_user_can_open_the_folder_of_another(cluster: Apart) -> None:
    users = (DRIVER, *WORKERS)
    opened = {(user, other) for user in users for other in users if can_open(user, cluster.folder / other)}
    assert opened == {(user, user) for user in users}


def test_rows_are_those_of_duckdb_also_if_a_worker_is_killed(shop: Lake, cluster: Apart) -> None:
    expected = published(shop, "fast")
    shop.server.log()
    shop.server.fail({"/stage/joined": "slow"})
    killing = threading.Thread(target=kill_at_upload, args=(shop, cluster))
    killing.start()
    found = published(shop, "apart")
    killing.join()
    assert len(cluster.workers) == 1
    assert found == expected
    assert left_in_runs(shop) == {"run.json", "inputs.json", "quarantine/s.jsonl"}
    assert not list((cluster.folder / DRIVER / ".etlrun").rglob("*.parquet"))
    cluster.start_worker(WORKERS[-1])


def kill_at_upload(lake: Lake, cluster: Apart, relation: str = "joined") -> None:
    """Kill a worker as soon as one uploads rows of a relation."""
    wait_for(lambda: any("PUT" in line and f"/stage/{relation}/" in line for line in lake.server.log()), 200)
    cluster.kill_worker()


def test_a_worker_reads_only_new_files(shop: Lake, cluster: Apart) -> None:
    shop.server.age(shop.bucket, 3600)
    path = shop.project.pipeline(TOTALS.replace("BUCKET", shop.bucket), "totals")
    rows = []
    for profile, reads in (("fast", 3), ("kept", 3), ("kept", 0)):
        shop.server.log()
        done = shop.run(path, "--profile", profile)
        assert done.code == 0, done.err
        assert len(raw_reads(shop)) == reads
        rows.append((shop.project.folder / "out.csv").read_text())
    assert rows == rows[:1] * 3
    assert not list((cluster.folder / DRIVER / ".etlrun").rglob("*.parquet"))


def test_doctor_tries_what_executors_need(shop: Lake, cluster: Apart) -> None:
    shop.project.pipeline(SPEC.replace("BUCKET", shop.bucket))
    able = shop.run("doctor", "--profile", "apart")
    assert f"executors: they can read files like this machine and write to s3://{shop.bucket}/runs: " in able.out, (
        able.out
    )
    assert not any(name.startswith(".etlrun") for name in left_in_runs(shop, whole=True))


def test_a_cluster_that_lacks_a_package_is_named_by_doctor_and_by_a_run(shop: Lake, cluster: Apart) -> None:
    lacking = bare_python(cluster.folder / "bare")
    examined = shop.project.run("doctor", "--profile", "bare", PYSPARK_PYTHON=lacking)
    assert examined.code == 1, examined.out
    assert (
        "TROUBLE  executors: an executor cannot read files like this machine: the package pyarrow is missing"
        in examined.out
    )
    path = shop.project.pipeline(SPEC.replace("BUCKET", shop.bucket))
    result = shop.project.run("run", path, "-q", "--profile", "bare", PYSPARK_PYTHON=lacking)
    assert result.code == 1
    assert (
        "worker-mismatch: an executor cannot read files like this machine: the package pyarrow is missing" in result.err
    )
    assert "Traceback" not in result.err and "read: driver" not in result.err


def bare_python(folder: Path) -> str:
    """A Python without packages that all users can start."""
    subprocess.run([python_of_all(), "-m", "venv", "--without-pip", str(folder)], check=True, timeout=120)
    return str(folder / "bin/python")
