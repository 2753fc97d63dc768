"""What a server may have against an account or a transaction: one clear line each, on MySQL and on MariaDB."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from etlrun.failures import RunFailure

from .loads import Place, make_load, many
from .server import Server, is_mysql

RUNS = tuple(f"2022050{number}T000000Z-a" for number in range(1, 9))
ACCOUNTS = {
    "locked": ("ACCOUNT LOCK", "the account is locked"),
    "expired": ("PASSWORD EXPIRE", "the password of the account has expired"),
    "one query an hour": ("WITH MAX_QUERIES_PER_HOUR 1", "the account has reached its limit of queries or connections"),
    "TLS only": ("REQUIRE SSL", "the server rejects the user or the password (1045)"),
    "another host": ("", "the server rejects the user or the password (1045)"),
}


@pytest.fixture
def logged(spare: Callable[..., Server]) -> Callable[..., Place]:
    """Starts servers that write a binary log, as those do that are copied to others."""

    def start(settings: Sequence[str] = ()) -> Place:
        identity = ["--gtid-mode=ON", "--enforce-gtid-consistency=ON"] if is_mysql() else ["--gtid-strict-mode=ON"]
        server = spare(["--log-bin=changes", "--server-id=7", "--binlog-format=ROW", *identity, *settings])
        server.run("CREATE DATABASE w")
        assert server.run("SELECT @@log_bin") == [(1,)]
        return Place(server, "w", server.port)

    return start


@pytest.mark.parametrize("case", ACCOUNTS)
def test_an_account_that_may_not_come_in_is_told_why(place: Place, case: str) -> None:
    limit, detail = ACCOUNTS[case]
    user, host = f"etl_{place.database}", "192.0.2.1" if case == "another host" else "%"
    place.run(
        f"CREATE USER {user}@'{host}' IDENTIFIED BY 'x1' {limit}", f"GRANT ALL ON {place.database}.* TO {user}@'{host}'"
    )
    with pytest.raises(RunFailure) as failure:
        place.warehouse(user=user, password="x1").columns("t")
    assert failure.value.code == "connection-failed" and detail in failure.value.message
    assert failure.value.fix and "manual" not in failure.value.fix


def test_every_way_of_writing_works_on_a_server_that_logs_changes(logged: Callable[..., Place], tmp_path: Path) -> None:
    place = logged()
    april, may = many("2022-04", 3), many("2022-05", 2)
    for number, loader in enumerate(("insert", "load_data")):
        warehouse, runs = place.warehouse(loader=loader), RUNS[number * 4 :]
        warehouse.publish(make_load(tmp_path, april, run_id=runs[0]))
        warehouse.publish(make_load(tmp_path, may, where="month = '2022-05'", run_id=runs[1]))
        warehouse.publish(make_load(tmp_path, many("2022-05", 1, 9), write="merge", run_id=runs[2]))
        warehouse.publish(make_load(tmp_path, many("2022-06", 1), write="append", run_id=runs[3]))
        assert place.rows() == [*april, *many("2022-05", 1, 9), may[1], *many("2022-06", 1)]


def test_a_transaction_too_large_for_the_log_is_a_clear_refusal(logged: Callable[..., Place], tmp_path: Path) -> None:
    place = logged(["--binlog-cache-size=4096", "--max-binlog-cache-size=65536"])
    place.warehouse().publish(make_load(tmp_path, many("2022-04", 3), run_id=RUNS[0]))
    with pytest.raises(RunFailure, match=r"larger than max_binlog_cache_size \(1197\)") as failure:
        place.warehouse().publish(make_load(tmp_path, many("2022-04", 20_000), run_id=RUNS[1]))
    assert failure.value.fix == "raise it on the server"
    assert place.slept == []
    assert place.rows() == many("2022-04", 3)


def test_a_log_of_statements_is_a_clear_refusal(logged: Callable[..., Place], tmp_path: Path) -> None:
    place = logged(["--binlog-format=STATEMENT"])
    with pytest.raises(RunFailure, match=r"has binlog_format=STATEMENT, which does not allow READ COMMITTED \(1665\)"):
        place.warehouse().publish(make_load(tmp_path, many("2022-04", 3)))
    assert place.rows() == []


def test_a_limit_on_the_time_of_queries_does_not_end_a_publish(spare: Callable[..., Server], tmp_path: Path) -> None:
    server = spare()
    server.run(
        "CREATE DATABASE w",
        "SET GLOBAL max_execution_time = 1" if is_mysql() else "SET GLOBAL max_statement_time = 0.001",
    )
    place = Place(server, "w", server.port)
    assert place.warehouse().publish(make_load(tmp_path, many("2022-04", 60_000))).rows == 60_000
    assert place.warehouse().entries()[0].rows == 60_000


@pytest.mark.parametrize("is_full", [True, False])
def test_a_table_without_a_key_on_a_server_that_gives_every_table_one(
    spare: Callable[..., Server], tmp_path: Path, is_full: bool
) -> None:
    settings = ["--sql-generate-invisible-primary-key=ON", "--sql-require-primary-key=ON"] if is_mysql() else []
    server = spare(settings)
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    rows = many("2022-04", 3)
    if is_full:
        place.warehouse().publish(make_load(tmp_path, rows, key=(), write="append", run_id=RUNS[0]))
    load = make_load(tmp_path, rows, key=(), run_id=RUNS[1])
    assert place.warehouse().publish(load).rows == 3
    assert place.warehouse().mismatches(load) == []
    assert place.rows() == rows
