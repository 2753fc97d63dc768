"""Google Cloud Storage: objects are read, and files are published, as with any other store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcs_server import GcsServer, gcs_server
from projects import Project

PIPELINE = """sources:
  s: {json: {path: "gcs://lake/raw/{date:yyyyMMdd}/*.json", dates: 2022-04-01..2022-04-02, columns: {c: string, s: bigint}}}
sinks:
  one: {files: {from: s, path: gs://lake/out/one.csv}}
  set: {files: {from: s, path: gs://lake/out/set/, partition_by: [date], format: csv}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[GcsServer]:
    with gcs_server() as found:
        yield found


def test_days_are_read_and_files_are_published(server: GcsServer, tmp_path: Path) -> None:
    server.make_bucket("lake")
    for day in (1, 2):
        server.put("lake", f"raw/2022040{day}/part 0%+é.json", b'{"c": "A", "s": %d}\n' % day)
    project = Project(tmp_path)
    settings = f"gcs: {{endpoint: '{server.url}', anonymous: true, timeout: 10}}"
    project.write("etlrun.yaml", f"storage: {{gs://lake: {{{settings}}}}}\nprofiles: {{fast: {{}}}}\n")
    pipeline = project.pipeline(PIPELINE)
    assert "listed 1 name" in project.run("doctor").out
    for _ in range(2):
        done = project.run(pipeline)
        assert done.code == 0, done.err
    assert server.get("lake", "out/one.csv") == b"c,s,date\nA,1,2022-04-01\nA,2,2022-04-02\n"
    pointer = json.loads(server.get("lake", "out/set/_etlrun/current.json"))
    assert [file["path"] for file in pointer["files"]] == [f"date=2022-04-0{day}/part-0.csv" for day in (1, 2)]
    path = f"out/set/{pointer['folder']}/{pointer['files'][1]['path']}"
    assert server.get("lake", path) == b"c,s\nA,2\n" and len(pointer["earlier"]) == 1


RUNS = """sources:
  s: {json: {path: "gs://RUNS/raw/*.json", columns: {c: string, s: bigint}}}
sinks:
  one: {files: {from: s, path: gs://RUNS/out/one.csv, min_rows: 2}}
"""


def test_runs_are_seen_continued_and_swept_by_another_machine(server: GcsServer, tmp_path: Path) -> None:
    server.make_bucket("several")
    server.put("several", "raw/a.json", b'{"c": "A", "s": 1}\n')
    machines = [Project(tmp_path / name) for name in ("one", "other")]
    settings = f"storage: {{gs://several: {{gcs: {{endpoint: '{server.url}', anonymous: true, timeout: 10}}}}}}"
    for machine in machines:
        machine.write("etlrun.yaml", f"runs: gs://several/runs\n{settings}\nprofiles: {{fast: {{}}}}\n")
        machine.pipeline(RUNS.replace("RUNS", "several"))
    one, other = machines
    refused = one.run("p", "--json")
    run = refused.json["run_id"]
    assert (refused.code, refused.json["error"]["code"]) == (1, "too-few-rows"), refused.err
    assert f"{run}  p         failed" in other.run("runs").out
    assert "too-few-rows" in other.run("resume", run).err
    server.put("several", "raw/a.json", b'{"c": "A", "s": 1}\n{"c": "B", "s": 2}\n')
    done = other.run("p")
    assert done.code == 0, done.err
    assert server.get("several", "out/one.csv") == b"c,s\nA,1\nB,2\n"
    assert one.run("runs").out.count("done") == 1
    assert not [name for name in server.names("several", "runs/") if "heartbeat" in name]
