"""The same bytes in every time zone, on any number of cores, and in whatever order and pieces the rows come."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from projects import Project

SPEC = """
sources:
  visits:
    csv: {path: "visits/*.csv", columns: {contract: string not null, at: timestamp, seconds: bigint, share: double}}
steps:
  days:
    - from: visits
    - derive: {day: cast(at as date), hour: "date_trunc('hour', at)", text: "date_format(at, 'yyyy-MM-dd HH:mm')"}
    - aggregate: {by: [contract, day], columns: {hours: count(distinct hour), first: min(text), last: max(at), seconds: sum(seconds), most: max(share)}}
    - window: {per: [day], order: [seconds desc, contract], columns: {place: row_number()}}
sinks:
  rows: {files: {from: days, path: out/rows.csv}}
  days:
    table: {from: days, connection: warehouse, key: [contract, day], write: replace}
"""
PROFILES = """profile: d2
profiles:
  d1: {engine: {duckdb: {threads: 1}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
  d2: {engine: {duckdb: {threads: 2}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
  s1: {engine: {spark: {master: "local[1]", memory: 1g, conf: {spark.sql.shuffle.partitions: 1}}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
  s2: {engine: {spark: {master: "local[2]", memory: 1g, conf: {spark.sql.shuffle.partitions: 7}}}, connections: {warehouse: {duckdb: warehouse.duckdb}}}
"""
ZONES = (
    "UTC",
    "Asia/Ho_Chi_Minh",
    "America/New_York",
)  # 2022-03-13 02:30 does not exist there, 2022-11-06 01:30 does twice
ROWS = [
    f"C{number % 40:03},2022-{month:02}-{day:02} {hour:02}:30:00.000001,{number},{number / 7}"
    for number, (month, day, hour) in enumerate(
        (month, day, hour) for month, day in ((3, 13), (11, 6), (4, 30)) for hour in range(24) for _ in range(5)
    )
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROFILES)
    project.pipeline(SPEC)
    return project


def deal(project: Project, files: int, seed: int) -> None:
    """Put the rows into so many files, in an order of the seed's."""
    for path in project.folder.glob("visits/*"):
        path.unlink()
    rows = list(ROWS)
    random.Random(seed).shuffle(rows)
    for number in range(files):
        project.write(
            f"visits/{seed}-{number}.csv",
            "contract,at,seconds,share\n" + "".join(f"{row}\n" for row in rows[number::files]),
        )


def made(project: Project, profile: str, zone: str) -> tuple[bytes, str, list[tuple[object, ...]]]:
    """The bytes of the file, the checksum of the rows and the table that a run makes."""
    result = project.run("pipelines/p.yaml", "--profile", profile, "--json", TZ=zone)
    assert result.code == 0, result.err
    return (
        (project.folder / "out/rows.csv").read_bytes(),
        result.json["sinks"]["days"]["checksum"],
        sorted(project.table("days")),
    )


def test_duckdb_in_any_zone_with_any_cores_and_files(project: Project) -> None:
    deal(project, 1, 0)
    first = made(project, "d1", "UTC")
    assert b"2022-03-13 02:30" in first[0] and len(first[2]) > 100
    for number, zone in enumerate(ZONES, 1):
        deal(project, (1, 2, 7)[number - 1], number)
        assert made(project, f"d{1 + number % 2}", zone) == first


def test_spark_in_another_zone_with_other_partitions_and_files(project: Project) -> None:
    deal(project, 1, 0)
    first = made(project, "d2", "UTC")
    deal(project, 7, 1)
    assert made(project, "s2", "America/New_York") == first
    deal(project, 2, 2)
    assert made(project, "s1", "Asia/Ho_Chi_Minh") == first
