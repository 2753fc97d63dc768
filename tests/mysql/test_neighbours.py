"""Who may write beside whom: a month beside the whole table, and after a writer that is dead already."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from etlrun.runtime.waiting import when_free

from .loads import Place, make_load, many
from .test_locks import held_at

FIRST, SECOND, THIRD = "20220501T000000Z-a", "20220502T000000Z-b", "20220503T000000Z-c"
MAY = "month = '2022-05'"
MONTHS = "SELECT month, COUNT(*), MAX(seconds) FROM profile GROUP BY month ORDER BY month"


@pytest.mark.parametrize("point", ["locked", "deleted", "recorded"])
@pytest.mark.parametrize("write", ["replace", "merge", "append"])
def test_the_whole_table_is_not_published_while_a_month_is(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str, write: str
) -> None:
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 40, 1), run_id=FIRST))
    may = make_load(tmp_path, many("2022-05", 30, 2), where=MAY, run_id=SECOND)
    whole = make_load(tmp_path, many("2022-06", 20, 3), write=write, run_id=THIRD)  # type: ignore[arg-type]
    with held_at(place, monkeypatch, may, point) as outcome:
        with pytest.raises(RunFailure) as failure:
            place.warehouse().publish(whole)
        assert failure.value.code == "table-busy"
        assert f"is locked by {SECOND} since 20" in failure.value.message
        assert place.slept == []
    assert outcome[0].rows == 30
    assert place.run(MONTHS) == [("2022-04", 40, 1), ("2022-05", 30, 2)]
    assert place.warehouse().publish(whole).rows == 20
    expected = {"replace": [("2022-06", 20, 3)]}.get(
        write, [("2022-04", 40, 1), ("2022-05", 30, 2), ("2022-06", 20, 3)]
    )
    assert place.run(MONTHS) == expected


def test_months_that_were_published_before_hold_nothing(place: Place, tmp_path: Path) -> None:
    for number, month in enumerate(("2022-04", "2022-05")):
        place.warehouse().publish(
            make_load(tmp_path, many(month, 3), where=f"month = '{month}'", run_id=FIRST + str(number))
        )
    assert place.warehouse().publish(make_load(tmp_path, many("2022-06", 2, 3), run_id=SECOND)).rows == 2
    assert place.run(MONTHS) == [("2022-06", 2, 3)]


@contextmanager
def a_session_that_holds(place: Place, load: Load, pid: int, host: str) -> Iterator[threading.Event]:
    """Inside, the server still has a session of run FIRST, at work on the table of `load`; the event ends it."""
    place.warehouse().publish(load)
    ((lock,),) = place.run("SELECT lock_name FROM _etlrun_writers")
    connection = place.server.connect(place.database)
    cursor = connection.cursor()
    cursor.execute(f"SELECT GET_LOCK('{lock}', 0)")
    assert cursor.fetchall() == ((1,),)
    cursor.execute(f"UPDATE _etlrun_writers SET thread = {connection.thread_id()}, pid = {pid}, host = '{host}'")
    ends = threading.Event()

    def end() -> None:
        ends.wait(60)
        connection.close()

    thread = threading.Thread(target=end)
    thread.start()
    try:
        yield ends
    finally:
        ends.set()
        thread.join()


@pytest.fixture
def dead_pid() -> int:
    """The number of a process that was."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_that_was_killed_is_waited_for_until_the_server_has_noticed(
    place: Place, tmp_path: Path, dead_pid: int
) -> None:
    old, new = (
        make_load(tmp_path, many("2022-04", count, count), run_id=run) for count, run in ((4, FIRST), (3, SECOND))
    )
    with a_session_that_holds(place, old, dead_pid, socket.gethostname()) as ends:
        threading.Timer(0.5, ends.set).start()
        assert place.warehouse(lock_timeout=30).publish(new).rows == 3
        assert ends.is_set()
    assert place.run(MONTHS) == [("2022-04", 3, 3)]
    assert place.slept == []


def test_a_run_that_was_killed_and_stays_on_the_server_is_named(place: Place, tmp_path: Path, dead_pid: int) -> None:
    old, new = (
        make_load(tmp_path, many("2022-04", count, count), run_id=run) for count, run in ((4, FIRST), (3, SECOND))
    )
    with a_session_that_holds(place, old, dead_pid, socket.gethostname()), pytest.raises(RunFailure) as failure:
        place.warehouse().publish(new)
    assert (
        failure.value.code == "table-busy"
        and f"locked by {FIRST}" in failure.value.message
        and "KILL" in failure.value.fix
    )
    assert place.run(MONTHS) == [("2022-04", 4, 4)]


@pytest.mark.parametrize("place_of_it", ["here, alive", "elsewhere"])
def test_a_run_that_may_be_alive_is_not_waited_for(
    place: Place, tmp_path: Path, dead_pid: int, place_of_it: str
) -> None:
    pid, host = (os.getpid(), socket.gethostname()) if place_of_it == "here, alive" else (dead_pid, "another-host")
    old, new = (
        make_load(tmp_path, many("2022-04", count, count), run_id=run) for count, run in ((4, FIRST), (3, SECOND))
    )
    with a_session_that_holds(place, old, pid, host) as ends:
        timer = threading.Timer(20, ends.set)
        timer.start()
        with pytest.raises(RunFailure, match=f"locked by {FIRST}"):
            place.warehouse(lock_timeout=60).publish(new)
        timer.cancel()
        assert not ends.is_set()


class Ending:
    """A reporter that lets go of the table as soon as it hears that somebody waits for it."""

    def __init__(self, ends: threading.Event) -> None:
        self.ends = ends
        self.detail: list[str] = []

    def say(self, text: str) -> None:
        self.detail.append(text)
        self.ends.set()


def test_a_busy_table_is_waited_for_as_long_as_is_allowed(place: Place, tmp_path: Path) -> None:
    old, new = (
        make_load(tmp_path, many("2022-04", count, count), run_id=run) for count, run in ((4, FIRST), (3, SECOND))
    )
    publish = partial(place.warehouse().publish, new)
    with a_session_that_holds(place, old, os.getpid(), socket.gethostname()) as ends:
        reporter = Ending(ends)
        with pytest.raises(RunFailure, match=f"locked by {FIRST}"):
            when_free(publish, 0.0, reporter)  # type: ignore[arg-type]
        assert not ends.is_set()
        assert when_free(publish, 600.0, reporter).rows == 3  # type: ignore[arg-type]
    (detail,) = reporter.detail
    assert detail.startswith("waiting up to 600 s: the table `profile` of connection `warehouse` is locked by")
    assert place.run(MONTHS) == [("2022-04", 3, 3)]
