"""Azure's storage of blobs: objects are read, files and tables are published, and runs are kept, as with any other store.

`make azure` runs these tests. They are no part of `make test`, because the server takes 360 MB of packages.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from azurite_server import ACCOUNT, KEY, AzuriteServer, azurite_server

from projects import Project

DATES = "dates: 2022-04-01..2022-04-02"
PIPELINE = """sources:
  s: {json: {path: "URL/raw/{date:yyyyMMdd}/*.json", DATES, columns: {c: string, s: bigint}}}
sinks:
  one: {files: {from: s, path: URL/out/one.csv}}
  set: {files: {from: s, path: URL/out/set/, partition_by: [date], format: csv}}
  table: {delta: {from: s, path: URL/out/t, write: append, partition_by: [c]}}
"""
READER = """sources:
  t: {delta: {path: URL/out/t, columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: t, path: out.csv}}
"""
CHECKED = """sources:
  s: {json: {path: URL/raw/*.json, columns: {c: string, s: bigint}}}
sinks:
  one: {files: {from: s, path: URL/out/one.csv, min_rows: 2}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[AzuriteServer]:
    with azurite_server() as found:
        yield found


def machine(server: AzuriteServer, folder: Path, container: str, runs: str = "") -> Project:
    """A project that reads and writes a container."""
    url = f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net"
    found = Project(folder)
    settings = f"azure: {{endpoint: 'http://127.0.0.1:{server.port}', account_key: '${{AZURE_KEY}}'}}"
    kept = f"runs: {url}/{runs}\n" if runs else ""
    found.write("etlrun.yaml", f"{kept}storage: {{{url}: {{{settings}}}}}\nprofiles: {{fast: {{}}}}\n")
    for name, text in (("p", PIPELINE), ("reader", READER), ("checked", CHECKED)):
        found.pipeline(text.replace("URL", url).replace("DATES", DATES), name)
    return found


def test_days_are_read_and_files_and_tables_are_published(server: AzuriteServer, tmp_path: Path) -> None:
    server.make_container("lake")
    for day in (1, 2):
        server.put(f"lake/raw/2022040{day}/part 0%+é.json", b'{"c": "A", "s": %d}\n' % day)
    project = machine(server, tmp_path, "lake")
    assert "listed 1 name" in project.run("doctor", AZURE_KEY=KEY).out
    for _ in range(2):
        done = project.run("p", AZURE_KEY=KEY)
        assert done.code == 0 and KEY not in done.err, done.err
    assert server.get("lake/out/one.csv") == b"c,s,date\nA,1,2022-04-01\nA,2,2022-04-02\n"
    pointer = json.loads(server.get("lake/out/set/_etlrun/current.json"))
    path = f"lake/out/set/{pointer['folder']}/{pointer['files'][1]['path']}"
    assert server.get(path) == b"c,s\nA,2\n" and len(pointer["earlier"]) == 1
    read = project.run("reader", AZURE_KEY=KEY)
    assert read.code == 0 and (tmp_path / "out.csv").read_text() == "c,s\nA,1\nA,2\n", read.err
    for wrong in ("no key", KEY.replace("a", "b")):
        for name in ("p", "reader"):
            refused = project.run(name, AZURE_KEY=wrong)
            assert refused.code == 1 and "storage-refused" in refused.err and "Traceback" not in refused.err, (
                refused.err
            )


def test_runs_are_seen_continued_and_swept_by_another_machine(server: AzuriteServer, tmp_path: Path) -> None:
    server.make_container("several")
    server.put("several/raw/a.json", b'{"c": "A", "s": 1}\n')
    one, other = (machine(server, tmp_path / name, "several", "runs") for name in ("one", "other"))
    refused = one.run("checked", "--json", AZURE_KEY=KEY)
    run = refused.json["run_id"]
    assert (refused.code, refused.json["error"]["code"]) == (1, "too-few-rows"), refused.err
    assert f"{run}  checked" in other.run("runs", AZURE_KEY=KEY).out
    assert "too-few-rows" in other.run("resume", run, AZURE_KEY=KEY).err
    server.put("several/raw/b.json", b'{"c": "B", "s": 2}\n')
    done = other.run("checked", AZURE_KEY=KEY)
    assert done.code == 0, done.err
    assert server.get("several/out/one.csv") == b"c,s\nA,1\nB,2\n"
    assert one.run("runs", AZURE_KEY=KEY).out.count("done") == 1
    assert not [name for name in server.names("several/runs") if "heartbeat" in name]
