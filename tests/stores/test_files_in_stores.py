"""Files and folders of files that are published to a store: a reader sees the old ones or the new ones, whatever the store answers."""

from __future__ import annotations

import json
from typing import Any

from store_projects import Lake, lines

SINKS = """sources:
  s: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string, s: bigint}}}
sinks:
  one: {files: {from: s, path: s3://BUCKET/out/one.csv}}
  set: {files: {from: s, path: s3://BUCKET/out/set/, partition_by: [c], format: json}}
"""


def pointer(lake: Lake) -> Any:
    return json.loads(lake.server.get(lake.bucket, "out/set/_etlrun/current.json"))


def published(lake: Lake) -> dict[str, str]:
    """What a reader of the pointer finds: the text of each file."""
    said = pointer(lake)
    return {
        file["path"]: lake.server.get(lake.bucket, f"out/set/{said['folder']}/{file['path']}").decode()
        for file in said["files"]
    }


def test_an_object_and_a_set_of_files_are_replaced_at_once_and_a_failure_leaves_the_old_ones(lake: Lake) -> None:
    pipeline = lake.project.pipeline(SINKS.replace("BUCKET", lake.bucket))
    lake.put("raw/a.json", lines(("A", 1), ("B", 2)))
    assert f"writes the files of s3://{lake.bucket}/out/set/" in lake.run("plan", pipeline).out
    first = lake.run(pipeline)
    assert first.code == 0, first.err
    old = {"c=A/part-0.json": '{"s":1}\n', "c=B/part-0.json": '{"s":2}\n'}
    assert published(lake) == old and lake.server.get(lake.bucket, "out/one.csv") == b"c,s\nA,1\nB,2\n"
    lake.put("raw/a.json", lines(("A", 7)))
    for path in (".etlrun-", "part-0.json", "current.json"):
        lake.server.fail({path: "closed"})
        failed = lake.run(pipeline, "--json")
        assert failed.code == 1 and "etlrun resume" in failed.err and "Traceback" not in failed.err, failed.err
        assert published(lake) == old
    assert lake.server.get(lake.bucket, "out/one.csv") == b"c,s\nA,7\n"
    lake.server.fail({})
    resumed = lake.run("resume", failed.json["run_id"])
    assert resumed.code == 0, resumed.err
    assert published(lake) == {"c=A/part-0.json": '{"s":7}\n'}
    listed = lake.server.ask("GET", f"/{lake.bucket}?list-type=2&prefix=out/.").decode()
    assert "<KeyCount>0<" in listed


def test_an_empty_text_is_no_partition_and_foreign_objects_stay(lake: Lake) -> None:
    lake.put("raw/a.json", lines(("", 1)))
    pipeline = lake.project.pipeline(SINKS.replace("BUCKET", lake.bucket))
    failed = lake.run(pipeline)
    assert failed.code != 0 and "`c` contains an empty text" in failed.err
    lake.put("out/set/mine.txt", "mine")
    failed = lake.run(pipeline)
    assert failed.code != 0 and f"s3://{lake.bucket}/out/set already has other files" in failed.err


READER = """sources:
  s: {files: {path: s3://BUCKET/out/set, columns: {c: string, s: bigint}}}
sinks:
  out: {files: {from: s, path: out.csv, order: [s]}}
"""


def test_a_source_reads_the_set_that_the_pointer_names(lake: Lake) -> None:
    writer = lake.project.pipeline(SINKS.replace("BUCKET", lake.bucket).replace(", format: json", ""), "writer")
    reader = lake.project.pipeline(READER.replace("BUCKET", lake.bucket), "reader")
    assert "missing-table: no sink `files` has published to the folder s3://" in lake.run(reader).err
    for rows in ([("A", 1), ("B", 2)], [("A", 3), (None, 4)]):
        lake.put("raw/a.json", lines(*rows))
        assert lake.run(writer).code == 0
        result = lake.run(reader)
        assert result.code == 0, result.err
        assert lake.rows() == [f"{c or ''},{s}" for c, s in rows]
    for fault in ({"part-0": "half"}, {"part-0": "403"}, {"current.json": "403"}):
        lake.server.fail(fault)
        failed = lake.run(reader)
        assert failed.code == 1 and "Traceback" not in failed.err, failed.err
        assert "storage-failed" in failed.err or "storage-refused" in failed.err, failed.err
        assert lake.rows() == ["A,3", ",4"]
    lake.server.fail({})


def test_an_object_that_a_killed_run_uploaded_and_did_not_move_is_removed_after_a_week(lake: Lake) -> None:
    pipeline = lake.project.pipeline(SINKS.replace("BUCKET", lake.bucket))
    lake.put("raw/a.json", lines(("A", 1)))
    for key in (".etlrun-20220501T000000Z-00000a-0a1b2c3d/one.csv", ".etlrun-mine/one.csv"):
        lake.put(f"out/{key}", "x")
    assert lake.run(pipeline).code == 0
    listed = lake.server.ask("GET", f"/{lake.bucket}?list-type=2&prefix=out/.").decode()
    assert "<KeyCount>2<" in listed
    lake.server.age(lake.bucket, 8 * 24 * 3600)
    lake.put("raw/a.json", lines(("A", 2)))
    assert lake.run(pipeline).code == 0
    listed = lake.server.ask("GET", f"/{lake.bucket}?list-type=2&prefix=out/.").decode()
    assert "<KeyCount>1<" in listed and ".etlrun-mine/one.csv" in listed
