"""A session is strict, reads what is committed and lives in UTC, whatever the server's own settings are."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from etlrun.failures import RunFailure

from .loads import Place
from .server import Server

LOOSE = [
    "--sql-mode=",
    "--transaction-isolation=REPEATABLE-READ",
    "--default-time-zone=-05:00",
    "--lock-wait-timeout=9999",
    "--innodb-lock-wait-timeout=9999",
]
VARIABLES = (
    "sql_mode",
    "tx_isolation",
    "transaction_isolation",
    "time_zone",
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "autocommit",
    "character_set_client",
    "character_set_connection",
    "foreign_key_checks",
    "unique_checks",
)


def test_the_settings_of_a_session(spare: Callable[..., Server]) -> None:
    server = spare(LOOSE)
    server.run("CREATE DATABASE w", "SET GLOBAL foreign_key_checks = 0, GLOBAL unique_checks = 0")
    warehouse = Place(server, "w", server.port).warehouse(lock_timeout=7)
    wanted = ", ".join(f"'{name}'" for name in VARIABLES)
    with warehouse._asking() as session:
        found = dict(session.rows(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({wanted})"))
    warehouse.close()
    isolation = {found.pop(name) for name in ("tx_isolation", "transaction_isolation") if name in found}
    assert isolation == {"READ-COMMITTED"}
    assert set(found.pop("sql_mode").split(",")) == {
        "STRICT_ALL_TABLES",
        "NO_ZERO_DATE",
        "NO_ZERO_IN_DATE",
        "ERROR_FOR_DIVISION_BY_ZERO",
        "NO_AUTO_VALUE_ON_ZERO",
        "NO_ENGINE_SUBSTITUTION",
    }
    assert found == {
        "time_zone": "+00:00",
        "lock_wait_timeout": "7",
        "innodb_lock_wait_timeout": "7",
        "autocommit": "ON",
        "character_set_client": "utf8mb4",
        "character_set_connection": "utf8mb4",
        "foreign_key_checks": "ON",
        "unique_checks": "ON",
    }


def test_a_server_that_takes_the_call_and_says_nothing_is_given_up_soon(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        started = time.monotonic()
        with pytest.raises(RunFailure) as failure:
            place.through(mute.getsockname()[1]).warehouse(connect_timeout=1, timeout=60).columns("profile")
        assert failure.value.code == "connection-failed"
        assert time.monotonic() - started < 30


def test_a_server_may_think_for_longer_than_it_may_take_to_answer_the_call(place: Place) -> None:
    session = place.warehouse(connect_timeout=1, timeout=20).server.open()
    assert session.one("SELECT SLEEP(1.5)") == (0,)
    session.close()
