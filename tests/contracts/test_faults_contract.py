"""Faults of the server and of the line, on every kind of server: the table holds the old rows or the new ones, and a reader never sees others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweep import WAYS, sweep
from warehouses import Target, Watch, many_load

from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure
from etlrun.warehouse.ledger import lock_name
from etlrun.warehouse.locks import take_lock
from mysql.loads import make_load, many
from mysql.proxy import Fault, Trigger

FIRST, SECOND = "20220501T000000Z-a", "20220502T000000Z-b"
OLD_STATE, NEW_STATE = (40, 40, 1, 1), (30, 30, 2, 2)
MOMENTS = 4


@pytest.fixture
def line(served: Target) -> Iterator[Trigger]:
    """A line to the server that can be cut."""
    with Trigger(served.server.port) as line:
        yield line


def test_a_server_that_is_killed_while_rows_travel_comes_back_with_old_or_new_rows(
    served: Target, line: Trigger, tmp_path: Path
) -> None:
    if served.kind == "mysql":
        served.run("SET GLOBAL innodb_flush_log_at_trx_commit = 1")  # or it may forget what it committed
    through = served.through(line.port, pause=0.3)
    served.open().publish(many_load(tmp_path, rows=40, seconds=1, run_id=FIRST))
    line.arm(None)
    through.open().publish(many_load(tmp_path, rows=500, seconds=0, run_id=SECOND))
    whole, old = line.bytes["up"], (500, 500, 0, 0)
    for moment in range(MOMENTS):
        rows, run_id = 501 + moment, f"2022060{moment}T000000Z-c"
        load = many_load(tmp_path, rows=rows, seconds=moment + 1, run_id=run_id)
        line.set(whole * (2 * moment + 1) // (2 * MOMENTS), served.server.kill)
        outcome = _publish_beside(through, load)
        assert line.has_acted.wait(60)
        served.server.process.wait(60)
        served.server.start()
        outcome[0].join()
        new = (rows, rows, moment + 1, moment + 1)
        assert served.state() in ((old, new) if outcome[1] else (new,))
        assert served.open().publish(load).rows == rows
        assert (served.state(), served.ledger()) == (new, [("", run_id, rows)])
        served.close()
        old = new


def _publish_beside(target: Target, load: Any) -> tuple[threading.Thread, list[RunFailure]]:
    """A thread that publishes, and the failure that it may end with."""
    failures: list[RunFailure] = []

    def publish() -> None:
        try:
            target.open().publish(load)
        except RunFailure as failure:
            failures.append(failure)

    thread = threading.Thread(target=publish)
    thread.start()
    return thread, failures


def test_a_lock_that_a_broken_session_of_the_run_had_not_noted_yet_is_waited_for(
    served: Target, tmp_path: Path
) -> None:
    served.open().publish(load := many_load(tmp_path, rows=40, seconds=1, run_id=FIRST))
    server = served.open().server  # type: ignore[attr-defined]
    broken, other = server.open(), server.open()
    assert server.try_lock(broken, lock_name(server, broken, load))
    with pytest.raises(RunFailure, match="is locked by session"):
        take_lock(server, other, load, "warehouse")
    threading.Timer(0.3, broken.close).start()
    take_lock(server, other, load, "warehouse", {broken.thread})
    other.close()


@pytest.mark.parametrize("kind", ["lost-commit", "lost-reply"])
def test_a_commit_whose_answer_is_lost_is_settled_by_the_ledger(
    served: Target, line: Trigger, tmp_path: Path, kind: Any
) -> None:
    served.open().publish(many_load(tmp_path, rows=40, seconds=1, run_id=FIRST))
    through = served.through(line.port)
    line.arm(Fault(kind))
    with Watch(served) as watch:
        published = through.open().publish(many_load(tmp_path, rows=30, seconds=2, run_id=SECOND))
    assert line.has_struck is True
    assert published == Published(30, was_there=kind == "lost-reply")
    assert (served.state(), served.ledger()) == (NEW_STATE, [("", SECOND, 30)])
    assert watch.errors == [] and watch.states <= {OLD_STATE, NEW_STATE}
    (notice,) = through.opened[0].notices
    assert "the connection broke" in notice
    through.close()


@pytest.mark.parametrize(
    ("kind", "loader", "publish", "least"), WAYS[:-1]
)  # the last differs little from the one before it
def test_a_line_that_is_cut_anywhere_costs_another_try_and_nothing_else(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    kind: str,
    loader: str,
    publish: Any,
    least: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("etlrun.warehouse.slices.LEAST", least)
    name = f"cut_{loader}_{publish}_{least}"
    target = Target.on(request.getfixturevalue(f"{kind}_server"), kind, name, {"loader": loader} if loader else {})
    swept = sweep(target, tmp_path, publish)
    target.close()
    assert swept.wrong == []
    assert swept.points > 60


@pytest.mark.parametrize("write", ["replace", "replace_where", "append", "merge"])
def test_a_reader_sees_the_old_rows_or_the_new_ones_while_they_are_written(
    target: Target, tmp_path: Path, write: Any
) -> None:
    target.open().publish(many_load(tmp_path, rows=4_000, seconds=1, run_id=FIRST))
    rows = {
        "replace": many("2022-04", 3_000, 2),
        "replace_where": many("2022-04", 3_000, 2),
        "append": [("2022-04", f"D{number:06}", 2) for number in range(3_000)],
        "merge": many("2022-04", 3_000, 2),
    }[write]
    where = "month = '2022-04'" if write == "replace_where" else ""
    load = make_load(tmp_path, rows, write=write, where=where, run_id=SECOND)
    old = target.state()
    with Watch(target) as watch:
        target.open().publish(load)
        new = target.state()
    assert watch.errors == [] and watch.states <= {old, new} and old != new
    assert (
        new
        == {
            "replace": (3_000, 3_000, 2, 2),
            "replace_where": (3_000, 3_000, 2, 2),
            "append": (7_000, 7_000, 1, 2),
            "merge": (4_000, 4_000, 1, 2),
        }[write]
    )
