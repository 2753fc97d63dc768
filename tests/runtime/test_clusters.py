"""The same rows from a Spark Connect server and from a standalone cluster."""

from __future__ import annotations

import gzip
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
import test_spark_rules as rules

from clusters import MASTER, QUIET, WORKER, connect_server, free_port, is_open, serving
from mysql.proxy import Proxy
from projects import Project, wait_for

SPEC = """
sources:
  sales: {csv: {path: "sales*", columns: {shop: string not null, units: int}, max_bad_rows: 50%}}
  days: {parquet: {path: "days/{date:yyyyMMdd}", dates: "2022-04-01..2022-04-03", columns: {shop: string, n: bigint}}}
steps:
  totals:
    - from: sales
    - join: {with: days, on: [shop], how: left}
    - aggregate: {by: [shop], columns: {units: sum(units), n: sum(n), days: count(distinct date)}}
  doubled:
    - from: totals
    - python: {function: "mine:same", columns: {shop: string, units: bigint, n: bigint, days: bigint}}
    - python: {function: "each:named", mode: batches, where: executors, columns: {shop: string, units: bigint, n: bigint, days: bigint}}
sinks:
  doubled:
    table: {from: doubled, connection: warehouse, key: [shop], write: replace}
"""
# `etlrun`, which gives a server up after a second and not after two minutes.
IMPATIENT = "from etlrun.cli.main import main; from etlrun.engines._spark import starting; starting.TRIES = 3; main()"
EACH = """import pyarrow as pa


def named(batches):
    for batch in batches:
        yield batch.set_column(0, "shop", pa.array([f"{shop}!" for shop in batch["shop"].to_pylist()]))
"""
WAITING = """
import time
from pathlib import Path

HERE = Path(__file__).parent


def same(rows):
    (HERE / "begun").touch()
    while not (HERE / "cut").exists():
        time.sleep(0.05)
    return rows
"""


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one Connect server for all tests of this file."""
    with connect_server(tmp_path_factory.mktemp("connect")) as address:
        yield address


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose table was published by DuckDB, and whose profile `cluster` takes the address from the environment."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    project = Project(tmp_path)
    text = (tmp_path / "etlrun.yaml").read_text()
    clusters = "  connect: {engine: {spark: {read: tasks}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}\n"
    clusters += '  cluster: {engine: {spark: {master: "${MASTER_URL}", read: tasks}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}\n'
    project.write("etlrun.yaml", text + clusters)
    project.write("mine.py", "def same(rows):\n    return rows\n")
    project.write("each.py", EACH)
    project.write("sales.csv", "shop,units\nA,1\nA,2\nB,3\nHuế,\n")
    project.write("sales2.csv.gz", gzip.compress(b"shop,units\n\nC,7\nC,many\n"))
    for day in (1, 2, 3):
        folder = tmp_path / f"days/2022040{day}"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"shop": ["A", "B"], "n": [day, None]}), folder / "part a.parquet")
    result = project.run(project.pipeline(SPEC), "-q")
    assert result.code == 0, result.err
    return project


def quarantine_of_the_last_run(project: Project) -> str:
    return max(project.folder.glob(".etlrun/runs/*/quarantine/sales.jsonl")).read_text()


def test_spark_connect_gives_the_same_rows(project: Project, connect: str) -> None:
    expected, quarantine = project.table("doubled"), quarantine_of_the_last_run(project)
    result = project.run("pipelines/p.yaml", "--profile", "connect", "--json", SPARK_REMOTE=connect)
    assert quarantine_of_the_last_run(project) == quarantine
    project.write("sales.csv", "shop,units\nA,2147483647\nA,2147483647\n")
    text = SPEC.replace("units: sum(units)", "units: sum(units + units)")
    overflow = project.run(project.pipeline(text, "over"), "--profile", "connect", SPARK_REMOTE=connect)
    assert result.code == 0, result.err
    assert result.json["engine"] == "spark"
    assert project.table("doubled") == expected
    assert overflow.code == 1
    assert "over.yaml:10:" in overflow.err and ": overflow: " in overflow.err and "^^^" in overflow.err


def test_a_session_of_a_connect_server_opens_no_file(connect: str, tmp_path: Path) -> None:
    answers = rules.answers_of_a_session(tmp_path, remote=connect, conf={"spark.sql.runSQLOnFiles": "true"})
    refused = rules.run_a_session(tmp_path, {"remote": connect, "conf": rules.LOOSE}).stderr
    assert "rejects the setting `spark.sql.reflect.allowList`" in refused
    for statement in rules.files_below(tmp_path):
        assert answers[statement].startswith("[TABLE_OR_VIEW_NOT_FOUND]")
    assert "c4n4ry" not in "".join(answers.values())


def test_a_connect_server_that_is_not_there_is_one_line(project: Project) -> None:
    result = project.run("pipelines/p.yaml", "--profile", "connect", SPARK_REMOTE=f"sc://127.0.0.1:{free_port()}")
    assert result.code == 1
    assert "engine-unreachable" in result.err
    assert "Traceback" not in result.err


def test_a_connect_server_that_is_lost_in_a_run_is_one_line_and_the_table_stands(
    project: Project, connect: str
) -> None:
    expected, folder = project.table("doubled"), project.folder
    project.write("mine.py", WAITING)
    project.write("sales.csv", "shop,units\nD,1\n")
    with Proxy(int(connect.rpartition(":")[2])) as line:
        given = project.environment({"SPARK_REMOTE": f"sc://127.0.0.1:{line.port}"})
        command = [sys.executable, "-c", IMPATIENT, "run", "pipelines/p.yaml", "--profile", "connect"]
        process = subprocess.Popen(command, cwd=folder, env=given, stderr=subprocess.PIPE, text=True)
        wait_for((folder / "begun").exists, 120)
    project.write("cut", "")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "engine-lost: the Spark Connect server can no longer be reached" in err and "Traceback" not in err
    assert project.table("doubled") == expected


@pytest.mark.parametrize("address", ["sc://127.0.0.1:99999/;token=planted", "sc://[::1;token=planted"])
def test_an_address_that_is_none_is_one_line_without_its_token(project: Project, address: str) -> None:
    result = project.run("pipelines/p.yaml", "--profile", "connect", SPARK_REMOTE=address)
    assert result.code == 2
    assert "wrong-remote: `remote` is not an address" in result.err
    assert "planted" not in result.err and "Traceback" not in result.err


def test_executors_without_packages_are_named_and_auto_reads_on_the_driver(project: Project, tmp_path: Path) -> None:
    expected, port = project.table("doubled"), free_port()
    master = f"spark://127.0.0.1:{port}"
    text = (tmp_path / "etlrun.yaml").read_text()
    project.write("etlrun.yaml", text.replace('"${MASTER_URL}", read: tasks', '"${MASTER_URL}", read: auto'))
    bare = venv_without_packages(tmp_path / "bare")
    given = {"MASTER_URL": master, "SPARK_LOCAL_IP": "127.0.0.1", "PYSPARK_PYTHON": bare}
    project.pipeline(SPEC.replace("where: executors", "where: driver"))
    with (
        serving(tmp_path, MASTER, "--host", "127.0.0.1", "--port", str(port), *QUIET),
        serving(tmp_path, WORKER, "--host", "127.0.0.1", "--cores", "2", "--memory", "1g", *QUIET, master),
    ):
        wait_for(lambda: is_open(port), 60)
        result = project.run("pipelines/p.yaml", "--profile", "cluster", **given)
        examined = project.run("doctor", "--profile", "cluster", **{**given, "PYSPARK_PYTHON": "/nowhere/python"})
    assert result.code == 0, result.err
    assert (
        "`sales` is read on this machine: an executor cannot read files like this machine: the package pyarrow"
        in result.err
    )
    assert project.table("doubled") == expected
    assert examined.code == 1
    assert "executors: an executor cannot read files like this machine: the program /nowhere/python" in examined.out


def venv_without_packages(folder: Path) -> str:
    """A Python that has only what comes with it."""
    venv.create(folder, with_pip=False)
    return str(folder / "bin/python")


def test_a_standalone_cluster_gives_the_same_rows(project: Project, tmp_path: Path) -> None:
    expected, quarantine, port = project.table("doubled"), quarantine_of_the_last_run(project), free_port()
    master = f"spark://127.0.0.1:{port}"
    with (
        serving(tmp_path, MASTER, "--host", "127.0.0.1", "--port", str(port), *QUIET),
        serving(tmp_path, WORKER, "--host", "127.0.0.1", "--cores", "2", "--memory", "1g", *QUIET, master),
    ):
        wait_for(lambda: is_open(port), 60)
        result = project.run(
            "pipelines/p.yaml", "--profile", "cluster", "--json", MASTER_URL=master, SPARK_LOCAL_IP="127.0.0.1"
        )
    assert result.code == 0, result.err
    assert project.table("doubled") == expected
    assert quarantine_of_the_last_run(project) == quarantine
