"""Sources in an object store: what a run reads, asks, keeps and says is what it would be with files on a disk."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_projects import FILES, Lake, lines

LOGS = """sources:
  logs:
    json:
      path: s3://BUCKET/raw/{date:yyyyMMdd}/*.json.gz
      dates: 2022-04-01..2022-04-0DAYS
      columns: {c: string not null, s: bigint}
steps:
  per:
    - from: logs
    - aggregate: {by: date, columns: {s: sum(s), n: count(*)}}
sinks:
  per_day: {table: {connection: warehouse, table: per_day, from: per, write: replace}}
"""


def test_days_of_logs_are_read_skipped_added_to_and_corrected(lake: Lake) -> None:
    for day in (1, 2):
        lake.put(f"raw/2022040{day}/part 0%20+#é=.json.gz", lines(("A", day), ("B", 10)))
    lake.put("raw/20220401/deep/k=v/1.json.gz", lines(("A", 1)))
    lake.put("raw/20220402/_SUCCESS", "")
    lake.put("raw/20220402/1.json.gz", lines(("A", 1), ("A", "x"), *(("C", 0) for _ in range(200))))
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    lake.project.write("etlrun.yaml", "hash_inputs: true\n" + settings)
    pipeline = lake.project.pipeline(LOGS.replace("BUCKET", lake.bucket).replace("DAYS", "2"))
    first = lake.run(pipeline, "--json")
    assert first.code == 0, first.err
    assert lake.project.table("per_day")[1][1:] == (13, 203)
    assert first.json["sources"]["logs"] == {"rows": 205, "bad_rows": 1, "files": 3}
    (run,) = (lake.project.folder / ".etlrun" / "runs").iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["inputs.json", "quarantine", "run.json"]
    (broken,) = (run / "quarantine" / "logs.jsonl").read_text().splitlines()
    assert json.loads(broken)["file"] == f"s3://{lake.bucket}/raw/20220402/1.json.gz"
    inputs = json.loads((run / "inputs.json").read_text())
    names = [found["path"].removeprefix(f"s3://{lake.bucket}/raw/") for found in inputs]
    assert names == ["20220401/part 0%20+#é=.json.gz", "20220402/1.json.gz", "20220402/part 0%20+#é=.json.gz"]
    assert all(len(found["sha256"]) == 64 and found["rows"] for found in inputs)
    assert "unchanged" in lake.run("plan").out
    lake.put("raw/20220402/2.json.gz", lines(("D", 5)))
    assert "`logs` has 4 files instead of 3" in lake.run("plan").out
    again = lake.run(pipeline)
    assert (again.code, lake.project.table("per_day")[1][1:]) == (0, (18, 204))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("raw/a.json", ["1"]),
        ("raw/g.json", ["4"]),
        ("raw", ["1", "2", "3", "4", "5"]),
        ("raw/*.json", ["1", "3"]),
        ("raw/*/*.json", ["2"]),
        ("r*/[ab*", ["3"]),
        ("raw/s*/", ["2"]),
        ("raw/_m*", ["6"]),
    ],
)
def test_only_what_the_path_says_is_read(lake: Lake, path: str, found: list[str]) -> None:
    keys = ["raw/a.json", "raw/sub/b.json", "raw/[ab].json", "raw/g.json.gz", "raw/d/%2A", "raw/_m.json", "raw.json"]
    for number, key in enumerate(keys, 1):
        lake.put(key, lines((str(number), 0)))
    done = lake.run(lake.files(path))
    assert done.code == 0, done.err
    assert [row[0] for row in lake.rows()] == found


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_kind_of_files_is_read(lake: Lake, kind: str) -> None:
    if kind == "csv":
        lake.put("t/1 é.csv", "c,s\nA,1\n")
        lake.put("t/2.csv.gz", "s,c\n2,B\n")
    else:
        for number, name in enumerate("AB"):
            stream = io.BytesIO()
            pq.write_table(pa.table({"c": [name], "s": pa.array([number + 1], pa.int64())}), stream)
            lake.server.put(lake.bucket, f"t/c=x/{number}.parquet", stream.getvalue())
    done = lake.run(lake.files("t/", kind))
    assert (done.code, lake.rows()) == (0, ["A,1", "B,2"]), done.err
    assert not list(lake.project.folder.glob(".etlrun/runs/*/sources"))


def test_a_parquet_file_with_a_damaged_page_is_named_by_its_url(lake: Lake) -> None:
    stream = io.BytesIO()
    pq.write_table(pa.table({"c": ["A" * 5000], "s": [1]}), stream, compression="zstd", use_dictionary=False)
    content = bytearray(stream.getvalue())
    content[20:60] = bytes(40)
    lake.server.put(lake.bucket, "t/bad.parquet", bytes(content))
    done = lake.run(lake.files("t/*.parquet", "parquet"))
    assert done.code == 1
    assert f"damaged-file: s3://{lake.bucket}/t/bad.parquet: the engine cannot read the file" in done.err


def test_ten_thousand_objects_are_found_by_twelve_requests(lake: Lake) -> None:
    lake.server.pretend(lake.bucket, 10_000)
    lake.server.log()
    done = lake.run("plan", lake.files("many/*.json"))
    assert "10,000 json files" in done.out
    asked = lake.server.log()
    assert len(asked) <= 12 and {request.split(" ", 1)[0] for request in asked} == {"GET"}


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ("403", "storage-refused", "the store denies access"),
        ("503", "storage-failed", "the store did not answer correctly"),
        ("half", "storage-failed", "the store did not answer correctly"),
        ("grows", "changed-file", "the object changed while the run read it"),
        ("swapped", "changed-file", "the object changed while the run read it"),
    ],
)
def test_a_store_that_fails_ends_the_run_and_nothing_is_published(lake: Lake, fault: str, code: str, said: str) -> None:
    lake.put("raw/a.json", lines(("A", 1)))
    lake.put("raw/b.json", lines(("B", 2)))
    lake.server.fail({"raw/b.json": fault})
    done = lake.run(lake.files("raw/*.json"))
    assert done.code == 1
    assert f"{code}: s3://{lake.bucket}/raw/b.json: {said}" in done.err
    assert "Traceback" not in done.err and "secret" not in done.err
    assert not (lake.project.folder / "out.csv").exists()
    assert not list(lake.project.folder.glob(".etlrun/runs/*/sources"))


def test_an_object_that_is_replaced_behind_the_run_is_a_failure(lake: Lake) -> None:
    lake.put("raw/a.json", lines(("A", 1)))
    lake.server.fail({"raw/a.json": "replaced"})
    done = lake.run(lake.files("raw/*.json"))
    assert done.code == 1 and f"changed-file: s3://{lake.bucket}/raw/a.json" in done.err
    assert not (lake.project.folder / "out.csv").exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("raw/*.json", "missing-file: `s`: there is no such file: s3://BUCKET/raw/*.json"),
        ("raw/a.json", "missing-file: `s`: there is no such file: s3://BUCKET/raw/a.json"),
        (
            "broken/x.json.gz",
            "wrong-format: `s`: the name ends in .gz, but the file is not gzip: s3://BUCKET/broken/x.json.gz",
        ),
        (
            "twice/",
            "bad-file-name: `s`: the object's key has `//`, `.`, `..` or a control character: s3://BUCKET/twice//b.json",
        ),
        ("empty/*", "empty-file: `s`: the file is empty: s3://BUCKET/empty/e.json"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_url(lake: Lake, path: str, said: str) -> None:
    lake.server.put(lake.bucket, "broken/x.json.gz", b"no gzip")
    lake.server.put(lake.bucket, "twice//b.json", b"{}")
    lake.server.put(lake.bucket, "empty/e.json", b"")
    done = lake.run(lake.files(path))
    assert done.code == 1 and said.replace("BUCKET", lake.bucket) in done.err, done.err


def test_a_bucket_that_is_not_there_is_said_by_plan_run_and_doctor(lake: Lake) -> None:
    settings = (lake.project.folder / "etlrun.yaml").read_text().replace(lake.bucket, "nowhere")
    lake.project.write("etlrun.yaml", settings)
    pipeline = lake.project.pipeline(FILES.replace("PATH", "s3://nowhere/raw/*.json").replace("KIND", "json"), "files")
    for command in (("plan", pipeline), (pipeline,), ("doctor",)):
        done = lake.run(*command)
        assert done.code == 1 and "there is no bucket or container `nowhere`" in done.out + done.err


def test_doctor_asks_each_store(lake: Lake) -> None:
    lake.put("raw/a.json", "{}")
    assert f"ok       store s3://{lake.bucket}: listed 1 name in" in lake.run("doctor").out
    unset = lake.project.run("doctor", LAKE_KEY="key")
    assert f"TROUBLE  store s3://{lake.bucket}: the environment variable `LAKE_SECRET` is not set" in unset.out


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_an_object_whose_part_is_whole_costs_no_request_of_its_own(lake: Lake, kind: str) -> None:
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    lake.project.write("etlrun.yaml", "hash_inputs: true\n" + settings.replace("{fast: {", "{fast: {parts: {}, "))
    texts = {name: lines((name, 1)) if kind == "json" else f"c,s\n{name},1\n" for name in "ABC"}
    for name, text in texts.items():
        lake.put(f"raw/{name}.{kind}", text)
    lake.server.age(lake.bucket, 3600)
    pipeline = lake.files(f"raw/*.{kind}", kind)
    first = lake.run(pipeline)
    assert first.code == 0, first.err
    lake.server.log()
    second = lake.run(pipeline)
    assert (second.code, lake.rows()) == (0, [f"{name},1" for name in "ABC"]), second.err
    assert [asked.split("?")[0] for asked in lake.server.log()] == [f"GET /{lake.bucket}"] * 2
    runs = sorted((lake.project.folder / ".etlrun" / "runs").glob("2*"))
    before, after = (json.loads((run / "inputs.json").read_text()) for run in runs)
    assert before == after and all(len(found["sha256"]) == 64 for found in after)
    (broken, *_) = (lake.project.folder / ".etlrun" / "runs" / "parts").glob("*/account.json")
    broken.write_text("half")
    lake.put(f"raw/D.{kind}", texts["A"].replace("A", "D"))
    lake.server.log()
    third = lake.run(pipeline, "--json")
    assert third.json["sources"]["s"]["cached"] == 2 and len(lake.rows()) == 4
    assert len([asked for asked in lake.server.log() if asked.startswith("GET") and "list-type" not in asked]) == 2


def test_an_object_that_is_something_else_is_explained_by_its_bytes_whether_it_has_a_part_or_not(lake: Lake) -> None:
    settings = (lake.project.folder / "etlrun.yaml").read_text()
    lake.project.write("etlrun.yaml", settings.replace("{fast: {", "{fast: {parts: {}, "))
    lake.put("raw/a.json", '{\n"c": "A",\n"s": 1\n}\n')
    lake.server.age(lake.bucket, 3600)
    pipeline = lake.files("raw/*.json")
    first, second = (lake.run(pipeline) for _ in range(2))
    assert first.code == second.code == 1
    for found in (first, second):
        assert "the file is pretty-printed JSON" in found.err
