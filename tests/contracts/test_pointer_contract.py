"""Publishing by pointer: a view shows the rows of one load or another, and a rollback those before."""

from __future__ import annotations

import signal
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from warehouses import STATE, Target, Watch

from etlrun.contracts.connection import Load, Published
from etlrun.failures import RunFailure
from etlrun.warehouse.faults import FaultError
from mysql.loads import make_load, many
from mysql.proxy import Fault, Proxy

FIRST, SECOND, THIRD, FOURTH = (f"2022050{number}T000000Z-{letter}" for number, letter in enumerate("abcd", 1))
OLD, NEW, LATEST = many("2022-04", 40, 1), many("2022-04", 30, 2), many("2022-04", 20, 3)
MAY = many("2022-05", 10, 1)
POINTS = (
    "connected",
    "prepared",
    "locked",
    "registered",
    "loading",
    "loaded",
    "proved",
    "begun",
    "ledger-read",
    "shown",
    "recorded",
    "committed",
    "tidying",
)
OLD_STATE, NEW_STATE = (40, 40, 1, 1), (30, 30, 2, 2)


@pytest.fixture
def target(versioned: Target) -> Target:
    return versioned


def pointed(folder: Path, rows: Any, run_id: str, *, keep: int = 1, **given: Any) -> Load:
    return replace(make_load(folder, rows, run_id=run_id, **given), publish="pointer", keep=keep)


def versions(target: Target) -> list[tuple[str, str, bool]]:
    return [(one.period, one.run_id, one.is_current) for one in target.open().versions("profile")]


def loads(target: Target) -> list[int]:
    """How many rows each load has that is still there, in the order of their numbers."""
    return [
        int(row[0])
        for row in target.run("SELECT COUNT(*) FROM profile__data GROUP BY __etlrun_load ORDER BY __etlrun_load")
    ]


def test_as_many_publishes_are_kept_as_the_sink_says(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    for rows, run in ((OLD, FIRST), (NEW, SECOND), (LATEST, THIRD)):
        warehouse.publish(pointed(tmp_path, rows, run))
    assert versions(target) == [("", THIRD, True), ("", SECOND, False)]
    assert loads(target) == [30, 20]
    warehouse.publish(pointed(tmp_path, OLD, FOURTH, keep=0))
    assert versions(target) == [("", FOURTH, True)] and loads(target) == [40]


def test_a_rollback_shows_the_rows_before_and_another_run_again(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    for rows, run in ((OLD, FIRST), (NEW, SECOND), (LATEST, THIRD)):
        warehouse.publish(pointed(tmp_path, rows, run, keep=2))
    warehouse.roll_back("profile", None, "")
    assert target.rows() == sorted(NEW) and target.ledger() == [("", SECOND, 30)]
    warehouse.roll_back("profile", None, "")
    assert target.rows() == sorted(OLD) and target.ledger() == [("", FIRST, 40)]
    with pytest.raises(RunFailure, match="no rows of `profile` from before run"):
        warehouse.roll_back("profile", None, "")
    warehouse.roll_back("profile", None, THIRD[:12])
    assert target.rows() == sorted(LATEST) and target.ledger() == [("", THIRD, 20)]
    with pytest.raises(RunFailure, match="already"):
        warehouse.roll_back("profile", None, THIRD)
    warehouse.roll_back("profile", None, "")
    assert target.rows() == sorted(OLD)


def test_the_next_publish_after_a_rollback_removes_what_was_withdrawn(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    warehouse.roll_back("profile", None, "")
    warehouse.publish(pointed(tmp_path, LATEST, THIRD))
    assert target.rows() == sorted(LATEST)
    assert versions(target) == [("", THIRD, True), ("", FIRST, False)]
    assert loads(target) == [40, 20]


def test_rows_that_two_versions_share_stay_while_one_of_them_does(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    for rows, run in ((OLD, FIRST), (NEW, SECOND)):
        warehouse.publish(pointed(tmp_path, rows, run))
    warehouse.roll_back("profile", None, FIRST)
    warehouse.publish(pointed(tmp_path, LATEST, THIRD))
    assert versions(target) == [("", THIRD, True), ("", FIRST, False)]
    warehouse.roll_back("profile", None, "")
    assert target.rows() == sorted(OLD)


def test_the_same_run_again_loads_nothing(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    load = pointed(tmp_path, OLD, FIRST)
    warehouse.publish(load)
    assert warehouse.publish(load) == Published(40, was_there=True)
    assert loads(target) == [40]
    with pytest.raises(RunFailure, match="which started after this run"):
        warehouse.publish(pointed(tmp_path, NEW, "20220401T000000Z-z"))
    assert loads(target) == [40]


def test_months_are_replaced_and_rolled_back_one_by_one(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    april, may = {"where": "month = '2022-04'"}, {"where": "month = '2022-05'"}
    warehouse.publish(pointed(tmp_path, OLD, FIRST, **april))
    warehouse.publish(pointed(tmp_path, MAY, SECOND, **may))
    warehouse.publish(pointed(tmp_path, NEW, THIRD, **april))
    assert target.rows() == sorted([*NEW, *MAY])
    assert target.ledger() == [("`month` = '2022-04'", THIRD, 30), ("`month` = '2022-05'", SECOND, 10)]
    with pytest.raises(RunFailure, match="has this period"):
        warehouse.roll_back("profile", "`month` = '2022-06'", "")
    warehouse.roll_back("profile", "`month` = '2022-04'", "")
    assert target.rows() == sorted([*OLD, *MAY])
    warehouse.publish(pointed(tmp_path, LATEST, FOURTH))
    assert target.rows() == sorted(LATEST) and target.ledger() == [("", FOURTH, 20)]
    warehouse.roll_back("profile", None, "")
    assert target.rows() == sorted([*OLD, *MAY])
    assert target.ledger() == [("`month` = '2022-04'", FIRST, 40), ("`month` = '2022-05'", SECOND, 10)]


def test_a_month_does_not_hide_rows_of_another_publish_that_are_of_that_month(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(pointed(tmp_path, [*OLD, *MAY], FIRST))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(pointed(tmp_path, NEW, SECOND, where="month = '2022-04'"))
    assert failure.value.code == "periods-overlap" and FIRST in failure.value.message
    assert target.rows() == sorted([*OLD, *MAY])
    warehouse.publish(pointed(tmp_path, many("2022-06", 5), THIRD, where="month = '2022-06'"))
    assert len(target.rows()) == 55 and target.ledger() == [("", FIRST, 50), ("`month` = '2022-06'", THIRD, 5)]


def test_a_key_of_two_periods_is_refused(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(pointed(tmp_path, OLD, FIRST, key=("contract",), where="month = '2022-04'"))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(pointed(tmp_path, MAY, SECOND, key=("contract",), where="month = '2022-05'"))
    assert failure.value.code == "key-exists" and FIRST in failure.value.message
    assert target.rows() == sorted(OLD)


@pytest.mark.parametrize("point", POINTS)
def test_an_exception_at_any_point_leaves_old_or_new_rows(
    target: Target, tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target.open().publish(pointed(tmp_path, OLD, FIRST))
    load = pointed(tmp_path, NEW, SECOND, keep=0)
    monkeypatch.setenv("ETLRUN_FAULT", f"{point}:raise")
    monkeypatch.setattr("etlrun.warehouse.faults._hits", {})
    with Watch(target) as watch, pytest.raises(FaultError):
        target.open().publish(load)
    monkeypatch.delenv("ETLRUN_FAULT")
    is_done = point in ("committed", "tidying")
    assert target.run(STATE) == [NEW_STATE if is_done else OLD_STATE]
    assert target.ledger() == [("", SECOND, 30) if is_done else ("", FIRST, 40)]
    assert watch.errors == [] and watch.states <= {OLD_STATE, NEW_STATE}
    target.open().publish(load)
    assert target.run(STATE) == [NEW_STATE] and target.ledger() == [("", SECOND, 30)]
    target.open().publish(pointed(tmp_path, LATEST, THIRD, keep=0))
    assert loads(target) == [20] and versions(target) == [("", THIRD, True)]


def test_a_killed_process_leaves_old_or_new_rows_and_the_next_one_removes_its_rest(
    target: Target, tmp_path: Path
) -> None:
    old, pointer = OLD_STATE, {"publish": "pointer", "keep": 0}
    with target.publisher(tmp_path) as publish:
        publish(rows=40, seconds=1, run_id=FIRST, **pointer)
        for number, point in enumerate(
            ("registered", "loading", "proved", "shown", "recorded", "committed", "tidying"), 2
        ):
            load = {"rows": 20 + number, "seconds": number, "run_id": f"202206{number:02}T000000Z-b", **pointer}
            new, is_done = (20 + number, 20 + number, number, number), point in ("committed", "tidying")
            with Watch(target) as watch:
                assert publish(f"{point}:kill", **load) == {"signal": signal.SIGKILL, "published": None}, point
                assert target.run(STATE) == [new if is_done else old]
                again = asdict(Published(new[0], was_there=is_done))
                assert publish(**load) == {"signal": 0, "published": again}, point
            assert target.run(STATE) == [new] and target.ledger() == [("", load["run_id"], new[0])]
            assert watch.errors == [] and watch.states <= {old, new}
            old = new
    target.open().publish(pointed(tmp_path, LATEST, "20220701T000000Z-c", keep=0))
    assert loads(target) == [20]


@pytest.mark.parametrize("kind", ["lost-commit", "lost-reply"])
def test_a_commit_whose_answer_is_lost_is_settled_by_the_ledger(target: Target, tmp_path: Path, kind: Any) -> None:
    """PostgreSQL has two of them: the first is of rows that nobody sees yet, which are loaded again."""
    target.open().publish(pointed(tmp_path, OLD, FIRST))
    with Proxy(target.server.port) as line:
        line.arm(Fault(kind, "up"))
        through = target.through(line.port)
        published = through.open().publish(pointed(tmp_path, NEW, SECOND))
        through.close()
    assert published == Published(30, was_there=kind == "lost-reply" and target.kind == "mysql")
    assert target.run(STATE) == [NEW_STATE] and target.ledger() == [("", SECOND, 30)]
    assert loads(target) == [40, 30]


def test_months_that_a_table_holds_are_said_to_stay_behind(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    april = make_load(tmp_path, OLD, where="month = '2022-04'", run_id=FIRST)
    warehouse.publish(april)
    with pytest.raises(RunFailure, match="are missing there until their runs publish again"):
        warehouse.publish(replace(april, publish="pointer", run_id=SECOND))
    assert target.rows() == sorted(OLD)


def test_a_table_of_that_name_is_left_alone(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, OLD, run_id=FIRST))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(pointed(tmp_path, NEW, SECOND))
    assert "it is a table, and `publish: pointer` needs a view" in failure.value.message
    assert "__before" in failure.value.fix
    assert target.rows() == sorted(OLD)
    target.run(failure.value.fix.removeprefix("run: ").rstrip(";"))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    assert target.rows() == sorted(NEW)


def test_a_column_that_is_new_is_told_with_the_statements_for_rows_and_view(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    wider = pointed(
        tmp_path,
        [(*row, 7) for row in NEW],
        SECOND,
        declared={"month": "string", "contract": "string", "seconds": "bigint", "days": "int"},
    )
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(wider)
    statements = failure.value.fix.removeprefix("run: ").rstrip(";").split("; ")
    there_first = [] if target.kind == "mysql" else ["DROP"]
    assert [statement.split(" ")[0] for statement in statements] == [*there_first, "ALTER", "CREATE"]
    target.run(*statements)
    warehouse.publish(wider)
    assert target.run("SELECT COUNT(*), MIN(days), MAX(seconds) FROM profile") == [(30, 7, 2)]


@pytest.mark.parametrize("rows", [[*OLD, OLD[0]], [(None, "A", 1)]])
def test_rows_that_a_table_would_refuse_are_refused_here_too(target: Target, tmp_path: Path, rows: Any) -> None:
    target.open().publish(pointed(tmp_path, OLD, FIRST))
    with pytest.raises(RunFailure, match="was not published"):
        target.open().publish(pointed(tmp_path, rows, SECOND))
    assert target.rows() == sorted(OLD) and target.ledger() == [("", FIRST, 40)]


def test_a_name_that_leaves_no_room_for_the_rows_is_refused(target: Target, tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="longer than a name may be"):
        target.open().publish(pointed(tmp_path, OLD, FIRST, table="t" * 59))


def test_a_table_published_in_one_transaction_has_nothing_to_go_back_to(target: Target, tmp_path: Path) -> None:
    warehouse = target.open()
    warehouse.publish(make_load(tmp_path, OLD, run_id=FIRST))
    assert warehouse.versions("profile") == ()
    with pytest.raises(RunFailure, match="no earlier rows"):
        warehouse.roll_back("profile", None, "")


def test_a_rollback_that_breaks_changes_nothing(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = target.open()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    monkeypatch.setenv("ETLRUN_FAULT", "rolled-back:raise")
    monkeypatch.setattr("etlrun.warehouse.faults._hits", {})
    with pytest.raises(FaultError):
        warehouse.roll_back("profile", None, "")
    assert target.rows() == sorted(NEW) and target.ledger() == [("", SECOND, 30)]
    assert versions(target) == [("", SECOND, True), ("", FIRST, False)]
