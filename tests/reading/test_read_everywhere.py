"""Files of public bug reports, read by whole runs on DuckDB and on Spark, there by the driver and in tasks: equal rows, accounts and broken records."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from etlrun.spec.project import Use
from projects import Project
from warm import DUCKDB, run_warm, spark_engines

ENGINES = ("duckdb", "spark, driver", "spark, tasks")
PLACE = "my [proj]* é%20#"  # the folder of the project

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Case:
    """A source, its files, the rows that it has, and the line and the file of each broken record."""

    kind: str
    columns: Mapping[str, Any]
    files: Mapping[str, bytes]
    rows: tuple[Row, ...]
    broken: tuple[tuple[str, int], ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    blank: int = 0

    def source(self, name: str) -> dict[str, Any]:
        bound = {} if self.kind == "parquet" else {"max_bad_rows": "100%"}
        return {self.kind: {"path": f"data/{name}", "columns": self.columns, **bound, **self.keys}}


def parquet(values: Mapping[str, Any], metadata: Mapping[str, str] | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    table = pa.table(dict(values))
    pq.write_table(table.replace_schema_metadata(dict(metadata)) if metadata else table, file, **options)
    return file.getvalue()


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


TWO = {"id": "bigint", "name": "string"}
LINE = b'{"id": 1, "name": "a"}\n'
OLD_CALENDAR = {"org.apache.spark.legacyDateTime": "", "org.apache.spark.version": "2.4.8"}
EVENING = datetime(2022, 4, 1, 20, 30)
FULL = "more_broken_records_than_the_quarantine_holds"


def julian_day(text: str) -> int:
    """Days since 1970 of a Julian date (by the usual formula of Julian day numbers)."""
    year, month, day = map(int, text.split("-"))
    shifted, moved = year + 4800 - (14 - month) // 12, month + 12 * ((14 - month) // 12) - 3
    return day + (153 * moved + 2) // 5 + 365 * shifted + shifted // 4 - 32_083 - 2_440_588


CASES: dict[str, Case] = {
    "names_of_json": Case(
        "json",
        {"f": "string"},
        {
            f"{name}.json": b'{"f": "%s"}\n' % name.encode()
            for name in ("a[1]", "a1", "b*", "bzz", "c?", "d%20", "é", "{x}")
        },
        tuple((name,) for name in ("a[1]", "a1", "b*", "bzz", "c?", "d%20", "é", "{x}")),
    ),
    "names_of_parquet": Case(
        "parquet",
        {"f": "string"},
        {f"{name}.parquet": parquet({"f": [name]}) for name in ("a[1]", "a1", "b*", "bzz", "{x}")},
        tuple((name,) for name in ("a[1]", "a1", "b*", "bzz", "{x}")),
    ),
    "a_quote_opened_and_closed": Case(
        "csv", TWO, {"a.csv": b'id,name\n1,a\n2,"b\nc\nd"\n3,e\n'}, ((1, "a"), (2, "b\nc\nd"), (3, "e"))
    ),
    "mixed_line_ends": Case("csv", TWO, {"a.csv": b"id,name\r\n1,An\n2,Ba\r\n"}, ((1, "An"), (2, "Ba"))),
    "a_carriage_return_in_a_line_of_csv": Case(
        "csv", TWO, {"a.csv": b"id,name\n1,a\n2,b\rc\n3,d\n"}, ((1, "a"), (3, "d")), (("a.csv", 3),)
    ),
    "a_carriage_return_in_a_line_of_json": Case(
        "json",
        TWO,
        {"a.json": LINE + b'{"id": 2\r, "name": "b"}\n' + b'{"id": 3, "name": "b\rc"}\n'},
        ((1, "a"), (2, "b")),
        (("a.json", 3),),
    ),
    "a_column_too_many": Case("csv", TWO, {"a.csv": b"id,name\n1,a,\n2,b\n"}, ((2, "b"),), (("a.csv", 2),)),
    "a_value_of_another_type": Case(
        "csv", TWO, {"a.csv": b"id,name\n1,a\n\nx,b\n2,c\n"}, ((1, "a"), (2, "c")), (("a.csv", 4),), blank=1
    ),
    "folders_that_look_like_a_column": Case(
        "csv",
        {"id": "bigint", "region": "string"},
        {"region=north/a.csv": b"id,region\n1,east\n", "region=south/a.csv": b"id,region\n2,west\n"},
        ((1, "east"), (2, "west")),
    ),
    "folders_that_look_like_a_column_of_parquet": Case(
        "parquet",
        {"id": "bigint", "region": "string"},
        {
            "region=north/a.parquet": parquet({"id": [1], "region": ["east"]}),
            "dt=2022/a.parquet": parquet({"id": [2], "region": ["west"]}),
        },
        ((1, "east"), (2, "west")),
    ),
    "partitions": Case(
        "csv",
        {"id": "bigint"},
        {"dt=2022-04-01/a.csv": b"id\n1\n", "dt=2022-04-02/a.csv": b"id\n2\n"},
        ((1, date(2022, 4, 1)), (2, date(2022, 4, 2))),
        keys={"partitions": {"dt": "date"}},
    ),
    "dates_of_the_old_calendar": Case(
        "parquet",
        {"d": "date"},
        {"a.parquet": parquet({"d": pa.array([julian_day("1001-01-01")], pa.date32())}, OLD_CALENDAR)},
        ((date(1001, 1, 1),),),
    ),
    "instants": Case(
        "parquet",
        {"t": "timestamptz"},
        {"a.parquet": parquet({"t": pa.array([EVENING.replace(tzinfo=UTC)], pa.timestamp("us", "UTC"))})},
        ((EVENING.replace(tzinfo=UTC),),),
    ),
    "half_a_surrogate": Case(
        "json", TWO, {"a.json": LINE + b'{"id": 2, "name": "\\ud83d"}\n'}, ((1, "a"),), (("a.json", 2),)
    ),
    "a_neighbour_that_is_not_utf8": Case(
        "json",
        {"d": "decimal(10,2)", "t": "timestamp", "y": "date"},
        {
            "a.json": b'{"d":1e2,"t":"2022-04-01T24:00:00","y":"2022-01-01"}\n{"d":1,"t":"2022-04-01T00:00:00","y":"0000-01-01"}\n'
            b'{"d":1e2,"t":"2022-04-01T20:30:00","y":"2022-01-01"}\n{"d":1,"t":"2022-04-01T00:00:00","y":"2022-01-01","x":"\xff"}\n',
            "b.json": b'{"d":1e2,"t":"2022-04-01T24:00:00","y":"2022-01-01"}\n{"d":1,"t":"2022-04-01T00:00:00","y":"0000-01-01"}\n'
            b'{"d":1e2,"t":"2022-04-01T20:30:00","y":"2022-01-01"}\n',
        },
        ((Decimal(100), EVENING, date(2022, 1, 1)),) * 2,
        (("a.json", 1), ("a.json", 2), ("a.json", 4), ("b.json", 1), ("b.json", 2)),
    ),
    "utf_16_declared": Case(
        "csv",
        TWO,
        {
            "a.csv": 'id,name\r\n1,é\r\n2,"ế\n,"\r\n'.encode("utf-16"),
            "b.csv.gz": gzip.compress("id,name\n3,x\n".encode("utf-16")),
        },
        ((1, "é"), (2, "ế\n,"), (3, "x")),
        keys={"encoding": "utf-16"},
    ),
    "windows_1252": Case(
        "json",
        TWO,
        {"a.json": '{"id": 1, "name": "é€"}\n'.encode("cp1252") + b'{"id": 2, "name": "a\x81"}\n'},
        ((1, "é€"),),
        (("a.json", 2),),
        keys={"encoding": "windows-1252"},
    ),
    "types_of_each_file": Case(
        "parquet",
        {"v": "double"},
        {
            "a.parquet": parquet({"v": pa.array([1, 2], pa.int64())}),
            "b.parquet": parquet({"v": [1.5, 0.25]}),
            "c.parquet": parquet({"v": pa.array([Decimal("1.234")], pa.decimal128(9, 3))}),
            "d.parquet": parquet({"v": pa.array([None], pa.null())}),
        },
        ((0.25,), (1.0,), (1.234,), (1.5,), (2.0,), (None,)),
    ),
    "columns_that_are_null_or_absent": Case(
        "parquet",
        {
            "id": "bigint",
            "name": {"type": "string", "optional": True},
            "big": "decimal(20,0)",
            "inner": {"type": "bigint", "path": "s.x"},
        },
        {
            "a.parquet": parquet(
                {
                    "id": [1],
                    "name": pa.array([None], pa.null()),
                    "big": pa.array([2**64 - 1], pa.uint64()),
                    "s": [{"x": 5}],
                }
            ),
            "b.parquet": parquet({"id": [2], "big": pa.array([0], pa.uint64()), "s": [{"x": None}]}),
        },
        ((1, None, Decimal(2**64 - 1), 5), (2, None, Decimal(0), None)),
    ),
    "an_array": Case(
        "json", {"id": "bigint"}, {"a.json": b'[{"id":1},\n{"id":2}]'}, ((1,), (2,)), keys={"format": "array"}
    ),
    "objects": Case(
        "json", {"id": "bigint"}, {"a.json": b'{"id":1}{"id":\n2}'}, ((1,), (2,)), keys={"format": "objects"}
    ),
    "compressed": Case(
        "json",
        TWO,
        {
            "a.json.gz": gzip.compress(LINE) + gzip.compress(LINE),
            "b.json.bz2": bz2.compress(LINE),
            "c.json.zst": zstd(LINE),
        },
        ((1, "a"),) * 4,
    ),
    FULL: Case(
        "json",
        TWO,
        {"a.json": LINE + b'{"id": "x"}\n' * 40, "b.json": b'{"id": "y"}\n' * 40},
        ((1, "a"),),
        keys={"quarantine_limit": "1 kB"},
    ),
}


# What a run refuses to read, and what its message says.
REFUSED: dict[str, tuple[Case, str]] = {
    "a_quote_that_is_never_closed": (
        Case("csv", TWO, {"q.csv": b'id,name\n1,a\n4,"b\n' + b"5,c\n" * 497}, (), keys={"max_bad_rows": "0.1%"}),
        "q.csv:3: a quote is not closed (value 2)",
    ),
    "an_instant_read_as_a_clock": (
        Case("parquet", {"t": "timestamp"}, CASES["instants"].files, ()),
        "declare `t: timestamptz`",
    ),
    "an_int96": (
        Case(
            "parquet",
            {"t": "timestamp"},
            {"a.parquet": parquet({"t": [EVENING]}, use_deprecated_int96_timestamps=True)},
            (),
        ),
        "`t` is an INT96",
    ),
    "a_fraction_in_an_integer": (
        Case("parquet", {"v": "bigint"}, {"a.parquet": parquet({"v": [1]}), "b.parquet": parquet({"v": [1.5]})}, ()),
        "b.parquet: `v` is double, but bigint is declared",
    ),
    "a_null_where_none_may_be": (
        Case("parquet", {"v": "bigint not null"}, {"a.parquet": parquet({"v": [1, None]})}, ()),
        "`v` has 1 nulls",
    ),
    "a_decimal_that_would_be_rounded": (
        Case("parquet", {"v": "double"}, {"a.parquet": parquet({"v": pa.array([2**53 + 1], pa.int64())})}, ()),
        "",
    ),
    "an_array_in_lines": (
        Case("json", {"id": "bigint"}, CASES["an_array"].files, (), keys={"max_bad_rows": 0}),
        "add `format: array`",
    ),
    "objects_in_a_line": (
        Case("json", {"id": "bigint"}, {"a.json": b'{"id":1}{"id":2}'}, (), keys={"max_bad_rows": 0}),
        "add `format: objects`",
    ),
    "lz4": (Case("json", TWO, {"a.json": b"\x04\x22\x4d\x18" + LINE}, ()), "compressed with lz4"),
    "a_file_that_is_cut_off": (Case("json", TWO, {"a.json.gz": gzip.compress(LINE * 50)[:-9]}, ()), "damaged-file"),
    "utf_16": (
        Case("csv", TWO, {"a.csv": "id,name\n1,a\n".encode("utf-16")}, ()),
        "add `encoding: utf-16` to the source",
    ),
    "more_broken_records_than_allowed": (
        Case("csv", TWO, {"a.csv": b"id,name\nx,a\n1,b\n"}, (), keys={"max_bad_rows": 0}),
        'a.csv:2: `id` is "x", but bigint is expected',
    ),
}
# Every minute of a day, in spellings that a text of a time may have.
SPELLINGS = (
    "{day}T{time}:00",
    "{day} {time}:00",
    "{day} {time}",
    "{day}T{time}",
    "{day}T{time}:00.5",
    "{day} {time}:00.123456",
)
MINUTES = [
    (spelling.format(day="2022-04-01", time=f"{minute // 60:02}:{minute % 60:02}"), minute)
    for minute in range(1440)
    for spelling in SPELLINGS
]
READ_MINUTES = """steps:
  minutes_read:
    - from: minutes
    - derive: {one: to_timestamp(v), two: cast(v as timestamp), minute: 60 * hour(to_timestamp(v)) + minute(cast(v as timestamp))}
"""


@dataclass(frozen=True)
class Everything:
    """What the runs of an engine made: the rows, account and broken records of each source, and the failure of each that is refused."""

    rows: Mapping[str, tuple[Row, ...]]
    accounts: Mapping[str, dict[str, Any]]
    broken: Mapping[str, list[dict[str, Any]]]
    failures: Mapping[str, str]


@pytest.fixture(scope="module")
def read(spark: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Everything]:
    """Reads everything with an engine, once."""
    engines = {"duckdb": DUCKDB, **spark_engines(spark)}
    project = Project(tmp_path_factory.mktemp("project") / PLACE)
    for name, case in {**CASES, **{name: case for name, (case, _) in REFUSED.items()}}.items():
        for path, content in case.files.items():
            project.write(f"data/{name}/{path}", content)
    project.write("data/minutes.csv", "v,expected\n" + "".join(f"{text},{minute}\n" for text, minute in MINUTES))
    return cache(lambda engine: read_everything(project, engines[engine]))


def read_everything(project: Project, engine: Use) -> Everything:
    sources = {name: case.source(name) for name, case in CASES.items()}
    sources["minutes"] = {"csv": {"path": "data/minutes.csv", "columns": {"v": "string", "expected": "int"}}}
    ended = run_warm(pipeline(project, sources, "minutes_read", READ_MINUTES), engine)
    assert ended.failure == ""
    rows = {name: published(project, name) for name in (*CASES, "minutes_read")}
    failures = {}
    for name, (case, _) in REFUSED.items() if engine.kind != "spark" or engine.value.read == "tasks" else ():
        failures[name] = run_warm(pipeline(project, {name: case.source(name)}), engine).failure
    return Everything(rows, ended.sources, ended.quarantine, failures)


def pipeline(project: Project, sources: Mapping[str, dict[str, Any]], further: str = "", steps: str = "") -> Path:
    """A pipeline that publishes each of these sources, and a further relation."""
    relations = [name for name in (*sources, further) if name]
    sinks = {f"s_{name}": {"files": {"from": name, "path": f"out/{name}.parquet", "min_rows": 0}} for name in relations}
    return project.folder / project.pipeline(
        f"sources: {json.dumps(dict(sources))}\n{steps}sinks: {json.dumps(sinks)}\n"
    )


def published(project: Project, name: str) -> tuple[Row, ...]:
    columns = pq.read_table(project.folder / f"out/{name}.parquet").to_pydict()
    return tuple(sorted(zip(*columns.values(), strict=True), key=repr))


@pytest.mark.parametrize("engine", ENGINES)
def test_rows_and_broken_records_are_the_right_ones(engine: str, read: Callable[[str], Everything]) -> None:
    everything = read(engine)
    assert everything.rows.items() >= {name: tuple(sorted(case.rows, key=repr)) for name, case in CASES.items()}.items()
    for name, case in CASES.items():
        account = everything.accounts[name]
        found = [(Path(record["file"]).name, record["line"]) for record in everything.broken.get(name, ())]
        if name != FULL:
            assert (name, found) == (name, list(case.broken))
        assert (account["rows"], account.get("blank", 0)) == (len(case.rows), case.blank)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_minute_of_a_day_is_read_right(engine: str, read: Callable[[str], Everything]) -> None:
    rows = read(engine).rows["minutes_read"]
    assert len(rows) == len(MINUTES)
    assert [row for row in rows if row[2] != row[3] or row[1] != row[4]] == []


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_engines_count_and_break_alike(engine: str, read: Callable[[str], Everything]) -> None:
    first, other = read("duckdb"), read(engine)
    assert (other.accounts, other.broken) == (first.accounts, first.broken)


@pytest.mark.parametrize("engine", ["duckdb", "spark, tasks"])
def test_what_is_refused_says_why_in_the_same_words(engine: str, read: Callable[[str], Everything]) -> None:
    failures = read(engine).failures
    assert [name for name, (_, message) in REFUSED.items() if message not in failures[name] or not failures[name]] == []
    assert failures == read("duckdb").failures
