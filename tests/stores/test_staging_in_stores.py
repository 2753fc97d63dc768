"""Runs whose executors hand over rows through the store of the runs: the rows of DuckDB, and no row on the disk of the driver that it does not need."""

from __future__ import annotations

import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from store_projects import Lake, lines, with_runs
from wide_parquet import WIDE, wide_files

from projects import Result

SPARK = 'apart: {engine: {spark: {master: "local[2]", memory: 1g, read: tasks, staging: store}}, connections: {warehouse: {duckdb: apart.duckdb}, CATALOG}}'
SPEC = """sources:
  s: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string, s: bigint}, max_bad_rows: 0.9}}
  q: {parquet: {path: s3://BUCKET/pq/*.parquet, columns: {c: string, v: "decimal(9,2)", at: timestamp, tags: "array<string>"}}}
steps:
  totals:
    - from: s
    - aggregate: {by: c, columns: {n: count(*), t: sum(s)}}
  joined:
    - from: totals
    - join: {with: q, on: c, columns: [v, at, tags]}
    - python: {function: "more:twice", mode: batches, where: executors, columns: {c: string, n: bigint, t: bigint, v: "decimal(9,2)", at: timestamp, tags: "array<string>"}}
  mine:
    - from: joined
    - python: {function: "more:whole", columns: {c: string, n: bigint}}
  divided:
    - from: joined
    - replace: {c: "nullif(c, 'A')", t: "t % 2"}
  nobody:
    - from: joined
    - filter: n < 0
    - derive: {"a.b `c`": n}
    - select: [c, n, "a.b `c`"]
checks:
  joined: [{not_null: [c]}, {unique: [c]}]
sinks:
  lake: {delta: {from: joined, path: s3://BUCKET/out/t, write: replace}}
  divided: {delta: {from: divided, path: s3://BUCKET/out/divided, write: replace, partition_by: [C, t]}}
  ice: {iceberg: {from: divided, connection: catalog, table: t.ice, write: replace, partition_by: [c, t]}}
  whole: {files: {from: joined, path: out.parquet}}
  table: {table: {from: mine, connection: warehouse, write: replace, key: [c]}}
  empty: {files: {from: nobody, path: nobody.csv, min_rows: 0}}
"""
FUNCTIONS = """
import pyarrow as pa

def twice(batches):
    for batch in batches:
        yield batch.set_column(1, "n", pa.array([2 * value for value in batch["n"].to_pylist()], pa.int64()))

def whole(rows):
    return rows.select(["c", "n"])
"""
READER = """sources:
  t: {delta: {path: s3://BUCKET/out/t, columns: {c: string, n: bigint, v: "decimal(9,2)"}}}
  d: {delta: {path: s3://BUCKET/out/divided, columns: {c: string, n: bigint, t: bigint, v: "decimal(9,2)"}}}
  i: {iceberg: {connection: catalog, table: t.ice, columns: {c: string, n: bigint, t: bigint, v: "decimal(9,2)"}}}
sinks:
  out: {files: {from: t, path: lake.csv}}
  delta: {files: {from: d, path: delta.csv}}
  ice: {files: {from: i, path: ice.csv}}
"""


@pytest.fixture
def apart(lake: Lake) -> Lake:
    """A project with a profile whose executors hand over rows through the store."""
    return with_rows(lake, SPARK)


def with_rows(lake: Lake, profiles: str) -> Lake:
    """Give a project rows to read, functions, and profiles."""
    project = with_runs(lake).project
    settings = (project.folder / "etlrun.yaml").read_text()
    catalog = f"catalog: {{iceberg: {{uri: 'sqlite:///catalog.db', warehouse: 's3://{lake.bucket}/ice'}}}}"
    settings = settings.replace("{duckdb: warehouse.duckdb}", f"{{duckdb: warehouse.duckdb}}, {catalog}")
    project.write(
        "etlrun.yaml", settings.replace("profiles: {", f"profiles: {{{profiles.replace('CATALOG', catalog)}, ")
    )
    project.write("more.py", FUNCTIONS)
    for number in range(3):
        rows = ((letter, number + place) for place, letter in enumerate("ABCDé" * 20))
        lake.put(f"raw/{number}.json", lines(*rows) + "broken\n")
        lake.server.put(lake.bucket, f"pq/{number}.parquet", parquet("ABCDé"[2 * number : 2 * number + 2]))
    return lake


def parquet(letters: str) -> bytes:
    """A Parquet file with a row for each letter."""
    table = pa.table(
        {
            "c": list(letters),
            "v": pa.array([1.5] * len(letters), pa.float64()).cast(pa.decimal128(9, 2)),
            "at": pa.array([1_650_000_000_123_456] * len(letters), pa.timestamp("us")),
            "tags": pa.array([["x", None]] * len(letters), pa.list_(pa.string())),
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue()


def left_in_runs(lake: Lake, *, whole: bool = False) -> set[str]:
    """What is in the store below the folders of runs; or, if `whole`, below `runs:`."""
    listed = lake.server.ask("GET", f"/{lake.bucket}?list-type=2&prefix=runs/").decode()
    found = re.findall("<Key>runs/([^<]+)</Key>", listed)
    names = found if whole else [name.partition("/")[2] for name in found]
    return {name for name in names if name}


def published(lake: Lake, profile: str) -> list[object]:
    """What a run with a profile has published."""
    path = lake.project.pipeline(SPEC.replace("BUCKET", lake.bucket))
    done = lake.run(path, "--profile", profile)
    assert done.code == 0, done.err
    assert "3 of 303 records cannot be read" in done.err
    reader = lake.run(lake.project.pipeline(READER.replace("BUCKET", lake.bucket), "reader"), "-q", "--profile", "fast")
    assert reader.code == 0, reader.err
    folder = lake.project.folder
    rows = pq.read_table(folder / "out.parquet")
    return [
        list(rows.schema),
        rows.to_pylist(),
        *((folder / name).read_text() for name in ("lake.csv", "nobody.csv", "delta.csv", "ice.csv")),
    ]


def test_rows_are_those_of_duckdb_and_nothing_is_left(apart: Lake) -> None:
    expected = published(apart, "fast")
    apart.server.log()
    assert published(apart, "apart") == expected
    copied = [one.split("/")[2:4] for one in apart.server.log() if one.endswith(" (copy)")]
    assert {tuple(place) for place in copied} == {("out", "t"), ("out", "divided"), ("ice", "t")}, copied
    assert len(expected[1]) == 5  # type: ignore[arg-type]
    assert left_in_runs(apart) == {"run.json", "inputs.json", "quarantine/s.jsonl"}
    scratch = apart.project.folder / ".etlrun"
    assert not list(scratch.rglob("*.parquet"))


def test_a_row_of_every_type_in_parquet_files_is_that_of_duckdb(apart: Lake) -> None:
    for name, content in wide_files().items():
        apart.server.put(apart.bucket, f"wide/{name}", content)
    columns = {
        name: {"type": item.type, "path": item.path, "optional": item.optional} for name, item in WIDE.columns.items()
    }
    source = {"path": f"s3://{apart.bucket}/wide", "columns": columns, "partitions": {"dt": "date", "kind": "string"}}
    sink = {"files": {"from": "w", "path": "wide.parquet"}}
    settings = (apart.project.folder / "etlrun.yaml").read_text()
    apart.project.write("etlrun.yaml", f"hash_inputs: true\n{settings}")
    spec = f"sources: {{w: {{parquet: {json.dumps(source)}}}}}\nsinks: {{out: {json.dumps(sink)}}}\n"
    path = apart.project.pipeline(spec, "wide")
    found = []
    for profile in ("fast", "apart"):
        done = apart.run(path, "--profile", profile)
        assert done.code == 0, done.err
        assert ("fetching 6 objects" in done.err) == (profile == "fast"), done.err
        rows = pq.read_table(apart.project.folder / "wide.parquet")
        found.append((list(rows.schema), sorted(rows.to_pylist(), key=repr)))
    assert found[0] == found[1] and len(found[0][1]) == 28
    listed = apart.server.ask("GET", f"/{apart.bucket}?list-type=2&prefix=runs/").decode()
    inputs = [apart.server.get(apart.bucket, key) for key in re.findall("<Key>(runs/[^<]+/inputs.json)</Key>", listed)]
    digests = [[file["sha256"] for file in json.loads(text)] for text in inputs]
    assert digests[0] == digests[1] and len(digests) == 2


FAULTS = """sources:
  s: {json: {path: s3://BUCKET/raw/*.json, columns: {c: string, s: bigint}, max_bad_rows: 0.9}}
steps:
  rows:
    - from: s
    - filter: s < NUMBER
  mine:
    - from: rows
    - python: {function: "losing:FUNCTION", columns: {c: string}}
checks:
  rows: [{not_null: [c]}]
sinks:
  rows: {delta: {from: rows, path: s3://BUCKET/out/rows, write: replace}}
  mine: {files: {from: mine, path: mine.csv}}
"""
LOSING = """
import re
import urllib.request

import pyarrow as pa
import pyarrow.parquet as pq

HEADERS = {"Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request"}

def ask(method, path, content=None):
    return urllib.request.urlopen(urllib.request.Request("SERVER" + path, content, HEADERS, method=method)).read()

def staged():
    listed = ask("GET", "/BUCKET?list-type=2&prefix=runs/").decode()
    return re.findall("<Key>(runs/[^<]+/stage/rows/[^<]+)</Key>", listed)

def keeping(rows):
    return rows.select(["c"])

def losing(rows):
    for key in staged():
        ask("DELETE", f"/BUCKET/{key}")
    return keeping(rows)

def changing(rows):
    for key in staged():
        content = ask("GET", f"/BUCKET/{key}")
        other = content.replace(b"\\x01\\0\\0\\0A", b"\\x01\\0\\0\\0Z")
        assert pq.read_table(pa.BufferReader(other))["c"][0].as_py() == "Z"
        ask("PUT", f"/BUCKET/{key}", other)
    return keeping(rows)
"""
FAILURES = [
    ({"/stage/rows/": "503"}, "keeping", "storage-failed"),
    ({"raw/1.json": "replaced"}, "keeping", "changed-file"),
    ({}, "losing", "stage-damaged: the staged file s3://"),
    ({}, "changing", "stage-damaged: the staged file s3://"),
]


def test_failures_are_one_message_and_leave_the_old_table_and_nothing_else(apart: Lake) -> None:
    def run(number: int, function: str, profile: str = "apart") -> Result:
        text = FAULTS.replace("NUMBER", str(number)).replace("FUNCTION", function).replace("BUCKET", apart.bucket)
        return apart.run(apart.project.pipeline(text), "-q", "--profile", profile)

    def log() -> bytes:
        return apart.server.ask("GET", f"/{apart.bucket}?list-type=2&prefix=out/")

    losing = LOSING.replace("SERVER", apart.server.url).replace("BUCKET", apart.bucket)
    apart.project.write("losing.py", losing)
    assert run(9, "keeping", "fast").code == 0
    there, csv = log(), (apart.project.folder / "mine.csv").read_text()
    for number, (faults, function, message) in enumerate(FAILURES):
        apart.server.fail(faults)
        failed = run(10 + number, function)
        apart.server.fail({})
        assert failed.code == 1 and message in failed.err, failed.err
        assert "Traceback" not in failed.err and failed.err.count("\n    = ") == 1
        assert (log(), (apart.project.folder / "mine.csv").read_text()) == (there, csv)
        assert left_in_runs(apart) <= {"run.json", "inputs.json", "quarantine/s.jsonl"}
