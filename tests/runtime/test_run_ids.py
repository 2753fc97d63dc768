"""The id of a run: it sorts by time, and no two runs have the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from etlrun.runtime.run_folder import new_run

NOON = datetime(2024, 4, 1, 12, 0, 0, 5, tzinfo=UTC)


class StoppedClock(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return NOON


def test_runs_that_begin_in_one_microsecond_have_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etlrun.runtime.run_folder.datetime", StoppedClock)
    found = [new_run(tmp_path / "runs") for _ in range(8)]
    assert len({run.id for run in found}) == 8
    assert all(run.path.is_dir() and run.id.startswith("20240401T120000Z-00005") for run in found)


def test_ids_sort_by_time(tmp_path: Path) -> None:
    found = [new_run(tmp_path / "runs").id for _ in range(20)]
    assert [run_id[:-1] for run_id in found] == sorted(run_id[:-1] for run_id in found)
