"""What every connection keeps of `merge_newer`: no row takes the place of a newer one, whatever ends a publish."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from warehouses import Target, newer_load

from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure

FIRST, SECOND, THIRD = "20220501T000000Z-a", "20220502T000000Z-b", "20220503T000000Z-c"


def seconds(target: Target) -> dict[str, int | None]:
    return dict(target.run("SELECT contract, seconds FROM profile"))


def publish(target: Target, folder: Path, rows: dict[str, int | None], run_id: str) -> Published:
    given = [("2022-04", contract, value) for contract, value in rows.items()]
    return target.open().publish(newer_load(folder / run_id, given, newer="seconds", run_id=run_id))


def test_a_late_row_does_not_overwrite_a_newer_one_and_a_null_is_older_than_all(target: Target, tmp_path: Path) -> None:
    assert publish(target, tmp_path, {"A": 5, "B": 5, "C": 5, "D": None, "E": None}, FIRST) == Published(5)
    assert publish(target, tmp_path, {"A": 4, "B": 6, "C": None, "D": 1, "E": None, "F": 1}, SECOND) == Published(3)
    assert seconds(target) == {"A": 5, "B": 6, "C": 5, "D": 1, "E": None, "F": 1}
    assert publish(target, tmp_path, {"A": 4, "B": 6, "C": None, "D": 1, "E": None, "F": 1}, THIRD) == Published(0)
    assert target.ledger() == [("", THIRD, 0)]


def test_rows_that_share_their_key_are_refused_before_any_is_left_out(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 5}, FIRST)
    twice = [("2022-04", "A", 4), ("2022-04", "A", 6)]
    with pytest.raises(RunFailure) as failure:
        target.open().publish(newer_load(tmp_path, twice, newer="seconds", run_id=SECOND))
    assert (failure.value.code, seconds(target)) == ("key-not-unique", {"A": 5})


def test_rows_that_another_run_published_meanwhile_are_not_overwritten(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(target, tmp_path, {"A": 1}, FIRST)
    seen = target.open().entries()
    publish(target, tmp_path, {"A": 9}, SECOND)
    monkeypatch.setattr("etlrun.warehouse.database.Warehouse.entries", lambda self: seen)
    with pytest.raises(RunFailure) as failure:
        publish(target, tmp_path, {"A": 10}, THIRD)
    assert (failure.value.code, seconds(target)) == ("table-changed", {"A": 9})


def test_a_process_killed_at_a_point_leaves_the_old_rows_or_the_new_ones(target: Target, tmp_path: Path) -> None:
    publish(target, tmp_path, {"A": 1, "B": 9}, FIRST)
    with target.publisher(tmp_path) as publish_apart:
        for number, point in enumerate(("deleted", "committed"), 2):
            rows = [("2022-04", "A", number), ("2022-04", "B", number)]
            load = {"rows": rows, "newer": "seconds", "run_id": f"202206{number:02}T000000Z-b"}
            assert publish_apart(f"{point}:kill", **load)["signal"] == signal.SIGKILL, point
            assert seconds(target) == {"A": number if point == "committed" else number - 1, "B": 9}, point
            assert publish_apart(**load)["published"]["was_there"] == (point == "committed"), point
            assert seconds(target) == {"A": number, "B": 9}, point
