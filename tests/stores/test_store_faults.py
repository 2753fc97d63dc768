"""A store that answers late, by half or not at all: no wrong table, one clear message, and nothing at all where the fault passes."""

from __future__ import annotations

import subprocess

import pytest
from store_projects import Lake, lines, new_lake

SINKS = {
    "one": "{files: {from: s, path: s3://BUCKET/out/one.csv}}",
    "set": "{files: {from: s, path: s3://BUCKET/out/set/, format: parquet}}",
    "table": "{delta: {from: s, path: s3://BUCKET/out/t, write: WRITE}}",
}
WRITER = """sources:
  s: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string not null, s: bigint}}}
sinks:
"""
READER = """sources:
  t: {KIND: {path: s3://BUCKET/out/PLACE, columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: t, path: out.csv}}
"""
KEYS = {"LAKE_KEY": "key", "LAKE_SECRET": "secret"}


def writer(lake: Lake, *sinks: str, write: str = "replace") -> str:
    listed = "".join(f"  {name}: {SINKS[name]}\n" for name in sinks)
    return lake.project.pipeline((WRITER + listed).replace("BUCKET", lake.bucket).replace("WRITE", write))


def reader(lake: Lake, kind: str) -> str:
    """A pipeline that reads the table, or the set of files."""
    text = READER.replace("KIND", kind).replace("PLACE", "t" if kind == "delta" else "set/")
    return lake.project.pipeline(text.replace("BUCKET", lake.bucket), f"reader_{kind}")


def rows_of(lake: Lake, kind: str) -> list[str]:
    lake.server.fail({})
    done = lake.run(reader(lake, kind))
    assert done.code == 0, done.err
    return sorted(lake.rows())


def be_impatient(lake: Lake) -> None:
    """Let a request take a second."""
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    lake.project.write("etlrun.yaml", settings.replace("region: us-east-1", "region: us-east-1, timeout: 1"))


@pytest.mark.parametrize("fault", ["503 x2", "lost x1"])
def test_a_fault_that_passes_is_not_seen(lake: Lake, fault: str) -> None:
    pipeline = writer(lake, *SINKS)
    lake.put("raw/a.json", lines(("A", 0)))
    assert lake.run(pipeline, "-q").code == 0
    keys = ("raw/a.json", "PUT", "current.json", "_delta_log/00000000000000000004.json")
    for number, key in enumerate(keys, 1):
        lake.put("raw/a.json", lines(("A", number)))
        lake.server.fail({key: fault})
        done = lake.run(pipeline)
        assert done.code == 0, f"{key}: {done.err}"
        assert lake.server.get(lake.bucket, "out/one.csv") == f"c,s\nA,{number}\n".encode()
    assert rows_of(lake, "delta") == rows_of(lake, "files") == [f"A,{len(keys)}"]


@pytest.mark.parametrize("fault", ["503", "half", "slow"])
def test_a_source_that_a_store_gives_by_half_or_late_or_not_is_one_message(lake: Lake, fault: str) -> None:
    be_impatient(lake)
    lake.put("raw/a.json", lines(*((f"shop {number}", number) for number in range(500))))
    assert lake.run(writer(lake, "set", "table"), "-q").code == 0
    for kind, key in (("delta", "_delta_log/"), ("delta", "t/etlrun-"), ("files", "current.json"), ("files", "part-0")):
        lake.server.fail({key: fault})
        done = lake.run(reader(lake, kind))
        assert done.code == 1, (key, done.out)
        assert done.err.count("storage-failed: ") == 1 and f"s3://{lake.bucket}/out/" in done.err, (key, done.err)
        assert "Traceback" not in done.err and not (lake.project.folder / "out.csv").exists()
    assert len(rows_of(lake, "delta")) == len(rows_of(lake, "files")) == 500


@pytest.mark.parametrize("fault", ["503", "cut"])
def test_a_publish_that_a_store_does_not_take_leaves_the_old_rows_and_a_resume_ends_it(lake: Lake, fault: str) -> None:
    be_impatient(lake)
    lake.put("raw/a.json", lines(("A", 1)))
    for kind, sink, keys in (
        ("files", "set", ("set/_2", f"PUT /{lake.bucket}/out/set/_etlrun/current.json")),
        ("delta", "table", ("t/etlrun-", f"PUT /{lake.bucket}/out/t/_delta_log/00000000000000000002.json")),
    ):
        pipeline = writer(lake, sink)
        assert lake.run(pipeline, "-q").code == 0
        for number, key in enumerate(keys, 2):
            lake.put("raw/a.json", lines(("A", number)))
            lake.server.fail({key: fault})
            done = lake.project.run(pipeline, "--json", **KEYS)
            assert done.code in (1, 4) and "Traceback" not in done.err, (key, done.err)
            assert done.json["error"]["code"] in ("storage-failed", "publish-unknown"), done.out
            assert rows_of(lake, kind) in ([f"A,{number - 1}"], [f"A,{number}"]), key
            resumed = lake.run("resume", done.json["run_id"])
            assert resumed.code == 0, (key, resumed.err)
            assert rows_of(lake, kind) == [f"A,{number}"]
        lake.put("raw/a.json", lines(("A", 1)))


@pytest.mark.parametrize("write", ["replace", "append"])
def test_two_runs_that_commit_the_same_version_are_both_in_the_log_or_one_says_why_not(lake: Lake, write: str) -> None:
    lake.put("raw/a.json", lines(("A", 1)))
    assert lake.run(writer(lake, "table", write=write), "-q").code == 0
    other = new_lake(lake.server, lake.project.folder / "other", lake.bucket)
    text = (lake.project.folder / "pipelines/p.yaml").read_text().replace("pipeline: p\n", "")
    ours = lake.project.pipeline(text.replace("*.json", "b.json"))
    theirs = other.project.pipeline(text.replace("*.json", "c.json"), "q")
    lake.put("raw/b.json", lines(("B", 2)))
    lake.put("raw/c.json", lines(("C", 3)))
    lake.server.fail({"_delta_log/00000000000000000001.json": "meet"})
    processes = [each.project.start(path, **KEYS) for each, path in ((lake, ours), (other, theirs))]
    ends = [_end(process) for process in processes]
    done = {row for row, (code, _) in zip(("B,2", "C,3"), ends, strict=True) if code == 0}
    for code, err in ends:
        assert code == 0 or ("newer-run" in err and "Traceback" not in err), err
    assert done
    found = rows_of(lake, "delta")
    assert found == sorted({"A,1", *done}) if write == "append" else found in [[row] for row in done]


def _end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, err = process.communicate(timeout=120)
    return process.returncode, err
