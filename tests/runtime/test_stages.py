"""How long the checked rows of a run are kept for `etlrun resume`."""

from __future__ import annotations

import json
import os
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etlrun.runtime.liveness import showing_life
from etlrun.runtime.run_folder import RunFolder
from projects import Project, wait_for

SALES = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}
sinks:
  sales:
    table: {from: sales, connection: warehouse, key: [shop], write: replace}
"""
NOBODY = 2**22 + 1  # no process has this number


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("sales.csv", "shop,units\nA,1\n")
    return project


def run_of(project: Project, days_ago: int, status: str, *, is_staged: bool = True, host: str = "") -> Path:
    """The folder of a run that ended, or was cut off, some days ago; `running` with no process behind it is a killed run."""
    run = f"{datetime.now(UTC) - timedelta(days=days_ago):%Y%m%dT%H%M%SZ}-abc{days_ago:03}"
    staged = {"sales": {"rows": 1, "checksum": "1", "files": []}} if is_staged else {}
    record = {
        "run_id": run,
        "pipeline": "p",
        "file": "pipelines/p.yaml",
        "profile": "fast",
        "started_at": "2022-04-30T20:15:00Z",
        "spec_hash": "0",
        "version": "0.1.0",
        "status": status,
        "engine": "duckdb",
        "seconds": 1.0,
        "sinks": {},
        "staged": staged,
        "host": host or socket.gethostname(),
        "pid": NOBODY,
    }
    project.write(f".etlrun/runs/{run}/run.json", json.dumps(record))
    for name in ("stage/sales/part.parquet", "work/x", "quarantine/sales.jsonl"):
        project.write(f".etlrun/runs/{run}/{name}", b"x")
    return project.folder / ".etlrun/runs" / run


@pytest.mark.parametrize(
    ("days_ago", "status", "is_staged", "kept"),
    [
        (6, "failed", True, {"run.json", "stage", "work", "quarantine"}),
        (8, "failed", True, {"run.json", "quarantine"}),
        (8, "refused", False, {"run.json", "quarantine"}),
        (8, "interrupted", True, {"run.json", "quarantine"}),
        (6, "running", True, {"run.json", "stage", "quarantine"}),
        (6, "running", False, {"run.json", "quarantine"}),
        (8, "running", True, {"run.json", "quarantine"}),
        (8, "killed", True, {"run.json", "quarantine"}),
    ],
)
def test_a_stage_is_kept_for_a_week_and_the_next_run_removes_it_after_that(
    project: Project, days_ago: int, status: str, is_staged: bool, kept: set[str]
) -> None:
    folder = run_of(project, days_ago, status, is_staged=is_staged)
    assert project.run(project.pipeline(SALES), "-q").code == 0
    assert {path.name for path in folder.iterdir()} == kept
    assert json.loads((folder / "run.json").read_text())["status"] == ("killed" if status == "running" else status)


def test_a_run_of_another_machine_is_left_alone_for_ten_minutes_after_its_last_sign_of_life(project: Project) -> None:
    folder = run_of(project, 8, "running", host="another-machine")
    assert project.run(project.pipeline(SALES), "-q").code == 0
    assert {path.name for path in folder.iterdir()} == {"run.json", "stage", "work", "quarantine"}
    refused = project.run("resume", folder.name)
    assert (refused.code, "run-alive" in refused.err) == (2, True)
    silent = time.time() - 601
    os.utime(folder / "run.json", (silent, silent))
    assert f"{folder.name}  p         killed" in project.run("runs").out
    assert "spec-changed" in project.run("resume", folder.name).err
    assert project.run(project.pipeline(SALES), "-q").code == 0
    assert {path.name for path in folder.iterdir()} == {"run.json", "quarantine"}


def test_a_run_shows_that_it_lives_by_the_time_of_its_record(tmp_path: Path) -> None:
    record = tmp_path / "run.json"
    record.write_text("{}")
    with showing_life(RunFolder("r", tmp_path), every=0.01):
        os.utime(record, (0, 0))
        wait_for(lambda: record.stat().st_mtime > 0)
