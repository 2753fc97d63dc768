"""One writer for each table and period; whoever gets in the way is named, and the old rows stay."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etlrun.connections._mysql.session import open_line
from etlrun.connections._mysql.wire import MysqlConnection
from etlrun.failures import RunFailure
from etlrun.warehouse.access import SessionSettings
from etlrun.warehouse.address import Address

from .loads import Place, make_load, many
from .proxy import Fault, Proxy
from .server import Server
from .watching import Watch

OLD, NEW = many("2022-04", 40, 1), many("2022-04", 30, 2)
FIRST, SECOND, THIRD = "20220501T000000Z-a", "20220502T000000Z-b", "20220503T000000Z-c"
STATE = "SELECT COUNT(*), MIN(seconds), MAX(seconds) FROM profile"


@contextmanager
def held_at(place: Place, monkeypatch: pytest.MonkeyPatch, load: Any, point: str = "deleted") -> Iterator[list[Any]]:
    """Inside, another thread publishes `load` and stands still at a point of the protocol; gives what came of it, afterwards."""
    is_there, may_go = threading.Event(), threading.Event()
    outcome: list[Any] = []
    stopped = threading.local()

    def stop(name: str) -> None:
        if name == point and getattr(stopped, "is_ours", False):
            is_there.set()
            may_go.wait(30)

    def publish() -> None:
        stopped.is_ours = True
        try:
            outcome.append(place.warehouse().publish(load))
        except RunFailure as failure:
            outcome.append(failure)

    for module in ("publish", "transfer"):
        monkeypatch.setattr(f"etlrun.warehouse.{module}.point", stop)
    thread = threading.Thread(target=publish)
    thread.start()
    assert is_there.wait(30)
    try:
        yield outcome
    finally:
        may_go.set()
        thread.join()


def test_the_second_writer_of_a_table_is_told_who_holds_it_and_since_when(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    with held_at(place, monkeypatch, make_load(tmp_path, NEW, run_id=SECOND)) as outcome:
        with pytest.raises(RunFailure) as failure:
            place.warehouse().publish(make_load(tmp_path, OLD, run_id=THIRD))
        assert failure.value.code == "table-busy"
        assert (
            f"is locked by {SECOND} since 20" in failure.value.message
            and f"on {socket.gethostname()}, session" in failure.value.message
        )
        assert "KILL" in failure.value.fix
        assert place.slept == []
    assert outcome[0].rows == 30
    assert place.run(STATE) == [(30, 2, 2)]
    assert place.ledger() == [("", SECOND, 30)]


def test_two_first_loads_of_different_months_both_succeed_at_the_same_time(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, [], run_id=FIRST))
    april = make_load(tmp_path, many("2022-04", 500), where="month = '2022-04'", run_id=SECOND)
    may = make_load(tmp_path, many("2022-05", 700), where="month = '2022-05'", run_id=THIRD)
    for point in ("deleted", "proved"):
        with held_at(place, monkeypatch, april, point) as outcome:
            assert place.warehouse().publish(may).rows == 700
        assert outcome[0].rows == 500
        assert place.run("SELECT month, COUNT(*) FROM profile GROUP BY month ORDER BY month") == [
            ("2022-04", 500),
            ("2022-05", 700),
        ]
        place.run("DELETE FROM profile", "DELETE FROM _etlrun_loads")
    assert place.slept == []


OVERLAPPING = (
    ("month = '2022-04'", "month = '2022-04' AND contract < 'D'"),
    ("month <= '2022-04'", "month = '2022-04'"),
    ("month IN ('2022-03', '2022-04')", "'2022-04' = month"),
)
APART = (
    ("month < '2022-05'", "month >= '2022-05'"),
    ("month = '2022-04' AND contract < 'D'", "month = '2022-05' AND contract < 'D'"),
)


@pytest.mark.parametrize(("first", "second"), [*OVERLAPPING, *((second, first) for first, second in OVERLAPPING)])
def test_a_period_that_may_share_rows_with_one_at_work_is_refused(
    place: Place, tmp_path: Path, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, [], run_id=FIRST))
    with held_at(place, monkeypatch, make_load(tmp_path, many("2022-04", 40), where=first, run_id=SECOND)):
        with pytest.raises(RunFailure) as failure:
            place.warehouse().publish(make_load(tmp_path, many("2022-04", 5), where=second, run_id=THIRD))
        assert failure.value.code == "table-busy" and f"is locked by {SECOND} since" in failure.value.message
    assert place.run("SELECT COUNT(*) FROM profile") == [(40,)]


@pytest.mark.parametrize(("first", "second"), APART)
def test_periods_that_are_plainly_apart_go_together(
    place: Place, tmp_path: Path, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, [], run_id=FIRST))
    with held_at(place, monkeypatch, make_load(tmp_path, many("2022-04", 40), where=first, run_id=SECOND)):
        place.warehouse().publish(make_load(tmp_path, many("2022-05", 5), where=second, run_id=THIRD))
    assert place.run("SELECT month, COUNT(*) FROM profile GROUP BY 1 ORDER BY 1") == [("2022-04", 40), ("2022-05", 5)]


def test_under_repeatable_read_a_first_load_would_wait_for_another_month(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why sessions are READ COMMITTED: a DELETE that finds no rows would hold the gap in the index into which the other month is loaded."""
    place.warehouse().publish(make_load(tmp_path, [], run_id=FIRST))
    april = make_load(tmp_path, many("2022-04", 500), where="month = '2022-04'", run_id=SECOND)
    may = make_load(tmp_path, many("2022-05", 700), where="month = '2022-05'", run_id=THIRD)
    forced: list[str] = []

    def open_repeatable(address: Address, settings: SessionSettings) -> MysqlConnection:
        line = open_line(address, settings)
        with line.cursor() as cursor:
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        forced.append(address.database)
        return line

    monkeypatch.setattr("etlrun.connections._mysql.session.open_line", open_repeatable)
    with held_at(place, monkeypatch, april) as outcome, pytest.raises(RunFailure) as failure:
        place.warehouse().publish(may)
    assert "another transaction has locked rows of the table (1205)" in failure.value.message
    assert len(forced) >= 2 and outcome[0].rows == 500
    assert place.run("SELECT month, COUNT(*) FROM profile GROUP BY month") == [("2022-04", 500)]


def test_a_month_is_not_published_while_the_whole_table_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    with (
        held_at(place, monkeypatch, make_load(tmp_path, NEW, run_id=SECOND)),
        pytest.raises(RunFailure, match=f"locked by {SECOND}"),
    ):
        place.warehouse().publish(make_load(tmp_path, many("2022-05", 2), where="month = '2022-05'", run_id=THIRD))
    assert place.run(STATE) == [(30, 2, 2)]


def test_an_older_run_whose_lock_is_lost_gives_way_to_a_newer_one(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    with held_at(place, monkeypatch, make_load(tmp_path, OLD, run_id=SECOND)) as outcome:
        ((thread,),) = place.run("SELECT thread FROM _etlrun_writers")
        place.run(f"KILL {thread}")
        deadline = time.monotonic() + 10
        while (
            place.run(f"SELECT id FROM information_schema.processlist WHERE id = {thread}")
            and time.monotonic() < deadline
        ):
            time.sleep(0.01)
        assert place.warehouse().publish(make_load(tmp_path, NEW, run_id=THIRD)).rows == 30
    assert outcome[0].code == "newer-run"
    assert place.run(STATE) == [(30, 2, 2)]
    assert place.ledger() == [("", THIRD, 30)]


@contextmanager
def locking(place: Place, statement: str) -> Iterator[Any]:
    """Inside, a transaction of somebody else has run `statement` and is open."""
    connection = place.server.connect(place.database, autocommit=False)
    try:
        connection.cursor().execute(statement)
        yield connection
    finally:
        connection.close()


def test_rows_that_somebody_holds_too_long_are_a_failure_that_names_the_session(place: Place, tmp_path: Path) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    with (
        locking(place, "UPDATE profile SET seconds = 9 WHERE contract = 'C000039'") as holder,
        Watch(place, STATE) as watch,
    ):
        with pytest.raises(RunFailure) as failure:
            place.warehouse().publish(make_load(tmp_path, NEW, run_id=SECOND))
        thread = holder.thread_id()
    assert "another transaction has locked rows of the table (1205)" in failure.value.message
    assert f"session {thread} of root@" in failure.value.message
    assert len(place.slept) == 4
    assert place.run(STATE) == [(40, 1, 1)]
    assert place.ledger() == [("", FIRST, 40)]
    assert watch.errors == [] and watch.states() == {(40, 1, 1)}


def test_rows_that_somebody_lets_go_in_time_are_replaced(place: Place, tmp_path: Path) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    with locking(place, "UPDATE profile SET seconds = 9 WHERE contract = 'C000039'") as holder:
        warehouse = place.warehouse()
        timer = threading.Timer(1.5, holder.rollback)
        timer.start()
        assert warehouse.publish(make_load(tmp_path, NEW, run_id=SECOND)).rows == 30
        timer.join()
    assert place.run(STATE) == [(30, 2, 2)]
    assert warehouse.notices == ["publishing `profile` again: another transaction has locked rows of the table (1205)"]


def test_a_deadlock_starts_the_whole_publish_again(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    place.run(
        "CREATE TABLE ballast (id INT PRIMARY KEY, v INT) ENGINE=InnoDB",
        f"INSERT INTO ballast VALUES {', '.join(f'({number}, 0)' for number in range(1, 2001))}",
    )
    place.run("CREATE TRIGGER also AFTER INSERT ON profile FOR EACH ROW UPDATE ballast SET v = v + 1 WHERE id = 1")
    waiting = threading.Event()
    other = place.server.connect(place.database, autocommit=False)
    cursor = other.cursor()
    cursor.execute("UPDATE ballast SET v = v + 1")
    others: list[str] = []

    def cross() -> None:
        waiting.set()
        try:
            cursor.execute("UPDATE profile SET seconds = 9")
            others.append("done")
        except Exception as error:  # noqa: BLE001 - which of the two is the victim is the server's choice
            others.append(str(error))
        other.rollback()

    thread = threading.Thread(target=cross)

    def meet(name: str) -> None:
        if name == "deleted" and not waiting.is_set():
            thread.start()
            waiting.wait(10)
            time.sleep(0.3)

    monkeypatch.setattr("etlrun.warehouse.transfer.point", meet)
    warehouse = place.warehouse(lock_timeout=10)
    assert warehouse.publish(replace(make_load(tmp_path, NEW, run_id=SECOND), allow_cascade=True)).rows == 30
    thread.join()
    other.close()
    assert place.run(STATE) == [(30, 2, 2)]
    assert place.ledger() == [("", SECOND, 30)]
    assert others == ["done"]
    assert warehouse.notices == ["publishing `profile` again: deadlock with another transaction (1213)"]


def test_the_next_run_names_a_session_whose_client_has_fallen_silent(
    spare: Callable[..., Server], tmp_path: Path, stack: ExitStack
) -> None:
    server = spare(["--net-read-timeout=3"])
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    proxy = stack.enter_context(Proxy(server.port))
    proxy.arm(Fault("hang", "up", 300_000))
    silent = make_load(tmp_path, many("2022-04", 60_000, 2), run_id=SECOND)
    quiet = place.through(proxy.port).warehouse(timeout=60)
    failures: list[RunFailure] = []

    def publish() -> None:
        try:
            quiet.publish(silent)
        except RunFailure as failure:
            failures.append(failure)

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not proxy.has_struck and time.monotonic() < deadline:
        time.sleep(0.01)
    third = make_load(tmp_path, NEW, run_id=THIRD)
    with pytest.raises(RunFailure) as failure:
        place.warehouse().publish(third)
    ((session,),) = place.run("SELECT thread FROM _etlrun_writers")
    assert (
        f"locked by {SECOND} since" in failure.value.message
        and f"session {session} of the server" in failure.value.message
    )
    assert place.run(STATE) == [(40, 1, 1)]
    while time.monotonic() < deadline:
        try:
            assert place.warehouse().publish(third).rows == 30
            break
        except RunFailure as busy:
            assert busy.code == "table-busy"
            time.sleep(0.1)
    proxy.cut()
    thread.join(30)
    assert not thread.is_alive()
    # it published before the newer run did, or came back while that held the table, or after it
    assert [one.code for one in failures] in ([], ["table-busy"], ["newer-run"])
    assert place.run(STATE) == [(30, 2, 2)]


@pytest.mark.parametrize("loader", ["insert", "load_data"])
def test_readers_at_every_level_see_the_old_rows_or_the_new_ones(place: Place, tmp_path: Path, loader: str) -> None:
    old, new = many("2022-04", 3_000, 1), many("2022-04", 4_000, 2)
    place.warehouse().publish(make_load(tmp_path, old, run_id="20220501T000000Z-0"))
    states = {(3_000, 1, 1), (4_000, 2, 2)}
    with Watch(place, STATE) as watch:
        for number in range(1, 9):
            rows = new if number % 2 else old
            place.warehouse(loader=loader).publish(make_load(tmp_path, rows, run_id=f"20220501T000000Z-{number}"))
    assert watch.errors == []
    assert watch.states() == states
    assert min(watch.looks.values()) > 8


def test_readers_of_one_month_never_wait_for_another(place: Place, tmp_path: Path) -> None:
    query = "SELECT month, COUNT(*), MIN(seconds), MAX(seconds) FROM profile GROUP BY month"
    for month in ("2022-04", "2022-05"):
        place.warehouse().publish(
            make_load(tmp_path, many(month, 2_000, 1), where=f"month = '{month}'", run_id=FIRST + month)
        )
    with Watch(place, query) as watch:
        for number in range(2, 6):
            load = make_load(
                tmp_path, many("2022-05", 2_000, number), where="month = '2022-05'", run_id=f"{SECOND}{number}"
            )
            place.warehouse().publish(load)
    assert watch.errors == []
    assert watch.states() == {("2022-04", 2_000, 1, 1), *(("2022-05", 2_000, number, number) for number in range(1, 6))}


def test_a_snapshot_from_before_a_publish_keeps_showing_the_old_rows(place: Place, tmp_path: Path) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    reader = place.server.connect(place.database, autocommit=False)
    cursor = reader.cursor()
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    place.warehouse().publish(make_load(tmp_path, NEW, run_id=SECOND))
    cursor.execute(STATE)
    assert cursor.fetchall() == ((40, 1, 1),)
    reader.commit()
    cursor.execute(STATE)
    assert cursor.fetchall() == ((30, 2, 2),)
    reader.close()
