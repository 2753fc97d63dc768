"""Crashes of the client, the server and the line: the table holds the old rows or the new ones, and the same command again ends well."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from etlrun.connections._mysql.errors import MysqlError
from etlrun.contracts.connection import Published
from etlrun.failures import RunFailure

from .loads import Place, make_load, many
from .proxy import Fault, Proxy
from .server import Server

OLD, NEW = many("2022-04", 40, 1), many("2022-04", 30, 2)
FIRST, SECOND = "20220501T000000Z-a", "20220502T000000Z-b"
STATE = "SELECT COUNT(*), COUNT(DISTINCT contract), COALESCE(MIN(seconds), 0), COALESCE(MAX(seconds), 0) FROM profile"
OLD_STATE, NEW_STATE = (40, 40, 1, 1), (30, 30, 2, 2)
POINTS = (
    "connected",
    "prepared",
    "locked",
    "begun",
    "ledger-read",
    "deleted",
    "loading",
    "loaded",
    "proved",
    "recorded",
    "committed",
)
DURABLE = ["--innodb-flush-log-at-trx-commit=1"]  # or a server that is killed may forget what it committed
LOADERS = pytest.mark.parametrize("loader", ["insert", "load_data"])


def put_old_rows(place: Place, folder: Path) -> None:
    place.warehouse().publish(make_load(folder, OLD, run_id=FIRST))


def state(place: Place) -> tuple[tuple[Any, ...], list[tuple[str, str, int]]]:
    return place.run(STATE)[0], place.ledger()


AS_OLD = (OLD_STATE, [("", FIRST, 40)])
AS_NEW = (NEW_STATE, [("", SECOND, 30)])


def test_an_answer_that_stays_unknown_is_said_to_be_unknown(place: Place, proxy: Proxy, tmp_path: Path) -> None:
    put_old_rows(place, tmp_path)
    load = make_load(tmp_path, NEW, run_id=SECOND)
    away = place.through(proxy.port)
    proxy.arm(Fault("lost-reply"))
    warehouse = away.warehouse()
    original = warehouse.server.open
    opened: list[int] = []

    def open_once() -> Any:
        opened.append(1)
        if len(opened) > 1:
            raise MysqlError(2003, "Connection refused")
        return original()

    object.__setattr__(warehouse.server, "open", open_once)
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(load)
    assert failure.value.code == "publish-unknown"
    assert len(opened) == 5
    assert place.warehouse().publish(load) == Published(30, was_there=True)


def test_a_server_that_does_not_come_back_is_a_clear_failure_after_five_tries(
    spare: Callable[..., Server], tmp_path: Path
) -> None:
    server = spare(DURABLE)
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    put_old_rows(place, tmp_path)
    load = make_load(tmp_path, NEW, run_id=SECOND)
    warehouse = place.warehouse()
    server.kill()
    with pytest.raises(RunFailure) as failure:
        warehouse.publish(load)
    assert failure.value.exit_code == 1
    assert (
        f"127.0.0.1:{server.port}, database `w`" in failure.value.message
        and "the server cannot be reached (2003" in failure.value.message
    )
    assert len(place.slept) == 4 and all(0.5 <= one <= 10 for one in place.slept)
    assert all(path.exists() for path in load.files)
    server.start()
    assert state(place) == AS_OLD
    place.warehouse().publish(load)
    assert state(place) == AS_NEW


def test_a_read_only_server_is_terminal_after_two_tries(place: Place, tmp_path: Path) -> None:
    put_old_rows(place, tmp_path)
    user = f"etl_{place.database}"
    place.run(
        f"CREATE USER {user}@'%' IDENTIFIED BY 'x1'",
        f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {user}@'%'",
    )
    place.run("SET GLOBAL read_only = 1")
    try:
        warehouse = place.warehouse(user=user, password="x1")
        with pytest.raises(RunFailure, match="the server is read-only") as failure:
            warehouse.publish(make_load(tmp_path, NEW, run_id=SECOND))
    finally:
        place.run("SET GLOBAL read_only = 0")
    assert failure.value.fix == "point the connection at the primary server"
    assert len(place.slept) == 1
    assert state(place) == AS_OLD


def test_a_full_tablespace_is_terminal(spare: Callable[..., Server], tmp_path: Path) -> None:
    server = spare(["--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:10M:autoextend:max:24M"])
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    put_old_rows(place, tmp_path)
    rows = [("2022-04", f"{'x' * 200}{number:08}", 2) for number in range(100_000)]
    with pytest.raises(RunFailure, match="full") as failure:
        place.warehouse().publish(make_load(tmp_path, rows, run_id=SECOND))
    assert failure.value.fix == "free disk space there"
    assert place.slept == []
    assert state(place) == AS_OLD


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_line_that_hangs_is_given_up(
    spare: Callable[..., Server], tmp_path: Path, direction: Any, stack: ExitStack
) -> None:
    server = spare(["--net-read-timeout=2"])
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port, pause=0.5)
    put_old_rows(place, tmp_path)
    proxy = stack.enter_context(Proxy(server.port))
    load = make_load(tmp_path, many("2022-04", 60_000, 2), run_id=SECOND)
    proxy.arm(Fault("hang", direction, 500_000 if direction == "up" else 1_500))
    warehouse = place.through(proxy.port).warehouse(timeout=3, lock_timeout=5)
    assert warehouse.publish(load).rows == 60_000
    assert proxy.has_struck and len(warehouse.notices) >= 1
    assert state(place) == ((60_000, 60_000, 2, 2), [("", SECOND, 60_000)])


def test_ctrl_c_in_the_middle_rolls_back_and_frees_the_table(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_old_rows(place, tmp_path)
    load = make_load(tmp_path, NEW, run_id=SECOND)

    def interrupt(name: str) -> None:
        if name == "loading":
            raise KeyboardInterrupt

    monkeypatch.setattr("etlrun.connections._mysql.loaders.point", interrupt)
    with pytest.raises(KeyboardInterrupt):
        place.warehouse().publish(load)
    monkeypatch.undo()
    assert state(place) == AS_OLD
    place.warehouse().publish(load)
    assert state(place) == AS_NEW


def test_the_producer_that_fails_in_the_middle_of_load_data_loads_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.run("CREATE TABLE plain (id INT PRIMARY KEY) ENGINE=InnoDB")

    def chunks() -> Any:
        yield memoryview(b"1\n2\n3\n")
        raise ValueError("a bug in the encoder")

    with place.warehouse()._asking() as session:
        with pytest.raises(ValueError, match="a bug in the encoder"):
            session.stream("LOAD DATA LOCAL INFILE '{file}' INTO TABLE plain", chunks())
        assert session.is_open is False
    assert place.run("SELECT COUNT(*) FROM plain") == [(0,)]


def test_nothing_but_a_fault_variable_arms_a_fault_point() -> None:
    program = "from etlrun.warehouse.faults import point; point('loaded'); print('went on')"
    plain = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert plain.stdout == "went on\n"


def test_every_point_of_the_list_is_in_the_protocol(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached: list[str] = []
    for module in ("warehouse.publish", "warehouse.transfer", "connections._mysql.loaders"):
        monkeypatch.setattr(f"etlrun.{module}.point", reached.append)
    place.warehouse().publish(make_load(tmp_path, NEW, run_id=SECOND))
    assert tuple(dict.fromkeys(reached)) == POINTS
