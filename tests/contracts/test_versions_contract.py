"""What every connection keeps of a table with versions of rows (`write: scd2`): one current version a key, whatever ends a publish."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from warehouses import Target, versions_load

from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure

FIRST, SECOND, THIRD = "20220501T000000Z-a", "20220502T000000Z-b", "20220503T000000Z-c"
DAY = [f"2022-05-{day:02}" for day in range(32)]
POINTS = ("locked", "deleted", "proved", "recorded", "committed")
VERSION = tuple[Any, ...]


def versions(target: Target) -> list[VERSION]:
    """Contract, seconds, the days on which the version begins and ends, and whether it is current."""
    found = target.run("SELECT contract, seconds, valid_from, valid_to, is_current FROM profile")
    return sorted(
        (contract, seconds, begins.day, ends.day if isinstance(ends, datetime) else 0, bool(current))
        for contract, seconds, begins, ends, current in found
    )


def publish(target: Target, folder: Path, rows: dict[str, int | None], run_id: str, day: int, **how: Any) -> Published:
    given = [("2022-04", contract, seconds) for contract, seconds in rows.items()]
    return target.open().publish(versions_load(folder / f"{run_id}-{day}", given, at=DAY[day], run_id=run_id, **how))


def test_a_change_ends_a_version_and_begins_another(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 1, "B": 2, "C": None}, FIRST, 1)
    assert publish(target, tmp_path, {"A": 1, "B": 3, "C": None, "D": 4}, SECOND, 2) == Published(3)
    assert versions(target) == [
        ("A", 1, 1, 0, True),
        ("B", 2, 1, 2, False),
        ("B", 3, 2, 0, True),
        ("C", None, 1, 0, True),
        ("D", 4, 2, 0, True),
    ]
    assert publish(target, tmp_path, {"A": 1, "B": 3, "C": None, "D": 4}, THIRD, 3) == Published(0)
    assert target.ledger() == [("", THIRD, 0)]


def test_a_key_that_is_missing_stays_or_ends_and_may_come_back(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 1, "B": 2}, FIRST, 1)
    publish(target, tmp_path, {"A": 1}, SECOND, 2)
    assert versions(target) == [("A", 1, 1, 0, True), ("B", 2, 1, 0, True)]
    publish(target, tmp_path, {"A": 1}, THIRD, 3, ends_missing=True)
    publish(target, tmp_path, {"A": 1, "B": 2}, "20220504T000000Z-d", 4)
    assert versions(target) == [("A", 1, 1, 0, True), ("B", 2, 1, 3, False), ("B", 2, 4, 0, True)]


def test_only_a_change_of_a_tracked_column_begins_a_version(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 1}, FIRST, 1, tracked=("month",))
    publish(target, tmp_path, {"A": 2}, SECOND, 2, tracked=("month",))
    assert versions(target) == [("A", 1, 1, 0, True)]


def test_a_second_run_of_the_same_time_replaces_its_versions_and_an_earlier_time_is_refused(
    target: Target, tmp_path: Path
) -> None:
    publish(target, tmp_path, {"A": 1}, FIRST, 1)
    publish(target, tmp_path, {"A": 2}, SECOND, 2)
    publish(target, tmp_path, {"A": 3}, THIRD, 2)
    assert versions(target) == [("A", 1, 1, 2, False), ("A", 3, 2, 0, True)]
    with pytest.raises(RunFailure) as failure:
        publish(target, tmp_path, {"A": 4}, "20220504T000000Z-d", 1)
    assert failure.value.code == "older-versions"


def test_rows_that_share_their_key_are_refused(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 1}, FIRST, 1)
    twice = [("2022-04", "A", 1), ("2022-04", "A", 2)]
    with pytest.raises(RunFailure) as failure:
        target.open().publish(versions_load(tmp_path, twice, at=DAY[2], run_id=SECOND))
    assert (failure.value.code, versions(target)) == ("key-not-unique", [("A", 1, 1, 0, True)])


def test_versions_that_another_run_published_meanwhile_are_not_overlooked(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(target, tmp_path, {"A": 1}, FIRST, 1)
    seen = target.open().entries()
    publish(target, tmp_path, {"A": 2}, SECOND, 2)
    monkeypatch.setattr("etlrun.warehouse.database.Warehouse.entries", lambda self: seen)
    with pytest.raises(RunFailure) as failure:
        publish(target, tmp_path, {"A": 3}, THIRD, 3)
    assert (failure.value.code, len(versions(target))) == ("table-changed", 2)


def test_a_process_killed_at_any_point_leaves_the_old_versions_or_the_new_ones(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 0, "B": 0}, FIRST, 1)
    old: list[VERSION] = [("A", 0, 1, 0, True), ("B", 0, 1, 0, True)]
    with target.publisher(tmp_path) as publish_apart:
        for number, point in enumerate(POINTS, 2):
            rows = [("2022-04", "A", number), ("2022-04", "B", 0)]
            load = {"rows": rows, "at": DAY[number], "run_id": f"202206{number:02}T000000Z-b"}
            ended = [(*version[:3], number, False) if version[0] == "A" and version[4] else version for version in old]
            new = sorted([*ended, ("A", number, number, 0, True)])
            assert publish_apart(f"{point}:kill", **load)["signal"] == signal.SIGKILL, point
            assert versions(target) == (new if point == "committed" else old), point
            again = publish_apart(**load)["published"]
            assert again["was_there"] == (point == "committed"), point
            assert (versions(target), target.ledger()[0][1]) == (new, load["run_id"]), point
            old = new
