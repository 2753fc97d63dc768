"""`max_age` of a source: how old files may be is said without rounding it away, and no file at all is not new."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from etlrun.spec.ages import shown_age
from projects import Project

PIPELINE = """sources:
  rows: {csv: {path: "{date:yyyy-MM-dd}.csv", dates: 2024-04-01, columns: {a: int}, missing: skip, max_age: 3 hours}}
sinks:
  rows: {files: {from: rows, path: out.csv, min_rows: 0}}
"""


@pytest.mark.parametrize(
    ("age", "shown"),
    [
        (timedelta(hours=3), "3 hours"),
        (timedelta(hours=3, seconds=4), "more than 3 hours"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=1, seconds=1), "more than 24 hours"),
        (-timedelta(days=2), "2 days"),
        (timedelta(seconds=5), "0 minutes"),
    ],
)
def test_an_age_says_whether_it_is_rounded(age: timedelta, shown: str) -> None:
    assert shown_age(age) == shown


def test_no_file_at_all_is_too_old_and_one_of_the_future_is_not(tmp_path: Path) -> None:
    project = Project(tmp_path)
    path = project.pipeline(PIPELINE)
    nothing = project.run("run", path)
    assert nothing.code == 1
    assert "p.yaml:3:" in nothing.err
    assert "old-files: `rows` has no file, but at most 3 hours are allowed" in nothing.err
    file = project.write("2024-04-01.csv", "a\n1\n")
    for seconds, code in ((-3 * 3600 - 60, 1), (3600, 0)):
        os.utime(file, (time.time() + seconds,) * 2)
        outcome = project.run("run", path)
        assert outcome.code == code, outcome.err
        assert ("is more than 3 hours old (" in outcome.err) == bool(code)
