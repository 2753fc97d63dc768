"""What stops a run says what, where and what to do; the published table stays as it was."""

from __future__ import annotations

import gzip
import json
import os
import re
import resource
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from etlrun.runtime.run_place import RunPlace
from etlrun.runtime.run_records import sweep_old
from projects import Project, wait_for

VIEWS = """
params:
  month: {type: month, default: 2022-04}
sources:
  views:
    json:
      path: data/{date:yyyyMMdd}.json
      dates: {months: [$month], days: 1-3}
      columns: {contract: string, seconds: bigint not null}OPTIONS
steps:
  totals:
    - from: views
    - aggregate: {by: [contract], columns: {seconds: sum(seconds), days: count(distinct date)}}
sinks:
  totals:
    table: {from: totals, connection: warehouse, key: [contract], write: replace}
"""
OLD = [("A", 3, 3)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three days of logs, and a table that a first run published."""
    project = Project(tmp_path)
    for day in (1, 2, 3):
        project.write(f"data/2022040{day}.json", '{"contract": "A", "seconds": 1}\n')
    result = project.run(spec(project), "-q")
    assert result.code == 0, result.err
    return project


def spec(project: Project, options: str = "") -> str:
    return project.pipeline(VIEWS.replace("OPTIONS", "".join(f"\n      {line}" for line in options.splitlines())))


def refuses(project: Project, code: str, *words: str, options: str = "") -> str:
    """The run ends with exit code 1 and this code at the source, and the table is the old one."""
    result = project.run(spec(project, options))
    assert result.code == 1, result.err
    assert f"p.yaml:7:5: {code}: " in result.err
    for word in words:
        assert word in result.err
    assert project.table("totals") == OLD
    return result.err


def test_a_missing_day(project: Project) -> None:
    (project.folder / "data/20220402.json").unlink()
    refuses(project, "missing-day", "2022-04-02", "data/20220402.json", "missing: [2022-04-02]")


def test_a_missing_day_that_is_allowed_by_name_is_told(project: Project) -> None:
    (project.folder / "data/20220402.json").unlink()
    result = project.run(spec(project, "missing: [2022-04-02]"), "--json")
    assert result.code == 0, result.err
    assert "warning: `views`: no file for 2022-04-02" in result.err
    assert result.json["sources"]["views"]["missing"] == ["2022-04-02"]
    assert project.table("totals") == [("A", 2, 2)]


def test_an_empty_day(project: Project) -> None:
    project.write("data/20220402.json", "")
    refuses(project, "empty-file", "data/20220402.json", "empty: [2022-04-02]")


def test_a_day_of_blank_lines(project: Project) -> None:
    project.write("data/20220402.json", "\n\n")
    refuses(project, "empty-file", "`views` has no row for 2022-04-02", "empty: [2022-04-02]")
    assert project.run(spec(project, "empty: [2022-04-02]")).code == 0
    assert project.table("totals") == [("A", 2, 2)]


def test_a_day_of_a_header_alone(project: Project) -> None:
    for day, rows in ((1, "A,1\n"), (2, ""), (3, "A,1\n")):
        project.write(f"data/2022040{day}.csv", f"contract,seconds\n{rows}")
    text = VIEWS.replace("OPTIONS", "").replace("json:", "csv:").replace(".json", ".csv")
    result = project.run(project.pipeline(text))
    assert result.code == 1
    assert "empty-file: `views` has no row for 2022-04-02" in result.err
    assert project.table("totals") == OLD


def test_a_cut_gzip_file(project: Project) -> None:
    (project.folder / "data/20220402.json").unlink()
    whole = gzip.compress(b'{"contract": "A", "seconds": 1}\n' * 1000)
    project.write("data/20220402.json.gz", whole[: len(whole) // 2])
    refuses(project, "damaged-file", "20220402.json.gz", "incomplete or damaged")


def test_all_wrong_files_are_named_at_once(project: Project) -> None:
    (project.folder / "data/20220401.json").unlink()
    project.write("data/20220402.json", "")
    project.write("data/20220403.json", b"PAR1")
    summary = refuses(project, "missing-day", "20220401.json", "20220402.json", "20220403.json")
    assert "the file is Parquet, not text" in summary


def test_more_broken_records_than_allowed(project: Project) -> None:
    project.write("data/20220402.json", '{"contract": "A", "seconds": 1}\n' * 50 + "x\n")
    summary = refuses(
        project, "too-many-bad-rows", "1 of 53 records", "20220402.json:51: not JSON (column 1)", "max_bad_rows: 1.89%"
    )
    assert "quarantine/views.jsonl" in summary


def test_broken_records_may_be_forbidden(project: Project) -> None:
    project.write("data/20220402.json", '{"contract": "A", "seconds": 1}\n' * 500 + "x\n")
    refuses(project, "bad-rows", "20220402.json:501", options="bad_rows: fail")


def test_broken_records_may_be_dropped_and_are_counted(project: Project) -> None:
    project.write("data/20220402.json", '{"contract": "A", "seconds": 1}\n' * 500 + "x\n\n")
    result = project.run(spec(project, "bad_rows: drop"), "--json")
    assert result.code == 0, result.err
    assert result.json["sources"]["views"] == {"rows": 502, "bad_rows": 1, "files": 3, "blank": 1}
    assert not list(project.folder.glob(".etlrun/runs/*/quarantine/*"))


def test_a_full_disk(project: Project) -> None:
    lines = "".join(
        json.dumps({"contract": f"C{number * 7919 % 1000003}", "seconds": number}) + "\n" for number in range(60_000)
    )
    project.write("data/20220402.json", lines)

    result = project.run(spec(project), limit=no_room)
    assert result.code == 1
    assert "Traceback" not in result.err
    assert "File too large" in result.err
    assert project.table("totals") == OLD


@pytest.mark.parametrize(
    ("sink", "file", "code"),
    [
        ("table: {from: names, connection: warehouse, write: replace}", "warehouse.duckdb", "publish-unknown"),
        ("files: {from: names, path: out/names.csv}", "out/names.csv", "publish-failed"),
    ],
)
def test_a_full_disk_of_what_is_published_to(project: Project, sink: str, file: str, code: str) -> None:
    project.write("names.csv", "name,number\n" + "".join(f"{'n' * 200},{number % 7}\n" for number in range(2_000)))
    names = "names: {csv: {path: names.csv, columns: {name: string, number: int}}}"
    pipeline = project.pipeline(f"sources:\n  {names}\nsinks:\n  names: {{{sink}}}\n", "names")
    result = project.run(pipeline, limit=no_room)
    assert result.code == 1, result.err
    assert f"pipelines/names.yaml:5:11: {code}: " in result.err
    assert file in result.err and "File too large" in result.err and "= free space on the disk of " in result.err
    assert project.table("totals") == OLD
    run_id = re.search(r"etlrun resume (\S+)`", result.err)
    assert run_id is not None and project.run("resume", run_id[1]).code == 0


def no_room() -> None:
    """Let no file of a process grow past 100 kB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_an_overflow_is_blamed_on_its_step(project: Project, engine: str) -> None:
    project.write("data/20220402.json", '{"contract": "A", "seconds": 9223372036854775807}\n')
    result = project.run(spec(project), "--engine", engine)
    assert result.code == 1
    assert "p.yaml:14:54: overflow: a number is too large for its type in `aggregate` of `totals`" in result.err
    assert "SQLSTATE" not in result.err
    assert "Traceback" not in result.err
    assert project.table("totals") == OLD


def test_a_failure_is_one_object_of_json(project: Project) -> None:
    (project.folder / "data/20220402.json").unlink()
    result = project.run(spec(project), "--json")
    found = result.json
    assert found["status"] == "failed"
    assert found["error"]["code"] == "missing-day"
    assert (found["error"]["file"], found["error"]["line"], found["error"]["column"]) == ("pipelines/p.yaml", 7, 5)


def test_a_variable_of_the_environment_that_is_not_set(project: Project) -> None:
    project.write(
        "etlrun.yaml",
        'profiles:\n  prod: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: "${WAREHOUSE_FILE}"}}}\nprofile: prod\n',
    )
    result = project.run(spec(project))
    assert result.code == 2
    assert "missing-variable: the environment variable `WAREHOUSE_FILE` is not set" in result.err
    assert project.run(spec(project), WAREHOUSE_FILE="other.duckdb").code == 0
    assert project.table("totals", "other.duckdb") == OLD


def test_an_engine_that_would_read_in_tasks_and_does_not_start_is_about_no_source(project: Project) -> None:
    engine = '{spark: {master: "spark://127.0.0.1:1", read: auto, conf: {spark.app.name: "${NAME_OF_APP}"}}}'
    warehouse = "{warehouse: {duckdb: warehouse.duckdb}}"
    project.write("etlrun.yaml", f"profiles: {{prod: {{engine: {engine}, connections: {warehouse}}}}}\n")
    result = project.run(spec(project))
    assert result.code == 2
    assert result.err.startswith("missing-variable: the environment variable `NAME_OF_APP` is not set"), result.err


SLOW = """
import time

def slow(rows):
    time.sleep(30)
    return rows
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_an_interrupted_run_ends_at_once_and_publishes_nothing(
    project: Project, number: signal.Signals, code: int, word: str
) -> None:
    project.write("mine.py", SLOW)
    columns = "{contract: string, seconds: bigint, days: bigint}"
    step = f'    - python: {{function: "mine:slow", columns: {columns}}}\nsinks:'
    path = project.pipeline(VIEWS.replace("OPTIONS", "").replace("sinks:", step, 1))
    result = project.run_until("calling mine:slow", number, path)
    assert result.code == code
    assert word in result.err
    assert "Traceback" not in result.err
    assert project.table("totals") == OLD
    wait_for(lambda: project.run("runs", "--json").json["runs"][0]["status"] == "interrupted")


def test_an_interrupted_spark_job_is_cancelled(project: Project) -> None:
    step = "    - python: {function: 'mine:slow', columns: {contract: string, seconds: bigint, days: bigint}}\nsinks:"
    project.write("mine.py", SLOW)
    path = project.pipeline(VIEWS.replace("OPTIONS", "").replace("sinks:", step, 1))
    result = project.run_until("calling mine:slow", signal.SIGINT, path, "--profile", "local")
    assert result.code == 130, result.err
    assert project.table("totals") == OLD


def test_a_python_function_that_fails_is_named(project: Project) -> None:
    project.write("mine.py", "def broken(rows):\n    return rows['nothing']\n")
    step = '    - python: {function: "mine:broken", columns: {contract: string}}\nsinks:'
    text = (
        VIEWS.replace("OPTIONS", "")
        .replace("sinks:", step, 1)
        .replace("key: [contract]", "key: [contract], table: other")
    )
    result = project.run(project.pipeline(text))
    assert result.code == 1
    assert "p.yaml:15:7: python-failed: the function `mine:broken` failed: KeyError" in result.err
    assert "mine.py:2" in result.err


def test_nothing_that_a_run_leaves_can_be_read_by_others(project: Project) -> None:
    project.write("data/20220402.json", '{"contract": "A", "seconds": 1}\n' * 500 + "x\n")
    assert project.run(spec(project)).code == 0
    runs = list(project.folder.glob(".etlrun/runs/*"))
    assert all(run.stat().st_mode & 0o777 == 0o700 for run in runs)
    kept = [path for run in runs for path in run.rglob("*") if path.is_file()]
    assert {path.name for path in kept} >= {"run.json", "inputs.json", "views.jsonl"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in kept)


def killed_runs(project: Project, number: int) -> list[Path]:
    """The records of so many runs that were killed while they ran."""
    done = json.loads(next(project.folder.glob(".etlrun/runs/*/run.json")).read_text())
    names = [f"20220401T0000{index:02}Z-abcdef" for index in range(number)]
    for run in names:
        record = {**done, "run_id": run, "status": "running", "pid": 2**22}
        project.write(f".etlrun/runs/{run}/run.json", json.dumps(record))
    return [project.folder / f".etlrun/runs/{run}/run.json" for run in names]


def test_files_that_a_killed_process_did_not_finish_are_removed_after_an_hour(tmp_path: Path) -> None:
    run, empty = tmp_path / "20240101T000000Z-000000", tmp_path / "20240101T000000Z-000001"
    names = (run / "run.json.0a1b2c3d", empty / "run.json.0a1b2c3d", tmp_path / "project.json.0a1b2c3d")
    for folder in (run, empty):
        folder.mkdir()
    for path in (*names, run / "inputs.json", run / "inputs.json.gz"):
        path.write_text("{")
    sweep_old(RunPlace(tmp_path))
    assert all(path.exists() for path in names)  # a process may be writing them
    for path in tmp_path.rglob("*.json*"):
        os.utime(path, (0, 0))
    sweep_old(RunPlace(tmp_path))
    assert sorted(path.name for path in tmp_path.rglob("*")) == [run.name, "inputs.json", "inputs.json.gz"]


def test_pipelines_of_one_process_all_mark_what_was_killed(project: Project) -> None:
    killed = killed_runs(project, 30)
    with ThreadPoolExecutor(4) as pipelines:
        for found in pipelines.map(sweep_old, [RunPlace(project.folder / ".etlrun/runs")] * 4):
            assert found == []
    assert {json.loads(file.read_text())["status"] for file in killed} == {"killed"}


def test_runs_that_start_together_all_mark_what_was_killed(project: Project) -> None:
    killed = killed_runs(project, 20)
    path = spec(project)
    together = [project.start(path, "-q", "--dry-run") for _ in range(4)]
    ends = [(process.communicate()[1], process.returncode) for process in together]
    assert [code for _, code in ends] == [0] * 4, ends
    assert {json.loads(file.read_text())["status"] for file in killed} == {"killed"}
    before = [file.stat().st_mtime_ns for file in killed]
    assert project.run(path, "-q", "--dry-run").code == 0
    assert [file.stat().st_mtime_ns for file in killed] == before


def test_a_folder_of_runs_that_others_may_write_to_is_refused(project: Project) -> None:
    text = spec(project)
    assert project.run(text, limit=lambda: os.umask(0o002) and None).code == 0
    assert stat.S_IMODE((project.folder / ".etlrun").stat().st_mode) == 0o700
    runs = project.folder / ".etlrun/runs"
    run = next(runs.iterdir())
    runs.chmod(0o770)
    for command in ((text,), ("resume", run.name)):
        result = project.run(*command)
        assert result.code == 2
        assert f"open-folder: others may write to {runs.resolve()} (its mode is 770)" in result.err
        assert f"= chmod go-w {runs.resolve()}" in result.err
    runs.chmod(0o750)
    assert project.run(text).code == 0


def test_reading_is_interrupted_too(project: Project) -> None:
    line = '{"contract": "A", "seconds": 1, "other": "' + "x" * 400 + '"}\n'
    project.write("data/20220402.json", line * 600_000)
    process = project.start(spec(project))
    wait_for(lambda: any(project.folder.glob(".etlrun/runs/*/sources/views/**/*.parquet")))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert (out, "Traceback" in err) == ("", False)
    assert project.table("totals") == OLD
