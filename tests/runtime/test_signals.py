"""Ctrl-C and SIGTERM end a run in whatever phase it is: nothing is published, and what was checked can be resumed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from subprocess import Popen

import pytest

from clusters import connect_server
from projects import Project, Result, wait_for

SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}
steps:
  totals:
    - from: sales
    - STEP
checks:
  totals:
    - expression: CHECK
sinks:
  totals:
    table: {from: totals, connection: warehouse, key: [shop], write: replace}
"""
QUICK_STEP, QUICK_CHECK = "filter: units > 0", "units > 0"
ENDLESS_STEP = (
    "sql: select a.shop, cast(count(*) as int) as units from sales as a join sales as b on a.units < b.units join sales as c on b.units < c.units "
    "join sales as d on c.units < d.units group by a.shop"
)
ENDLESS_CHECK = " and ".join(f"sha2(repeat(shop, {1_500 + number}), 256) <> shop" for number in range(10))
SIGNALS = pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A table that a first run published, and ten times the rows for the next."""
    project = Project(tmp_path)
    sell(project, 10)
    result = project.run(spec(project), "-q")
    assert result.code == 0, result.err
    sell(project, 300_000)
    return project


def sell(project: Project, count: int) -> None:
    project.write("sales.csv", "shop,units\n" + "".join(f"S{number:06},{number + 1}\n" for number in range(count)))


def spec(project: Project, step: str = QUICK_STEP, check: str = QUICK_CHECK) -> str:
    return project.pipeline(SPEC.replace("STEP", step).replace("CHECK", check))


def signalled(project: Project, seen: str, number: signal.Signals, *arguments: str) -> Result:
    """The run that gets a signal while it is deep in what it announced as `seen`, and would not end for minutes."""
    process, summary = deep_in(project, seen, *arguments)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, summary + err)


def deep_in(project: Project, seen: str, *arguments: str, **variables: str) -> tuple[Popen[str], str]:
    """A run that is deep in what it announced as `seen`, and what it told so far."""
    process = project.start(*arguments, **variables)
    assert process.stderr is not None
    summary = ""
    while seen not in summary:
        summary += (line := process.stderr.readline())
        assert line, summary
    time.sleep(2)
    return process, summary


def ended(project: Project, result: Result, code: int, word: str) -> None:
    """The run ended by the signal, said so in one line, and the table is the old one."""
    assert result.code == code, result.err
    assert f"{word}: " in result.err and "Traceback" not in result.err
    assert len(project.table("totals")) == 10
    assert project.run("runs", "--json").json["runs"][0]["status"] == "interrupted"


@SIGNALS
@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_while_rows_are_computed(project: Project, number: signal.Signals, code: int, word: str, engine: str) -> None:
    ended(
        project,
        signalled(project, "computing totals", number, spec(project, ENDLESS_STEP), "--engine", engine),
        code,
        word,
    )


@SIGNALS
def test_while_checks_are_computed(project: Project, number: signal.Signals, code: int, word: str) -> None:
    ended(project, signalled(project, ": checking", number, spec(project, check=ENDLESS_CHECK)), code, word)


def test_while_files_are_read(project: Project) -> None:
    project.write(
        "sales.csv", "shop,units\n" + "".join(f"S{number},{number},{'x' * 200}\n" for number in range(1_000_000))
    )
    process = project.start(spec(project))
    wait_for(lambda: any(project.folder.glob(".etlrun/runs/*/sources/sales/*")))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    ended(project, Result(process.returncode, out, err), 143, "terminated")


def test_while_spark_starts(project: Project) -> None:
    process = project.start(spec(project), "--engine", "spark")
    wait_for(lambda: any(project.folder.glob(".etlrun/runs/*/spark.log")))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    ended(project, Result(process.returncode, out, err), 143, "terminated")


def kill_java(process: Popen[str]) -> None:
    (java,) = (
        child
        for task in Path(f"/proc/{process.pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    )
    os.kill(int(java), signal.SIGKILL)


def test_while_the_process_of_spark_is_killed_after_a_signal(project: Project) -> None:
    process, _ = deep_in(project, "computing totals", spec(project, ENDLESS_STEP), "--engine", "spark")
    process.send_signal(signal.SIGTERM)
    kill_java(process)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "terminated: " in err and "Traceback" not in err
    assert len(project.table("totals")) == 10


def test_a_spark_that_is_killed_is_replaced_for_the_pipelines_that_follow(project: Project) -> None:
    """They share one Spark, and their relations have the same name and other columns."""
    spec(project, ENDLESS_STEP)
    project.write("few.csv", "shop,units,day\nA,1,2022-04-01\n")
    few = (
        SPEC.replace("sales.csv", "few.csv")
        .replace("units: int", "units: int, day: date")
        .replace("CHECK", "units > 0")
    )
    for name in ("q", "r"):
        project.pipeline(few.replace("  totals:\n    table", f"  {name}:\n    table").replace("STEP", QUICK_STEP), name)
    process, _ = deep_in(project, "computing totals", "run", "--engine", "spark")
    kill_java(process)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert "engine-lost: " in err and "Traceback" not in err and "Warning" not in err
    assert [len(project.table(name)) for name in ("totals", "q", "r")] == [10, 1, 1], err
    logs = list(project.folder.glob(".etlrun/runs/*/spark.log"))
    assert len(logs) == 3  # each run has one
    assert (
        len({log.stat().st_ino for log in logs}) == 2
    )  # that which was killed wrote one, the one for all that followed the other


def test_while_the_server_of_spark_connect_is_gone(project: Project) -> None:
    with connect_server(project.folder) as address:
        process, _ = deep_in(
            project, "computing totals", spec(project, ENDLESS_STEP), "--engine", "spark", SPARK_REMOTE=address
        )
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "terminated: " in err and "Traceback" not in err and "Warning" not in err
    assert len(project.table("totals")) == 10
