"""`etlrun deploy`: the files say what the graph says, go by exit codes, and hold no name that is read as something else."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from commanding import etlrun
from etlrun.deploy.deployment import Deployment, tasks_of
from projects import Project

CORE = """sources:
  rows: {csv: {path: rows.csv, columns: {id: int}}}
sinks:
  core: {table: {from: rows, connection: warehouse, write: replace}}
"""
MART = """pipeline: "it's {0} \\"mart\\""
sources:
  core: {table: {pipeline: core, sink: core}}
sinks:
  mart: {table: {from: core, connection: warehouse, write: replace}}
"""
NAME = 'it\'s {0} "mart"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = Project(tmp_path / "a shop")
    project.pipeline(CORE, "core")
    project.write("pipelines/mart.yaml", MART)
    return project.folder


def deployed(folder: Path, target: str, *options: str) -> dict[str, str]:
    outcome = etlrun(folder, "deploy", target, *options)
    assert outcome.code == 0, outcome.err
    return {Path(line).name: (folder / line).read_text() for line in outcome.out.splitlines()}


def constants(text: str) -> dict[str, Any]:
    """The constants of a Python file, which must compile."""
    compile(text, "file", "exec")
    found = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    return found


@pytest.mark.parametrize(("target", "file", "task"), [("airflow", "a-shop_dag.py", "it-s-0-mart"), ("dagster", "definitions.py", "it_s_0_mart")])  # fmt: skip
def test_a_task_runs_one_pipeline_after_those_it_reads(target: str, file: str, task: str, folder: Path) -> None:
    found = constants(deployed(folder, target, "--profile", "fast")[file])
    assert found["COMMANDS"] == {
        "core": ["etlrun", "run", "core", "--profile", "fast"],
        task: ["etlrun", "run", NAME, "--profile", "fast"],
    }
    assert (found["AFTER"], found["FINAL"]) == ({task: ["core"]}, (2, 3))


def test_a_cron_job_never_overlaps_and_gives_up_where_another_try_gives_the_same(folder: Path) -> None:
    found = yaml.safe_load(deployed(folder, "k8s", "--schedule", "30 4 * * 1")["cronjob.yaml"])
    job = found["spec"]["jobTemplate"]["spec"]
    assert (found["spec"]["schedule"], found["spec"]["concurrencyPolicy"]) == ("30 4 * * 1", "Forbid")
    assert job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [2, 3]
    assert job["template"]["spec"]["containers"][0]["command"] == ["etlrun", "run"]


def test_a_workflow_checks_tests_and_runs(folder: Path) -> None:
    text = deployed(folder, "github")["etlrun.yml"]
    found = yaml.safe_load(text)
    assert not re.search(r"[&*]id\d", text)  # not every service that reads workflows knows aliases of YAML
    assert found["on"]["schedule"] == [{"cron": "0 5 * * *"}]
    steps = [step.get("run", "") for step in found["jobs"]["check"]["steps"]]
    assert steps[-1] == "etlrun test" and "etlrun check --format sarif > etlrun.sarif" in steps
    assert etlrun(folder, "check", "--format", "sarif").code == 0
    assert found["jobs"]["run"]["steps"][-1] == {"run": "etlrun run"}


@pytest.mark.parametrize(("codes", "calls", "ends"), [("0", 1, 0), ("1 0", 2, 0), ("4 1 0", 3, 0), ("1 1 1", 3, 1), ("2", 1, 2), ("3", 1, 3)])  # fmt: skip
def test_the_script_of_cron_tries_again_by_exit_code(
    codes: str, calls: int, ends: int, folder: Path, tmp_path: Path
) -> None:
    script = deployed(folder, "cron")
    assert script["crontab"].splitlines()[-1] == "0 5 * * * sh /path/to/a-shop.sh"
    assert (
        "\nPATH=/path/to/venv/bin:/usr/bin:/bin\n" in script["crontab"]
    )  # cron's own has no folder of a virtual environment
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "codes").write_text("".join(f"{code}\n" for code in codes.split()))
    answer = f'n=$(cat {tmp_path}/n 2>/dev/null || echo 0)\nn=$((n + 1))\necho $n > {tmp_path}/n\nexit $(sed -n "${{n}}p" {tmp_path}/codes)\n'
    for name, text in {"etlrun": answer, "sleep": "exit 0\n"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["sh", str(folder / "deploy/cron/a-shop.sh")],
        env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "ETLRUN_PROJECT": "../.."},
        check=False,
    )
    assert (done.returncode, (tmp_path / "n").read_text()) == (ends, f"{calls}\n")


@pytest.mark.parametrize(
    ("words", "installs"),
    [
        ("", "etlrun[java,spark]"),
        ("etlrun[mysql]>=0.1", "etlrun[mysql]>=0.1"),
        ("--no-index 'wheels/a b.whl[mysql]'", "--no-index|wheels/a b.whl[mysql]"),
        ("-r requirements.txt", "-r|requirements.txt"),
    ],
)
def test_files_install_what_is_named_or_what_the_profile_needs(words: str, installs: str, folder: Path) -> None:
    for name in ("wheels/a b.whl", "requirements.txt") if words else ():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("")
    options = ("--install", words, "--profile", "local")
    steps = yaml.safe_load(deployed(folder, "github", *options)["etlrun.yml"])["jobs"]["run"]["steps"]
    (docker,) = re.findall(r"RUN pip install --no-cache-dir (.*)", deployed(folder, "k8s", *options)["Dockerfile"])
    wanted = installs.split("|")
    assert (shlex.split(steps[2]["run"])[2:], shlex.split(docker)) == (wanted, wanted)


def test_requirements_of_the_project_are_installed_and_files_that_are_not_there_refused(folder: Path) -> None:
    for words, said in (("none/x.whl", "there is no file none/x.whl in the project"), ("'x", "is not closed")):
        outcome = etlrun(folder, "deploy", "k8s", "--install", words)
        assert (outcome.code, said in outcome.err) == (2, True)
    (folder / "requirements.txt").write_text("etlrun\n")
    assert "\nRUN pip install --no-cache-dir -r requirements.txt\n" in deployed(folder, "k8s")["Dockerfile"]


def test_a_file_that_was_edited_is_not_replaced(folder: Path) -> None:
    deployed(folder, "k8s")
    (folder / "deploy/k8s/Dockerfile").write_text("FROM mine\n")
    outcome = etlrun(folder, "deploy", "k8s")
    assert (outcome.code, "Dockerfile already exists" in outcome.err) == (2, True)
    assert deployed(folder, "k8s", "--force")["Dockerfile"].startswith("# Written by")


@pytest.mark.parametrize("schedule", ["daily", "0 5 * *", "0 5 * * * ; rm", "0 5 * * *\nx"])
def test_a_schedule_has_five_fields(schedule: str, folder: Path) -> None:
    outcome = etlrun(folder, "deploy", "cron", "--schedule", schedule)
    assert (outcome.code, "does not have five fields" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("0 25 * * *", "`25` is not a valid hour: write 0 to 23"),
        ("60 5 * * *", "`60` is not a valid minute"),
        ("0 5 0 * *", "`0` is not a valid day of the month"),
        ("0 5 * * mom", "`mom` is not a valid day of the week: write 0 to 7 or sun to sat"),
        ("*/0 5 * * *", "`*/0` is not a valid minute"),
        ("0 5 1-2-3 * *", "`1-2-3` is not a valid day of the month"),
    ],
)
def test_a_field_of_a_schedule_is_a_time(schedule: str, said: str, folder: Path) -> None:
    outcome = etlrun(folder, "deploy", "cron", "--schedule", schedule)
    assert outcome.code == 2 and said in outcome.err
    assert etlrun(folder, "deploy", "cron", "--schedule", "05,*/15 2-4 1 JAN mon-fri").code == 0


def test_the_hooks_of_pre_commit_name_commands_that_there_are() -> None:
    hooks = yaml.safe_load((Path(__file__).parents[2] / ".pre-commit-hooks.yaml").read_text())
    assert [hook["entry"] for hook in hooks] == ["etlrun check", "etlrun test"]
    assert all(hook["language"] == "python" and not hook["pass_filenames"] for hook in hooks)


def test_tasks_never_share_a_name() -> None:
    pipelines = dict.fromkeys(("a b", "a-b", "a_b", "a-b-2", "a b 3"), ())
    tasks = tasks_of(Deployment("shop", pipelines, "0 5 * * *", ""))
    assert {name: command[2] for name, command in tasks.commands.items()} == {
        "a-b": "a b",
        "a-b-4": "a-b",
        "a-b-5": "a_b",
        "a-b-2": "a-b-2",
        "a-b-3": "a b 3",
    }
