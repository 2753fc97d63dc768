"""Settings of Spark's that come from the environment reach it, and nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from projects import Project, wait_for

# The secret is one that no name and no mark gives away, with characters that a file of properties takes for its own.
VALUE = "canary =:#!\\u0041 Huế 😀 \\"
PROFILE = """
  secret:
    engine:
      spark:
        master: "local[1]"
        memory: 512m
        conf: {spark.hadoop.fs.canary.sas: "${CANARY}", spark.eventLog.enabled: true, spark.eventLog.dir: "EVENTS", spark.eventLog.compress: false}
    connections: {warehouse: {duckdb: warehouse.duckdb}}
"""
SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string}}}
steps:
  seen:
    - from: sales
    - filter: shop is not null
sinks:
  seen: {files: {from: seen, path: seen.csv}}
"""
# The session of a run, in a process whose children are its own.
LOOK = """import os, pathlib
from etlrun.engines.spark import Spark
from etlrun.contracts.engine import Workspace

def parent_of(path):
    try:
        return path.with_name("stat").read_text().rpartition(")")[2].split()[1:2]
    except OSError:
        return []

if __name__ == "__main__":
    conf = {
        "spark.hadoop.fs.canary.sas": "${CANARY}",
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": pathlib.Path("events").absolute().as_uri(),
        "spark.eventLog.compress": "false",
    }
    engine = Spark(master="local[1]", memory="512m", conf=conf)
    session = engine.start(Workspace(pathlib.Path.cwd()), os.path.expandvars)
    from pyspark.sql import SparkSession
    spark = SparkSession.active()
    assert spark.conf.get("spark.plain") == "from the defaults"
    pathlib.Path("seen.txt").write_text(spark.conf.get("spark.hadoop.fs.canary.sas"))
    lines = [path.read_bytes() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(os.getpid()) in parent_of(path)]
    pathlib.Path("lines.txt").write_bytes(b"".join(lines))
    session.close()
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    (tmp_path / "events").mkdir()
    project.write(
        "etlrun.yaml",
        (tmp_path / "etlrun.yaml").read_text() + PROFILE.replace("EVENTS", (tmp_path / "events").as_uri()),
    )
    project.write("sales.csv", "shop\nA\n")
    project.write("defaults/spark-defaults.conf", "spark.plain from the defaults\n")
    return project


def test_what_a_setting_takes_from_the_environment_stands_in_no_command_line_and_no_file(project: Project) -> None:
    project.write("look.py", LOOK)
    environment = {**os.environ, "CANARY": VALUE, "SPARK_CONF_DIR": str(project.folder / "defaults")}
    result = subprocess.run(
        [sys.executable, "look.py"], cwd=project.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    seen, lines = project.folder / "seen.txt", project.folder / "lines.txt"
    assert seen.read_text() == VALUE
    seen.unlink()
    assert b"SparkSubmit" in lines.read_bytes()
    assert b"SparkListenerEnvironmentUpdate" in b"".join(
        path.read_bytes() for path in project.folder.glob("events/**/*") if path.is_file()
    )
    left = [path for path in project.folder.rglob("*") if path.is_file() and b"canary =" in path.read_bytes()]
    assert left == []
    assert "canary =" not in result.stdout + result.stderr
    assert not list(project.folder.rglob("spark.properties"))


def test_the_run_after_one_that_was_killed_while_spark_started_removes_the_secrets_it_left(project: Project) -> None:
    spec = project.pipeline(SPEC)
    killed = project.start("run", spec, "--profile", "secret", CANARY=VALUE)
    wait_for(lambda: any(path.stat().st_size for path in project.folder.rglob("spark.properties")))
    killed.kill()
    killed.communicate()
    assert list(project.folder.rglob("spark.properties"))
    project.run(spec, "--profile", "fast")
    assert not list(project.folder.rglob("spark.properties"))
