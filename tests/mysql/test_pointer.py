"""Publishing by pointer: a view shows the rows of one load or another, and a rollback those before."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etlrun.contracts.connection import Load, Published
from etlrun.failures import RunFailure
from etlrun.warehouse.faults import FaultError

from .loads import Place, make_load, many
from .proxy import Fault, Proxy
from .watching import Watch

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts"))
from warehouses import publisher

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
STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), MIN(seconds), MAX(seconds) FROM profile"
OLD_STATE, NEW_STATE = (40, 40, 1, 1), (30, 30, 2, 2)
LOADERS = pytest.mark.parametrize("loader", ["insert", "load_data"])


def pointed(folder: Path, rows: Any, run_id: str, *, keep: int = 1, **given: Any) -> Load:
    return replace(make_load(folder, rows, run_id=run_id, **given), publish="pointer", keep=keep)


def versions(place: Place) -> list[tuple[str, str, bool]]:
    return [(one.period, one.run_id, one.is_current) for one in place.warehouse().versions("profile")]


def loads(place: Place) -> list[int]:
    """How many rows each load has that is still there, in the order of their numbers."""
    return [
        int(row[0])
        for row in place.run("SELECT COUNT(*) FROM profile__data GROUP BY __etlrun_load ORDER BY __etlrun_load")
    ]


@LOADERS
def test_readers_see_the_rows_of_the_last_publish_through_a_view(place: Place, tmp_path: Path, loader: str) -> None:
    warehouse = place.warehouse(loader=loader)
    assert warehouse.publish(pointed(tmp_path, OLD, FIRST)) == Published(40)
    with Watch(place, STATE) as watch:
        assert warehouse.publish(pointed(tmp_path, NEW, SECOND)) == Published(30)
    assert watch.errors == [] and watch.states() <= {OLD_STATE, NEW_STATE}
    assert place.rows() == sorted(NEW)
    assert place.ledger() == [("", SECOND, 30)]
    assert place.run(
        "SELECT table_type FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'profile'"
    ) == [("VIEW",)]
    assert loads(place) == [40, 30]


def test_as_many_publishes_are_kept_as_the_sink_says(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    for rows, run in ((OLD, FIRST), (NEW, SECOND), (LATEST, THIRD)):
        warehouse.publish(pointed(tmp_path, rows, run))
    assert versions(place) == [("", THIRD, True), ("", SECOND, False)]
    assert loads(place) == [30, 20]
    warehouse.publish(pointed(tmp_path, OLD, FOURTH, keep=0))
    assert versions(place) == [("", FOURTH, True)] and loads(place) == [40]


def test_a_rollback_shows_the_rows_before_and_another_run_again(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    for rows, run in ((OLD, FIRST), (NEW, SECOND), (LATEST, THIRD)):
        warehouse.publish(pointed(tmp_path, rows, run, keep=2))
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(NEW) and place.ledger() == [("", SECOND, 30)]
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(OLD) and place.ledger() == [("", FIRST, 40)]
    with pytest.raises(RunFailure, match="nothing is kept of what `profile` held before run"):
        warehouse.roll_back("profile", None, "")
    warehouse.roll_back("profile", None, THIRD[:12])
    assert place.rows() == sorted(LATEST) and place.ledger() == [("", THIRD, 20)]
    with pytest.raises(RunFailure, match="already"):
        warehouse.roll_back("profile", None, THIRD)
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(OLD)


def test_the_next_publish_after_a_rollback_removes_what_was_withdrawn(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    warehouse.roll_back("profile", None, "")
    warehouse.publish(pointed(tmp_path, LATEST, THIRD))
    assert place.rows() == sorted(LATEST)
    assert versions(place) == [("", THIRD, True), ("", FIRST, False)]
    assert loads(place) == [40, 20]


def test_rows_that_two_versions_share_stay_while_one_of_them_does(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    for rows, run in ((OLD, FIRST), (NEW, SECOND)):
        warehouse.publish(pointed(tmp_path, rows, run))
    warehouse.roll_back("profile", None, FIRST)
    warehouse.publish(pointed(tmp_path, LATEST, THIRD))
    assert versions(place) == [("", THIRD, True), ("", FIRST, False)]
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(OLD)


def test_the_same_run_again_loads_nothing(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    load = pointed(tmp_path, OLD, FIRST)
    warehouse.publish(load)
    assert warehouse.publish(load) == Published(40, was_there=True)
    assert loads(place) == [40]
    with pytest.raises(RunFailure, match="which started after this run"):
        warehouse.publish(pointed(tmp_path, NEW, "20220401T000000Z-z"))
    assert loads(place) == [40]


def test_months_are_replaced_and_rolled_back_one_by_one(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    april, may = {"where": "month = '2022-04'"}, {"where": "month = '2022-05'"}
    warehouse.publish(pointed(tmp_path, OLD, FIRST, **april))
    warehouse.publish(pointed(tmp_path, MAY, SECOND, **may))
    warehouse.publish(pointed(tmp_path, NEW, THIRD, **april))
    assert place.rows() == sorted([*NEW, *MAY])
    assert place.ledger() == [("`month` = '2022-04'", THIRD, 30), ("`month` = '2022-05'", SECOND, 10)]
    with pytest.raises(RunFailure, match="no such period"):
        warehouse.roll_back("profile", "`month` = '2022-06'", "")
    warehouse.roll_back("profile", "`month` = '2022-04'", "")
    assert place.rows() == sorted([*OLD, *MAY])
    warehouse.publish(pointed(tmp_path, LATEST, FOURTH))
    assert place.rows() == sorted(LATEST) and place.ledger() == [("", FOURTH, 20)]
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted([*OLD, *MAY])
    assert place.ledger() == [("`month` = '2022-04'", FIRST, 40), ("`month` = '2022-05'", SECOND, 10)]


def test_a_month_does_not_hide_rows_of_another_publish_that_are_of_that_month(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(pointed(tmp_path, [*OLD, *MAY], FIRST))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(pointed(tmp_path, NEW, SECOND, where="month = '2022-04'"))
    assert failure.value.code == "periods-overlap" and FIRST in failure.value.message
    assert place.rows() == sorted([*OLD, *MAY])
    warehouse.publish(pointed(tmp_path, many("2022-06", 5), THIRD, where="month = '2022-06'"))
    assert len(place.rows()) == 55 and place.ledger() == [("", FIRST, 50), ("`month` = '2022-06'", THIRD, 5)]


def test_a_key_of_two_periods_is_refused(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(pointed(tmp_path, OLD, FIRST, key=("contract",), where="month = '2022-04'"))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(pointed(tmp_path, MAY, SECOND, key=("contract",), where="month = '2022-05'"))
    assert failure.value.code == "key-exists" and FIRST in failure.value.message
    assert place.rows() == sorted(OLD)


@pytest.mark.parametrize("point", POINTS)
@LOADERS
def test_an_exception_at_any_point_leaves_old_or_new_rows(
    place: Place, tmp_path: Path, point: str, loader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(pointed(tmp_path, OLD, FIRST))
    load = pointed(tmp_path, NEW, SECOND, keep=0)
    monkeypatch.setenv("ETLRUN_FAULT", f"{point}:raise")
    monkeypatch.setattr("etlrun.warehouse.faults._hits", {})
    with Watch(place, STATE) as watch, pytest.raises(FaultError):
        place.warehouse(loader=loader).publish(load)
    monkeypatch.delenv("ETLRUN_FAULT")
    is_done = point in ("committed", "tidying")
    assert place.run(STATE) == [NEW_STATE if is_done else OLD_STATE]
    assert place.ledger() == [("", SECOND, 30) if is_done else ("", FIRST, 40)]
    assert watch.errors == [] and watch.states() <= {OLD_STATE, NEW_STATE}
    place.warehouse(loader=loader).publish(load)
    assert place.run(STATE) == [NEW_STATE] and place.ledger() == [("", SECOND, 30)]
    place.warehouse().publish(pointed(tmp_path, LATEST, THIRD, keep=0))
    assert loads(place) == [20] and versions(place) == [("", THIRD, True)]


def test_a_killed_process_leaves_old_or_new_rows_and_the_next_one_removes_its_rest(
    place: Place, tmp_path: Path
) -> None:
    url = {"url": f"mysql://root@127.0.0.1:{place.port}/{place.database}"}
    old, pointer = OLD_STATE, {"publish": "pointer", "keep": 0}
    with publisher("mysql", url, tmp_path) as publish:
        publish(rows=40, seconds=1, run_id=FIRST, **pointer)
        for number, point in enumerate(
            ("registered", "loading", "proved", "shown", "recorded", "committed", "tidying"), 2
        ):
            load = {"rows": 20 + number, "seconds": number, "run_id": f"202206{number:02}T000000Z-b", **pointer}
            new, is_done = (20 + number, 20 + number, number, number), point in ("committed", "tidying")
            with Watch(place, STATE) as watch:
                assert publish(f"{point}:kill", **load) == {"signal": signal.SIGKILL, "published": None}, point
                assert place.run(STATE) == [new if is_done else old]
                again = {"rows": new[0], "was_there": is_done}
                assert publish(**load) == {"signal": 0, "published": again}, point
            assert place.run(STATE) == [new] and place.ledger() == [("", load["run_id"], new[0])]
            assert watch.errors == [] and watch.states() <= {old, new}
            old = new
    place.warehouse().publish(pointed(tmp_path, LATEST, "20220701T000000Z-c", keep=0))
    assert loads(place) == [20]


@pytest.mark.parametrize("kind", ["lost-commit", "lost-reply"])
@LOADERS
def test_a_commit_whose_answer_is_lost_is_settled_by_the_ledger(
    place: Place, proxy: Proxy, tmp_path: Path, kind: Any, loader: str
) -> None:
    place.warehouse().publish(pointed(tmp_path, OLD, FIRST))
    proxy.arm(Fault(kind, "up"))
    published = place.through(proxy.port).warehouse(loader=loader).publish(pointed(tmp_path, NEW, SECOND))
    assert published == Published(30, was_there=kind == "lost-reply")
    assert place.run(STATE) == [NEW_STATE] and place.ledger() == [("", SECOND, 30)]
    assert loads(place) == [40, 30]


def test_months_that_a_table_holds_are_said_to_stay_behind(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    april = make_load(tmp_path, OLD, where="month = '2022-04'", run_id=FIRST)
    warehouse.publish(april)
    with pytest.raises(RunFailure, match="stay behind until their runs publish again"):
        warehouse.publish(replace(april, publish="pointer", run_id=SECOND))
    assert place.rows() == sorted(OLD)


def test_a_table_of_that_name_is_left_alone(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, OLD, run_id=FIRST))
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(pointed(tmp_path, NEW, SECOND))
    assert "it is a table, and a view of its name" in failure.value.message
    assert failure.value.fix == "run: RENAME TABLE `profile` TO `profile__before`;"
    assert place.rows() == sorted(OLD)
    place.run(failure.value.fix.removeprefix("run: ").rstrip(";"))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    assert place.rows() == sorted(NEW)


def test_a_column_that_is_new_is_told_with_the_statements_for_rows_and_view(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
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
    assert [statement.split(" ")[0] for statement in statements] == ["ALTER", "CREATE"]
    place.run(*statements)
    warehouse.publish(wider)
    assert place.run("SELECT COUNT(*), MIN(days), MAX(seconds) FROM profile") == [(30, 7, 2)]


@pytest.mark.parametrize("rows", [[*OLD, OLD[0]], [(None, "A", 1)]])
@LOADERS
def test_rows_that_a_table_would_refuse_are_refused_here_too(
    place: Place, tmp_path: Path, loader: str, rows: Any
) -> None:
    place.warehouse().publish(pointed(tmp_path, OLD, FIRST))
    with pytest.raises(RunFailure, match="was not published"):
        place.warehouse(loader=loader).publish(pointed(tmp_path, rows, SECOND))
    assert place.rows() == sorted(OLD) and place.ledger() == [("", FIRST, 40)]


def test_a_name_that_leaves_no_room_for_the_rows_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(RunFailure, match="longer than a name may be"):
        place.warehouse().publish(pointed(tmp_path, OLD, FIRST, table="t" * 59))


def test_a_table_published_in_one_transaction_has_nothing_to_go_back_to(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, OLD, run_id=FIRST))
    assert warehouse.versions("profile") == ()
    with pytest.raises(RunFailure, match="nothing is kept"):
        warehouse.roll_back("profile", None, "")


def test_a_rollback_that_breaks_changes_nothing(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = place.warehouse()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    monkeypatch.setenv("ETLRUN_FAULT", "rolled-back:raise")
    monkeypatch.setattr("etlrun.warehouse.faults._hits", {})
    with pytest.raises(FaultError):
        warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(NEW) and place.ledger() == [("", SECOND, 30)]
    assert versions(place) == [("", SECOND, True), ("", FIRST, False)]


def test_readers_see_one_version_or_the_other_while_a_table_goes_back_and_forth(place: Place, tmp_path: Path) -> None:
    warehouse = place.warehouse()
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    with Watch(place, STATE) as watch:
        for run in (FIRST, SECOND, FIRST, SECOND):
            warehouse.roll_back("profile", None, run)
    assert watch.errors == [] and watch.states() == {OLD_STATE, NEW_STATE}


def test_an_account_needs_rights_to_create_once_and_none_to_update(place: Place, tmp_path: Path) -> None:
    account = f"narrow_{place.database}"
    place.run(
        f"CREATE USER {account}@'%' IDENTIFIED BY 'secret'",
        f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {account}@'%'",
    )
    warehouse = place.warehouse(user=account, password="secret")
    with pytest.raises(RunFailure, match="may not make a view") as failure:
        warehouse.publish(pointed(tmp_path, OLD, FIRST))
    statement = failure.value.fix.partition("let somebody run: ")[2].rstrip(";")
    place.run(statement, f"REVOKE CREATE ON {place.database}.* FROM {account}@'%'")
    warehouse.publish(pointed(tmp_path, OLD, FIRST))
    warehouse.publish(pointed(tmp_path, NEW, SECOND))
    warehouse.roll_back("profile", None, "")
    assert place.rows() == sorted(OLD)
    place.run(f"DROP USER {account}@'%'")
