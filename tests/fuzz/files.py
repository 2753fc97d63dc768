"""Mutated files: a run ends with an account that adds up, or says what is wrong; both engines publish equal rows and break equal records."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq

from etlrun.spec.project import Use
from projects import Project
from warm import DUCKDB, Ended, run_warm, spark_engines

from .engines import Engines, sorted_rows
from .random_files import is_whole, mutated, records, source_keys
from .trials import Trial

Rows = tuple[tuple[str, ...], ...]

FILES = 20  # of a trial, where it does not say how many
SOURCE = "files"


@dataclass(frozen=True)
class Read:
    """What a run made of some files: how it ended, and the rows that it published below a row of the columns."""

    ended: Ended
    rows: Rows = ()

    @property
    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ended.sources[SOURCE]
        return found

    @property
    def broken(self) -> list[tuple[object, ...]]:
        """The broken records, without the folder of their file."""
        return sorted(
            (Path(record["file"]).name, *(str(value) for name, value in record.items() if name != "file"))
            for record in self.ended.quarantine.get(SOURCE, ())
        )

    def __str__(self) -> str:
        return f"{self.ended} {self.rows}"


def try_some(seed: int, engines: Engines, files: int = FILES) -> Trial:
    """Read each of `files` files mutated from a seed on DuckDB, and then again on Spark: by the driver, or for an odd seed in tasks."""
    random = Random(seed)
    spark = spark_engines(engines.spark.spark)["spark, tasks" if seed % 2 else "spark, driver"]
    with tempfile.TemporaryDirectory(prefix="etlrun-fuzz-") as name:
        contents = {f"f{number:03}": mutated(random) for number in range(files)}
        shelf = Shelf(Project(Path(name)), contents)
        first = {source: shelf.read([source], DUCKDB) for source in contents}
        findings = [
            f"{wrong}: {contents[source]}"
            for source, read in first.items()
            for wrong in _wrong(read, *contents[source])
        ]
        refused = [source for source, read in first.items() if read.ended.failure]
        findings += [
            f"{contents[source]}\n  duckdb {first[source]}\n  spark  {other}"
            for source, other in _unlike(shelf, first, refused, spark)
        ]
    return Trial(files, tuple(findings), len(refused))


def _wrong(read: Read, ending: str, content: bytes) -> Iterator[str]:
    """What is wrong with the end of a run over one file, whatever the other engine makes of it."""
    if read.ended.is_bug:
        yield read.ended.failure
    if read.ended.failure:
        return
    if not is_whole(ending, content):
        yield "read, but it is damaged"
    lines, account = records(ending, content), read.account
    if lines is not None and account["rows"] + account["bad_rows"] + account.get("blank", 0) != lines:
        yield f"{lines} lines, and {account}"
    if len(read.broken) != account["bad_rows"]:
        yield f"{account}, and {len(read.broken)} records in the quarantine"


@dataclass(frozen=True)
class Shelf:
    """A project, and the ending and content of each file that its runs may read."""

    project: Project
    contents: Mapping[str, tuple[str, bytes]]

    def read(self, sources: list[str], engine: Use) -> Read:
        """Publish the rows of files with the same ending, as one source."""
        ending = self.contents[sources[0]][0]
        folder = f"data/{sources[0]}-{sources[-1]}"
        for source in sources:
            self.project.write(f"{folder}/{source}.{ending}", self.contents[source][1])
        spec = {
            "sources": {SOURCE: source_keys(ending, f"{folder}/*.{ending}")},
            "sinks": {"out": {"files": {"from": SOURCE, "path": "out.parquet", "min_rows": 0}}},
        }
        path = self.project.pipeline("".join(f"{key}: {json.dumps(value)}\n" for key, value in spec.items()))
        ended = run_warm(self.project.folder / path, engine)
        if ended.failure:
            return Read(ended)
        return Read(ended, sorted_rows(pq.read_table(self.project.folder / "out.parquet")))


def _unlike(shelf: Shelf, first: Mapping[str, Read], refused: list[str], engine: Use) -> Iterator[tuple[str, Read]]:
    """The files that the other engine reads in another way, and what it makes of each."""
    for source in refused:
        other = shelf.read([source], engine)
        if other.ended.failure != first[source].ended.failure:
            yield source, other
    groups: dict[str, list[str]] = {}
    for source, (ending, _) in shelf.contents.items():
        if source not in refused:
            groups.setdefault(ending, []).append(source)
    for group in groups.values():
        yield from _unlike_of(shelf, first, group, engine)


def _unlike_of(shelf: Shelf, first: Mapping[str, Read], group: list[str], engine: Use) -> Iterator[tuple[str, Read]]:
    """Those of a group with one ending: all are read by one run, and where it differs, each half of them."""
    together = shelf.read(group, engine)
    if _is_alike(together, [first[source] for source in group]):
        return
    middle = len(group) // 2
    halves = (group[:middle], group[middle:]) if middle else ()
    found = [unlike for half in halves for unlike in _unlike_of(shelf, first, half, engine)]
    yield from found or [(group[0], together)]


def _is_alike(together: Read, reads: list[Read]) -> bool:
    """Whether a run over some files has the rows, accounts and broken records of the runs over each."""
    if together.ended.failure:
        return False
    header, *rows = together.rows
    counts = ("rows", "bad_rows", "blank")
    return (
        all(read.rows[0] == header for read in reads)
        and rows == sorted(row for read in reads for row in read.rows[1:])
        and all(together.account.get(name, 0) == sum(read.account.get(name, 0) for read in reads) for name in counts)
        and together.broken == sorted(record for read in reads for record in read.broken)
    )
