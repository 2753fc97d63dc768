"""Runs in a store: every machine sees them, continues them and removes what they left, whatever the store answers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from store_projects import Lake, another_machine, lines, with_runs

PIPELINE = """sources:
  s: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string, s: bigint}, max_bad_rows: 0.9}}
sinks:
  out: {delta: {from: s, path: s3://BUCKET/out/t, write: append}}
"""
CHECKED = """sources:
  s: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string, s: bigint}}}
checks:
  s: [{not_null: [c]}]
sinks:
  out: {files: {from: s, path: s3://BUCKET/out/one.csv}}
"""
READER = """sources:
  t: {delta: {path: s3://BUCKET/out/t, columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: t, path: out.csv}}
"""
OLD = "20220501T000000Z-00000a"


def pipeline(lake: Lake, text: str = PIPELINE, name: str = "p") -> str:
    return with_runs(lake).project.pipeline(text.replace("BUCKET", lake.bucket), name)


def names(lake: Lake) -> set[str]:
    """The objects of runs, without those that stand for folders."""
    listed = lake.server.ask("GET", f"/{lake.bucket}?list-type=2&prefix=runs/").decode()
    return {name for name in re.findall("<Key>runs/([^<]+)</Key>", listed) if not name.endswith("/")}


def record(lake: Lake, run: str) -> Any:
    return json.loads(lake.server.get(lake.bucket, f"runs/{run}/run.json"))


def rows_of_table(lake: Lake) -> list[str]:
    other = another_machine(lake)
    done = other.run(other.project.pipeline(READER.replace("BUCKET", lake.bucket), "reader"), "-q")
    assert done.code == 0, done.err
    return sorted(other.rows())


def failed_publish(lake: Lake) -> str:
    """The id of a run whose publish the store refused."""
    path = pipeline(lake)
    lake.put("raw/a.json", lines(("A", 1), ("B", 2)) + "broken\n")
    lake.server.fail({f"PUT /{lake.bucket}/out/": "403"})
    failed = lake.run(path, "--json")
    lake.server.fail({})
    assert failed.code == 1 and f"s3://{lake.bucket}/runs/" in failed.err, failed.err
    return str(failed.json["run_id"])


def test_another_machine_lists_a_run_and_publishes_what_it_could_not(lake: Lake) -> None:
    run = failed_publish(lake)
    left = {f"{run}/{name}" for name in ("run.json", "inputs.json", "quarantine/s.jsonl", "stage/s/data_0.parquet")}
    assert names(lake) == left
    other = another_machine(lake)
    assert f"{run}  p         failed" in other.run("runs").out
    resumed = other.run("resume", run[:20])
    assert resumed.code == 0, resumed.err
    assert rows_of_table(lake) == ["A,1", "B,2"]
    assert record(lake, run)["status"] == "done" and f"{run}/stage/s/data_0.parquet" not in names(lake)
    assert "done" in lake.run("runs").out
    assert "nothing is left to publish" in lake.run("resume", run).err


def test_another_machine_shows_the_rows_that_failed_a_check_and_retries_the_project(lake: Lake) -> None:
    pipeline(lake, CHECKED)
    lake.put("raw/a.json", lines(("A", 1), (None, 2)))  # type: ignore[arg-type]
    assert lake.run("run").code == 3
    other = another_machine(lake)
    shown = other.run("show", "p", "s", "--failing", "not_null")
    assert shown.code == 0 and "2" in shown.out, shown.err
    lake.put("raw/a.json", lines(("A", 1)))
    retried = other.run("retry")
    assert retried.code == 0 and "done" in retried.err, retried.err
    assert lake.server.get(lake.bucket, "out/one.csv") == b"c,s\nA,1\n"
    assert "all pipelines of the last run of the project are done" in lake.run("retry").err


def test_another_machine_compares_the_rows_of_a_failed_run_and_documents_it(lake: Lake) -> None:
    run = failed_publish(lake)
    lake.put("raw/a.json", lines(("A", 1), ("B", 3), ("C", 4)))
    other = another_machine(lake)
    compared = other.run("diff", "p", run, "now", "--key", "c", "--json")
    assert compared.code == 1, compared.err
    assert {part: compared.json[part] for part in ("rows", "equal", "changed", "only_after")} == {
        "rows": [2, 3],
        "equal": 1,
        "changed": 1,
        "only_after": 1,
    }
    assert other.run("docs", "build").code == 0
    assert run in (other.project.folder / "build/docs/pipelines/p.html").read_text(encoding="utf-8")


def test_the_store_copies_the_staged_rows_into_the_table_and_they_are_uploaded_once(lake: Lake) -> None:
    path = pipeline(lake)
    lake.put("raw/a.json", lines(("A", 1)))
    lake.server.log()
    assert lake.run(path, "-q").code == 0
    (upload, copy) = [one for one in lake.server.log() if one.startswith(("PUT", "POST")) and "parquet" in one]
    assert upload.endswith("/stage/s/data_0.parquet") and "/out/t/etlrun-" in copy and copy.endswith(" (copy)")
    assert rows_of_table(lake) == ["A,1"]
    lake.put("raw/a.json", lines(("B", 2)))
    lake.server.fail({f"PUT /{lake.bucket}/out/t/etlrun-": "403 x1"})
    assert lake.run(path, "-q").code == 0
    assert rows_of_table(lake) == ["A,1", "B,2"]


@pytest.mark.parametrize(("account", "copies"), [("LAKE_KEY", 1), ("OTHER_KEY", 0)])
def test_the_store_copies_between_buckets_of_one_account(
    lake: Lake, account: str, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", "other")
    other = f"{lake.bucket}-{copies}"
    lake.server.make_bucket(other)
    path = pipeline(lake, PIPELINE.replace("BUCKET/out", f"{other}/out"))
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    (storage,) = re.findall("storage: {s3://[^:]+: (.*)}\n", settings)
    second = f"storage: {{s3://{other}: {storage.replace('LAKE_KEY', account)}, "
    lake.project.write("etlrun.yaml", settings.replace("storage: {", second))
    lake.put("raw/a.json", lines(("A", 1)))
    lake.server.log()
    done = lake.run(path, "-q")
    assert done.code == 0, done.err
    written = [one for one in lake.server.log() if one.startswith(("PUT", "POST")) and f"/{other}/out/t/etlrun-" in one]
    assert [one.endswith(" (copy)") for one in written] == [bool(copies)]


def test_a_run_of_another_machine_is_left_alone_for_ten_minutes(lake: Lake) -> None:
    run = failed_publish(lake)
    running = {**record(lake, run), "status": "running", "host": "another-machine", "pid": 1}
    lake.put(f"runs/{run}/run.json", json.dumps(running))
    lake.put(f"runs/{run}/heartbeat", "")
    refused = lake.run("resume", run)
    assert refused.code == 2 and "run-alive" in refused.err, refused.err
    lake.server.age(lake.bucket, 601)
    lake.put(f"runs/{run}/heartbeat", "")
    assert f"{run}  p         running" in lake.run("runs").out
    lake.server.age(lake.bucket, 601)
    assert f"{run}  p         killed" in lake.run("runs").out
    assert another_machine(lake).run("resume", run).code == 0
    assert rows_of_table(lake) == ["A,1", "B,2"]


def test_a_later_run_removes_from_the_store_what_old_and_killed_runs_left(lake: Lake) -> None:
    run = failed_publish(lake)
    old = {**record(lake, run), "run_id": OLD}
    killed = {**old, "run_id": f"{OLD[:-1]}b", "status": "running", "host": "another-machine", "staged": {}}
    for found in (old, killed):
        for name in ("stage/s/data_0.parquet", "failing/s.unique.parquet", "quarantine/s.jsonl", "heartbeat"):
            lake.put(f"runs/{found['run_id']}/{name}", "x")
        lake.put(f"runs/{found['run_id']}/run.json", json.dumps(found))
    lake.put(f"runs/{OLD[:-1]}c/heartbeat", "")
    lake.server.age(lake.bucket, 3601)
    assert another_machine(lake).run("pipelines/p.yaml", "-q").code == 0
    ids = (OLD[:-1],)
    left = {name for name in names(lake) if name.startswith(ids)}
    assert left == {f"{each}/{name}" for each in (OLD, killed["run_id"]) for name in ("run.json", "quarantine/s.jsonl")}
    assert record(lake, killed["run_id"])["status"] == "killed"
    assert f"{run}/stage/s/data_0.parquet" in names(lake)


def test_what_is_not_a_record_is_named_by_its_url_and_skipped(lake: Lake) -> None:
    path = pipeline(lake)
    lake.put("raw/a.json", lines(("A", 1)))
    lake.put(f"runs/{OLD}/run.json", "{")
    lake.put(f"runs/{OLD}/heartbeat", "")
    lake.put("runs/../run.json", "{}")
    done = lake.run(path)
    assert done.code == 0, done.err
    assert f"s3://{lake.bucket}/runs/{OLD}/run.json is not a run record and is skipped" in done.err
    assert f"remove s3://{lake.bucket}/runs/{OLD} if" in done.err
    assert not (lake.project.folder / ".etlrun/scratch/run.json").exists()


@pytest.mark.parametrize("name", ["/heartbeat", "/run.json", "/stage/"])
def test_a_store_that_refuses_a_run_stops_it_before_it_publishes(lake: Lake, name: str) -> None:
    path = pipeline(lake)
    lake.put("raw/a.json", lines(("A", 1)))
    lake.server.fail({name: "403"})
    failed = lake.run(path)
    assert failed.code == 1 and "Traceback" not in failed.err, failed.err
    assert failed.err.count("storage-refused") == 1 and f"s3://{lake.bucket}/runs/" in failed.err
    lake.server.fail({})
    assert "out/t" not in lake.server.ask("GET", f"/{lake.bucket}?list-type=2&prefix=out/").decode()
    assert lake.run(path).code == 0 and rows_of_table(lake) == ["A,1"]


def test_a_store_that_fails_after_the_publish_is_a_warning_and_nothing_is_published_twice(lake: Lake) -> None:
    path = pipeline(lake)
    lake.put("raw/a.json", lines(("A", 1)))
    lake.server.fail({f"DELETE /{lake.bucket}/runs/": "403"})
    done = lake.run(path)
    lake.server.fail({})
    assert done.code == 0 and "the end of this run could not be saved" in done.err, done.err
    assert "what it has published is complete" in done.err
    assert another_machine(lake).run(path).code == 0
    assert rows_of_table(lake) == ["A,1"]
    assert not any("stage" in name or "heartbeat" in name for name in names(lake))


def test_a_store_that_fails_for_a_moment_is_not_seen(lake: Lake) -> None:
    path = pipeline(lake)
    for number, name in enumerate(("run.json", "stage/", "list-type"), 1):
        lake.put("raw/a.json", lines(("A", number)))
        lake.server.fail({name: "503 x2"})
        assert lake.run(path, "-q").code == 0
    assert rows_of_table(lake) == ["A,1", "A,2", "A,3"]


def test_two_machines_that_run_at_once_both_publish_or_one_says_why_not(lake: Lake) -> None:
    path = pipeline(lake)
    lake.put("raw/a.json", lines(("A", 1)))
    keys = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}
    processes = [another_machine(lake).project.start(path, **keys) for _ in range(2)]
    ends = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert 0 in [code for _, code in ends], ends
    for err, code in ends:
        assert code == 0 or ("newer-run" in err and "Traceback" not in err), err
    assert rows_of_table(lake) == ["A,1"]


def test_a_bucket_that_does_not_exist_is_one_message(lake: Lake) -> None:
    path = pipeline(lake)
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    entry = settings[settings.index("{s3: ") : settings.index("}}") + 2]
    with_nowhere = settings.replace("storage: {", f"storage: {{s3://nowhere: {entry}, ")
    lake.project.write("etlrun.yaml", with_nowhere.replace(f"runs: s3://{lake.bucket}", "runs: s3://nowhere"))
    for command in (("runs",), (path,)):
        failed = lake.run(*command)
        assert failed.code != 0 and "missing-bucket" in failed.err and "Traceback" not in failed.err, failed.err
