"""Large files are aggregated by the statement that reads them: a run gives the result, the counts and the messages of a run that writes the rows first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commanding import Outcome, etlrun
from etlrun.contracts.source import Control
from etlrun.reading import direct_reading
from etlrun.reading.direct_reading import DirectReading
from etlrun.runtime import partial_parts
from projects import Project
from warm import Ended, run_warm, spark_engines

PROJECT = "profiles: {local: {engine: {duckdb: {}}}}\n"
JSON = """
sources:
  views:
    json:
      path: "views/{date:yyyyMMdd}.json"
      dates: 2022-04-01..2022-04-02
      max_bad_rows: 90%
      columns: {who: string, seconds: bigint not null, share: "decimal(4,2)", tags: array<string>}
steps:
  watched: [{from: views}, {filter: seconds <> 7}]
  profile:
    - from: watched
    - aggregate:
        by: [who]
        columns: {total: sum(seconds), n: count(*), mean: avg(seconds), days: count(distinct date), most: max(share), tags: max(size(tags))}
sinks:
  out: {files: {from: profile, path: out.csv}}
"""
OVERFLOW = "sum(seconds + 9223372036854775000)"
ODD = (
    '{"who": "A", "seconds": "5"}',
    '{"who": 12.50, "seconds": 5, "share": 1.10}',
    '{"who": "A", "seconds": 1.0, "share": 1.125}',
    '{"who": "[x]", "seconds": 5, "share": 1.10, "tags": ["[1]", null]}',
    '{"who": "B", "seconds": 5, "tags": null, "share": null,}',
    '{"who": "B", "seconds": -0, "share": 00}',
    '{"who": null, "seconds": 3, "share": 2, "tags": []}',
    '{"who": "B"}',
    '{"who": "C", "who": "D", "seconds": 1}',
    '{"Who": "C", "seconds": 1}',
    '{"who": "C", "seconds": NaN}',
    '{"who": "C", "seconds": 99999999999999999999}',
    "[1, 2]",
    "no",
    "",
    "  ",
)


def good(who: str, seconds: int) -> str:
    return json.dumps({"who": who, "seconds": seconds, "share": 1.5, "tags": ["a", "b"], "more": {"x": [1, -0.5]}})


def lines(day: int) -> list[str]:
    return [good(f"{'ABCDEF'[number % 6]}", number % 11) for number in range(day, 300 + day)]


class Sides:
    """A project that runs once with direct aggregation, and once without."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project = project
        self.monkeypatch = monkeypatch
        self.open: list[int | None] = []  # how many records each direct reading left open
        read = DirectReading.read

        def watched(reading: DirectReading, control: Control) -> int | None:
            open_ = read(reading, control)
            self.open.append(open_)
            return open_

        monkeypatch.setattr(DirectReading, "read", watched)

    def run(self, spec: str, *, is_direct: bool) -> tuple[Outcome, list[str], list[str]]:
        """The outcome of a run, its rows, and its broken records."""
        self.monkeypatch.setattr(partial_parts, "DIRECT_BYTES", 0 if is_direct else 1 << 62)
        result = etlrun(self.project.folder, self.project.pipeline(spec))
        out = self.project.folder / "out.csv"
        rows = sorted(out.read_text().splitlines()) if out.exists() else []
        out.unlink(missing_ok=True)
        newest = max((self.project.folder / ".etlrun/runs").glob("2*"))
        broken = newest / "quarantine/views.jsonl"
        return result, rows, broken.read_text().splitlines() if broken.exists() else []

    def both(self, spec: str) -> tuple[Outcome, list[str], list[str]]:
        """The outcome of both runs, which is the same."""
        result, rows, broken = self.run(spec, is_direct=True)
        used = len(self.open)
        other, *others = self.run(spec, is_direct=False)
        assert len(self.open) == used
        assert [rows, broken] == others
        assert _summary(result) == _summary(other)
        return result, rows, broken


def _summary(result: Outcome) -> list[str]:
    return [line.split("  in ")[0] for line in result.err.splitlines() if line.startswith("read ") or "error" in line]


@pytest.fixture
def sides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    yield Sides(project, monkeypatch)


def write(sides: Sides, day: int, *records: str) -> None:
    sides.project.write(f"views/2022040{day}.json", "\n".join(records) + "\n")


def test_plain_records_are_aggregated_while_they_are_read(sides: Sides) -> None:
    write(sides, 1, *lines(1))
    write(sides, 2, *lines(2))
    result, rows, broken = sides.both(JSON)
    assert (result.code, sides.open, broken) == (0, [0], []), result.err
    assert rows[0].split(",")[0] == "A"
    assert len(rows) == 7


def test_records_that_are_left_open_are_added_to_the_groups_of_the_others(sides: Sides) -> None:
    write(sides, 1, *lines(1), *ODD)
    write(sides, 2, *ODD, *lines(2))
    result, rows, broken = sides.both(JSON)
    assert result.code == 0, result.err
    assert (sides.open[0] or 0) >= 20
    assert len(broken) >= 12
    assert any(row.startswith("12.50,") for row in rows)


def test_many_records_without_a_key_are_added(sides: Sides) -> None:
    few = ['{"who": "A", "seconds": 2}'] * 3000
    write(sides, 1, *lines(1), *few, *ODD)
    write(sides, 2, *lines(2))
    result, rows, _ = sides.both(JSON)
    assert result.code == 0, result.err
    assert (sides.open[0] or 0) > 3000


@pytest.mark.parametrize("limit", ["MOST_OPEN", "LONGEST_OPEN"])
def test_open_records_that_are_too_many_or_too_long_are_not_kept_in_memory(
    sides: Sides, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(direct_reading, "SAMPLED", 10)
    monkeypatch.setattr(direct_reading, limit, 5)
    write(sides, 1, *lines(1), *ODD)
    write(sides, 2, *lines(2), *ODD)
    result, _, broken = sides.both(JSON)
    assert (result.code, sides.open) == (0, []), result.err
    assert broken


def test_files_with_many_open_records_are_not_aggregated(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_reading, "MOST_OPEN", 5)
    write(sides, 1, *ODD, *lines(1))
    write(sides, 2, *ODD, *lines(2))
    result, _, _ = sides.both(JSON)
    assert (result.code, sides.open) == (0, [None]), result.err


def test_files_that_are_not_tame_are_added(sides: Sides) -> None:
    sides.project.write("views/20220401.json", "\r\n".join([*lines(1), *ODD]))
    write(sides, 2, *lines(2), *ODD)
    result, _, broken = sides.both(JSON)
    assert (result.code, len(sides.open)) == (0, 1), result.err
    assert broken


def test_records_of_which_almost_each_is_a_group_are_not_aggregated(sides: Sides) -> None:
    write(sides, 1, *(good(f"w{number}", 1) for number in range(300)))
    write(sides, 2, *(good(f"v{number}", 1) for number in range(300)))
    result, rows, _ = sides.both(JSON)
    assert (result.code, sides.open, len(rows)) == (0, [None], 601), result.err


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seconds <> 7", "1 div (seconds - 7) < 9"),
        ("sum(seconds)", OVERFLOW),
        ("avg(seconds)", "1 div (count(*) - count(seconds))"),
    ],
    ids=["of a row", "overflow of a partial sum", "of aggregates"],
)
def test_a_mistake_is_reported_in_its_place(sides: Sides, old: str, new: str) -> None:
    write(sides, 1, *lines(1))
    write(sides, 2, *lines(2))
    assert sides.both(JSON.replace(old, new))[0].code == 1


CSV = JSON.replace("json", "csv").replace(", tags: array<string>", "").replace(", tags: max(size(tags))", "")


def test_separated_values_are_aggregated_while_they_are_read(sides: Sides) -> None:
    plain = [f"{'ABC'[number % 3]};{number % 11};1.5" for number in range(300)]
    odd = ["A;1,5;1", "A;x;1", "A;5", ";3;2.25", "A;5;1.125", "B;-0;0", "A;5;1;2", ""]
    for day, header in ((1, "who;seconds;share"), (2, "who;share;seconds")):
        text = "\n".join([header, *plain, *odd]) + "\n"
        sides.project.write(f"views/2022040{day}.csv", text)
    result, rows, broken = sides.both(CSV.replace("max_bad_rows", 'separator: ";"\n      max_bad_rows'))
    assert result.code == 0, result.err
    assert len(sides.open) == 2
    assert broken
    assert len(rows) >= 4


@pytest.mark.parametrize("old", ["", "sum(seconds)"], ids=["rows", "overflow of a partial sum"])
def test_for_spark_duckdb_aggregates_while_it_reads(sides: Sides, spark: Any, old: str) -> None:
    write(sides, 1, *lines(1), *ODD)
    write(sides, 2, *ODD, *lines(2))
    path = sides.project.folder / sides.project.pipeline(JSON.replace(old, OVERFLOW) if old else JSON)
    engine, out = spark_engines(spark)["spark, driver"], sides.project.folder / "out.csv"
    found: list[tuple[Ended, str]] = []
    for size in (0, 1 << 62):
        sides.monkeypatch.setattr(partial_parts, "DIRECT_BYTES", size)
        ended = run_warm(path, engine)
        found.append((ended, out.read_text() if out.exists() else ""))
        out.unlink(missing_ok=True)
    assert found[0] == found[1]
    assert ("overflow" in found[0][0].failure) == bool(old), found[0][0].failure
    assert len(sides.open) == (0 if old else 1)
