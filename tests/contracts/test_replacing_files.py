"""A file that a sink publishes is the old one or the new one, also if two runs write it at once or a run was killed before."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from etlrun.contracts.sink import replacing
from etlrun.failures import RunFailure


def test_runs_that_write_one_file_at_once_publish_one_after_the_other(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    with replacing(target) as (_, slow):
        slow.write_text("slow, first half\n")
        with replacing(target) as (_, fast):
            fast.write_text("fast\n")
        assert target.read_text() == "fast\n"
        with slow.open("a") as stream:
            stream.write("slow, second half\n")
    assert target.read_text() == "slow, first half\nslow, second half\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_run_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old\n")
    with pytest.raises(RunFailure, match="the old file is unchanged"), replacing(target) as (connection, new):
        new.write_text("new\n")
        connection.execute("SELECT * FROM missing")
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_what_killed_runs_left_is_removed_after_a_day(tmp_path: Path) -> None:
    target = tmp_path / "out[1].csv"
    left = {f".out[1].csv.{number:08x}.new": hours for number, hours in enumerate((1, 25))}
    for name, hours in {**left, ".out1.csv.00000002.new": 25, ".other.new": 25}.items():
        (tmp_path / name).write_text("x")
        os.utime(tmp_path / name, (time.time() - 3600 * hours,) * 2)
    with replacing(target) as (_, new):
        new.write_text("new\n")
    assert {path.name for path in tmp_path.iterdir()} == {
        target.name,
        min(left),
        ".out1.csv.00000002.new",
        ".other.new",
    }
