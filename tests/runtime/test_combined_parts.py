"""On Spark, DuckDB combines the partial aggregates of all files: the result is that of a run without parts, whatever changes between two runs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from etlrun.contracts.engine import ParquetFiles
from etlrun.engines._spark.session import SparkSessionAtWork
from projects import Project
from warm import DUCKDB, Ended, run_warm, spark_engines

HOUR, DAYS = 3600, 5
PLAIN = "profiles: {local: {engine: {duckdb: {}}}}\n"
KEPT = "profiles: {local: {engine: {duckdb: {}}, parts: {keep: 40d, room: 2GB}}}\n"
SPEC = """
sources:
  views: {json: {path: "views/*.json", columns: {who: string, title: string, seconds: bigint, price: "decimal(12,2)"}}}
steps:
  profile:
    - from: views
    - aggregate:
        by: [who]
        columns: {total: sum(seconds), views: count(*), mean: avg(price), first: "min_by(title, seconds)", most: max(title)}
sinks:
  out: {files: {from: profile, path: out.csv}}
"""


class Days:
    """A project with a file of views for each day, and what Spark reads of it."""

    def __init__(self, folder: Path, spark: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = Project(folder)
        self.path = folder / self.project.pipeline(SPEC)
        self.engine = spark_engines(spark)["spark, driver"]
        self.given: list[int] = []  # numbers of rows
        for day in range(1, DAYS + 1):
            self.write(day)
        plain = SparkSessionAtWork.read_files

        def read_files(session: SparkSessionAtWork, relation: str, columns: Any, files: Any) -> None:
            listed = [each for each in files if isinstance(each, ParquetFiles)]
            if relation == "views":
                self.given.append(sum(pq.read_metadata(path).num_rows for each in listed for path in each.paths))
            plain(session, relation, columns, listed)

        monkeypatch.setattr(SparkSessionAtWork, "read_files", read_files)

    def write(self, day: int, add: int = 0) -> None:
        rows = (
            f'{{"who": "{who}", "title": "T{number % 3}", "seconds": {day * number + add}, "price": {number}.{day}5}}\n'
            for who in ("A", "B", f"day {day}")
            for number in range(3)
        )
        path = self.project.write(f"views/{day}.json", "".join(rows))
        os.utime(path, (time.time() - HOUR - 10 * day - add,) * 2)

    def remove(self, day: int) -> None:
        (self.project.folder / f"views/{day}.json").unlink()

    def damage(self) -> None:
        """Damage every part."""
        for path in (self.project.folder / ".etlrun/runs/parts").glob("*/*.parquet"):
            path.write_bytes(path.read_bytes()[:-1])

    def rows(self, file: str = "out.csv") -> list[str]:
        return sorted((self.project.folder / file).read_text().split("\n"))

    def run(self, path: Path | None = None) -> Ended:
        found = run_warm(path or self.path, self.engine)
        assert not found.failure, found.failure
        return found

    def fill(self) -> None:
        """Keep the rows of all files, and then the partial aggregates."""
        self.project.write("etlrun.yaml", KEPT)
        self.run()
        self.run()

    def expected(self) -> list[str]:
        """The rows of a run without parts."""
        self.project.write("etlrun.yaml", PLAIN)
        assert not run_warm(self.path, DUCKDB).failure
        found = self.rows()
        self.project.write("etlrun.yaml", KEPT)
        return found


CHANGES: dict[str, tuple[Callable[[Days], object], int]] = {  # with the number of files in the cache
    "nothing": (lambda days: None, 5),
    "a new day": (lambda days: days.write(6), 5),
    "a corrected day": (lambda days: days.write(2, add=7), 4),
    "a removed day": (lambda days: days.remove(3), 4),
    "several": (lambda days: (days.write(6), days.write(1, add=3), days.remove(5)), 3),
    "a damaged cache": (lambda days: days.damage(), 0),
}


@pytest.mark.parametrize(("change", "cached"), CHANGES.values(), ids=CHANGES)
def test_after_a_change_the_rows_are_those_of_all_files(
    change: Callable[[Days], object], cached: int, spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Days(tmp_path, spark, monkeypatch)
    days.fill()
    change(days)
    assert days.run().sources["views"].get("cached", 0) == cached
    rows = days.rows()
    assert rows == days.expected()
    assert days.given[-1] == len(rows) - 2  # one row of each group: without the header, and the end of the last line


def test_two_runs_at_once_give_the_same_rows(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = Days(tmp_path, spark, monkeypatch)
    days.fill()
    days.write(6)
    days.write(2, add=7)
    other = tmp_path / days.project.pipeline(SPEC.replace("out.csv", "other.csv"), "other")  # its parts are the same
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(days.run, (days.path, other)))
    assert days.rows() == days.rows("other.csv") == days.expected()
