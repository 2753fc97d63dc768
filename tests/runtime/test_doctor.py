"""What `etlrun doctor` finds on this machine. What it finds on a server stands in tests/mysql/test_health.py."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from etlrun.contracts.health import HealthFinding
from etlrun.runtime.doctor import judge_clock
from projects import PROJECT, Project, Result


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def examined(project: Project, *arguments: str, **environment: str) -> tuple[Result, dict[str, dict[str, Any]]]:
    result = project.run("doctor", "--json", *arguments, **environment)
    return result, {found["about"]: found for found in result.json}


def test_python_and_the_packages_are_named(project: Project) -> None:
    result, found = examined(project)
    assert result.code == 0, result.err
    assert found["python"] == {
        "level": "ok",
        "about": "python",
        "detail": f"{platform.python_version()} at {sys.executable}",
        "fix": "",
    }
    assert "duckdb " in found["packages"]["detail"] and "pyspark " in found["packages"]["detail"]
    assert [name for name in found if found[name]["level"] == "ok"] == ["python", "packages", "disk", "clock"]
    assert not (project.folder / ".etlrun").exists()


def test_a_disk_without_room_is_worth_knowing(project: Project) -> None:
    assert os.statvfs("/proc").f_bavail == 0
    project.write("etlrun.yaml", "runs: /proc/runs\n" + PROJECT)
    _, found = examined(project)
    assert found["disk"] == {
        "level": "warning",
        "about": "disk",
        "detail": "0.0 GB free for /proc/runs",
        "fix": "runs write copies of their inputs and results there",
    }


def test_run_folders_that_cannot_be_made_are_trouble(project: Project) -> None:
    project.write("etlrun.yaml", "runs: taken/runs\n" + PROJECT)
    project.write("taken", "a file")
    result, found = examined(project)
    assert result.code == 1
    assert found["run folders"]["level"] == "trouble"
    assert found["run folders"]["detail"] == f"{project.folder / 'taken'} cannot be written"


def test_java_that_is_missing_is_trouble(project: Project) -> None:
    project.write("etlrun.yaml", PROJECT.replace("memory: 1g", "java: /nowhere"))
    result, found = examined(project, "--profile", "local")
    assert result.code == 1
    assert found["engine spark"]["level"] == "trouble"
    assert "/nowhere" in found["engine spark"]["detail"]


def test_a_clock_before_the_first_version_is_trouble() -> None:
    assert judge_clock(1_000_000_000) == HealthFinding("trouble", "clock", "2001-09-09 01:46:40 UTC", "set the clock")
    assert judge_clock(1_767_225_600) == HealthFinding("ok", "clock", "2026-01-01 00:00:00 UTC")
