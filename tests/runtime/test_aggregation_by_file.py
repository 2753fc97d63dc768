"""With `parts:`, rows are aggregated file by file: a run gives the result, the counts and the messages of a run without.

The run that fills the cache keeps only rows; later runs aggregate them.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from projects import Project, Result

HOUR = 3600
PLAIN = "profiles: {local: {engine: {duckdb: {}}}}\n"
KEPT = "profiles: {local: {engine: {duckdb: {}}, parts: {keep: 40d, room: 2GB}}}\n"
SPEC = """
sources:
  views: {json: {path: "views/*.json", max_bad_rows: 50%, columns: {who: string, seconds: bigint}}}
steps:
  watched: [{from: views}, {filter: seconds <> 7}]
  profile:
    - from: watched
    - aggregate: {by: [who], columns: {total: sum(seconds), views: count(*), mean: avg(seconds)}}
sinks:
  out: {files: {from: profile, path: out.csv}}
"""


def write(project: Project, day: int, text: str) -> None:
    path = project.write(f"views/{day}.json", text)
    os.utime(path, (time.time() - HOUR - day,) * 2)


def row(who: str, seconds: int) -> str:
    return f'{{"who": "{who}", "seconds": {seconds}}}\n'


def rows(project: Project) -> list[str]:
    return sorted((project.folder / "out.csv").read_text().split())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", KEPT)
    write(project, 1, row("A", 1) + row("B", 7) + "no\n")
    write(project, 2, row("A", 5) + row("B", 2) + row("A", -3))
    return project


def parts(project: Project) -> set[Path]:
    return set((project.folder / ".etlrun/runs/parts").iterdir())


def done(result: Result) -> Result:
    assert result.code == 0, result.err
    return result


def test_a_new_file_is_added_to_the_results_of_the_others(project: Project) -> None:
    pipeline = project.pipeline(SPEC)
    plan = done(project.run("plan", pipeline)).out
    assert "views: 2 json files, 0 in the cache" in plan
    assert "aggregated file by file for profile in later runs, once half of the files are in the cache" in plan
    done(project.run(pipeline))
    assert rows(project) == ["A,3,3,1.0", "B,2,1,2.0", "who,total,views,mean"]
    assert len(parts(project)) == 2  # the rows of each file
    write(project, 3, row("B", 4) + row("C", 9) + "bad\n")
    plan = done(project.run("plan", pipeline)).out
    assert "views: 3 json files, 2 in the cache" in plan
    assert "aggregated file by file for profile; the cache keeps the result of each file" in plan
    second = done(project.run(pipeline))
    assert "read      views: 7 rows from 3 files, 2 in the cache, 2 broken" in second.err
    with_parts = rows(project)
    assert len(parts(project)) == 6  # the rows and the result of each file
    third = done(project.run(pipeline))
    assert "read      views: 7 rows from 3 files, 3 in the cache, 2 broken" in third.err
    assert with_parts == rows(project)
    project.write("etlrun.yaml", PLAIN)
    done(project.run(pipeline))
    assert with_parts == rows(project) == ["A,3,3,1.0", "B,6,2,3.0", "C,9,1,9.0", "who,total,views,mean"]


def test_after_a_change_of_a_step_the_files_are_not_read_again(project: Project) -> None:
    for _ in range(2):
        done(project.run(project.pipeline(SPEC)))
    assert len(parts(project)) == 4
    changed = project.pipeline(SPEC.replace("seconds <> 7", "seconds > 0"))
    assert "2 in the cache" in done(project.run(changed)).err
    assert rows(project) == ["A,6,2,3.0", "B,9,2,4.5", "who,total,views,mean"]
    assert len(parts(project)) == 6


def test_a_result_that_is_damaged_is_computed_again(project: Project) -> None:
    pipeline = project.pipeline(SPEC)
    for _ in range(2):
        done(project.run(pipeline))
    for part in parts(project):
        for path in part.glob("*.parquet"):
            path.write_bytes(path.read_bytes()[:-1])
    assert "in the cache" not in done(project.run(pipeline)).err
    assert rows(project) == ["A,3,3,1.0", "B,2,1,2.0", "who,total,views,mean"]


def test_a_sum_that_overflows_in_one_file_only_is_computed_from_all_rows(project: Project) -> None:
    write(project, 1, row("A", 2**62) * 2)
    write(project, 2, row("A", -(2**62)))
    for _ in range(2):
        done(project.run(project.pipeline(SPEC.replace(", mean: avg(seconds)", ""))))
    assert rows(project) == [f"A,{2**62},3", "who,total,views"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("seconds <> 7", "1 div (seconds - 7) < 9", "division-by-zero"),
        ("count(*)", "max(10 div (seconds - 5))", "division-by-zero"),
        ("avg(seconds)", "1 div (count(*) - 3)", "division-by-zero"),
    ],
    ids=["of a row", "inside an aggregate", "of aggregates"],
)
def test_a_mistake_is_reported_in_its_place(project: Project, old: str, new: str, code: str) -> None:
    pipeline = project.pipeline(SPEC.replace(old, new))
    project.run(pipeline)
    with_parts = project.run(pipeline)
    project.write("etlrun.yaml", PLAIN)
    plain = project.run(pipeline)
    assert code in plain.err
    assert message(with_parts) == message(plain)


def message(result: Result) -> list[str]:
    """The lines of the failure."""
    lines = result.err.splitlines()
    start = next(index for index, line in enumerate(lines) if "division-by-zero" in line)
    return lines[start : start + 5]


def test_rows_that_are_published_too_are_kept_as_they_are(project: Project) -> None:
    pipeline = project.pipeline(SPEC + "  all: {files: {from: watched, path: all.csv}}\n")
    assert "not aggregated file by file: `watched` is published or checked" in project.run("plan", pipeline).out
    done(project.run(pipeline))
    assert len(parts(project)) == 2
    assert rows(project) == ["A,3,3,1.0", "B,2,1,2.0", "who,total,views,mean"]


def test_rows_of_which_almost_each_is_a_group_are_kept_as_they_are(project: Project) -> None:
    write(project, 1, "".join(row(f"N{number}", number) for number in range(10_001)))
    pipeline = project.pipeline(SPEC)
    for _ in range(2):
        done(project.run(pipeline))
    assert len(rows(project)) == 1 + 10_000 + 2  # the header, and all but N7
    assert len(parts(project)) <= 3
