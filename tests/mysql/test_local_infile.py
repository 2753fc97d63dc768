"""A server that takes no LOAD DATA LOCAL gets the rows by INSERT, and a person is told once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etlrun.failures import RunFailure
from projects import Project

from .loads import Place, make_load, many
from .server import Server, is_mysql

FIRST, SECOND = "20220501T000000Z-a", "20220502T000000Z-b"
OLD, NEW = many("2022-04", 4, 1), many("2022-04", 3, 2)
REFUSED = 3948 if is_mysql() else 4166


@pytest.fixture
def closed(spare: Callable[..., Server]) -> Iterator[Place]:
    """A database on a server with local_infile=OFF."""
    server = spare(["--local-infile=0"])
    server.run("CREATE DATABASE w")
    yield Place(server, "w", server.port)


def load_data_statements(place: Place) -> int:
    """How many LOAD DATA statements the server has run."""
    ((_, found),) = place.run("SHOW GLOBAL STATUS LIKE 'Com_load'")
    return int(found)


def test_the_variable_of_the_server_chooses_insert(closed: Place, tmp_path: Path) -> None:
    warehouse = closed.warehouse()
    assert warehouse.publish(make_load(tmp_path, OLD, run_id=FIRST)).rows == 4
    assert warehouse.notices == ["`profile` is published with INSERT, which is slower: the server has local_infile=OFF"]
    assert closed.rows() == OLD
    assert (load_data_statements(closed), closed.slept) == (0, [])


def test_load_data_that_the_profile_insists_on_is_refused_with_the_way_out(closed: Place, tmp_path: Path) -> None:
    closed.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    warehouse = closed.warehouse(loader="load_data")
    with pytest.raises(RunFailure, match=f"does not allow LOAD DATA LOCAL \\({REFUSED}\\)") as failure:
        warehouse.publish(make_load(tmp_path, NEW, run_id=SECOND))
    assert failure.value.fix == "set local_infile=ON on the server, or `loader: insert`"
    assert closed.rows() == OLD
    assert (warehouse.notices, closed.slept) == ([], [])


def test_a_server_that_turns_load_data_off_in_the_middle_gets_the_rows_by_insert(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.warehouse().publish(make_load(tmp_path, OLD, run_id=FIRST))
    before = load_data_statements(place)

    def turn_off(name: str) -> None:
        if name == "deleted":
            place.run("SET GLOBAL local_infile = 0")

    monkeypatch.setattr("etlrun.warehouse.transfer.point", turn_off)
    warehouse = place.warehouse()
    try:
        assert warehouse.publish(make_load(tmp_path, NEW, run_id=SECOND)).rows == 3
    finally:
        place.run("SET GLOBAL local_infile = 1")
    assert warehouse.notices == [f"publishing `profile` again: the server does not allow LOAD DATA LOCAL ({REFUSED})"]
    assert place.rows() == NEW
    assert place.ledger() == [("", SECOND, 3)]
    assert load_data_statements(place) == before + 1


def test_the_command_line_says_it_in_one_line(closed: Place, tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write(
        "etlrun.yaml",
        'profile: prod\nprofiles:\n  prod: {engine: {duckdb: {}}, connections: {warehouse: {mysql: "${WAREHOUSE_URL}"}}}\n',
    )
    project.write("sales.csv", "shop,units\nA,1\n")
    spec = project.pipeline(
        "sources:\n  sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}\n"
        "sinks:\n  sales:\n    table: {from: sales, connection: warehouse, key: [shop], write: replace}\n"
    )
    url = f"mysql://root@127.0.0.1:{closed.port}/{closed.database}"
    done = project.run(spec, WAREHOUSE_URL=url)
    assert done.code == 0, done.err
    assert [line for line in done.err.splitlines() if "INSERT" in line] == [
        "p: warning: `sales` is published with INSERT, which is slower: the server has local_infile=OFF"
    ]
    assert closed.rows("sales") == [("A", 1)]
    doctor = project.run("doctor", WAREHOUSE_URL=url)
    assert "warning  connection warehouse: local_infile: OFF: rows are sent with INSERT, which is slower" in doctor.out
    assert "SET GLOBAL local_infile = ON" in doctor.out
