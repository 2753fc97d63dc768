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
