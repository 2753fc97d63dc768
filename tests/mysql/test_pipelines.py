"""Pipelines published to a server from the command line: what people see, and what a crash leaves."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from projects import Project, wait_for

from .loads import Place
from .server import Server

SPEC = """
description: units by shop and month
sources:
  sales: {csv: {path: sales.csv, columns: {month: string not null, shop: string not null, units: bigint}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: [month, shop], columns: {units: sum(units)}}
sinks:
  totals:
    table: {from: totals, connection: warehouse, key: [month, shop], write: replace}
"""
PROJECT = """profile: prod
profiles:
  prod: {engine: {duckdb: {}}, connections: {warehouse: {mysql: {url: "${WAREHOUSE_URL}"}}}}
"""
PASSWORD = "canary-8f3a-secret"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    return project


def sell(project: Project, count: int, units: int) -> None:
    project.write(
        "sales.csv", "month,shop,units\n" + "".join(f"2022-04,Tiệm {number},{units}\n" for number in range(count))
    )


def url(place: Place, port: int | None = None) -> str:
    return f"mysql+pymysql://root@127.0.0.1:{port or place.port}/{place.database}"


def units(place: Place) -> list[tuple[object, ...]]:
    return place.server.run("SELECT units, count(*) FROM totals GROUP BY units ORDER BY units", database=place.database)


def test_a_table_appears_with_types_key_and_comments(project: Project, place: Place) -> None:
    sell(project, 3, 1)
    result = project.run(project.pipeline(SPEC), "--json", WAREHOUSE_URL=url(place))
    assert result.code == 0, result.err
    assert result.json["sinks"]["totals"]["rows"] == 3
    ((_, ddl),) = place.server.run("SHOW CREATE TABLE totals", database=place.database)
    assert "PRIMARY KEY (`month`,`shop`)" in ddl
    assert "utf8mb4_bin" in ddl
    assert "units by shop and month" in ddl
    assert place.server.run("SELECT shop, units FROM totals ORDER BY shop LIMIT 1", database=place.database) == [
        ("Tiệm 0", 1)
    ]
    ledger = project.run("runs", "--json", WAREHOUSE_URL=url(place)).json["ledger"]["warehouse"]
    assert [(entry["table"], entry["rows"]) for entry in ledger] == [("totals", 3)]


def test_a_table_of_a_server_is_a_source(project: Project, place: Place) -> None:
    sell(project, 3, 5)
    assert project.run(project.pipeline(SPEC), WAREHOUSE_URL=url(place)).code == 0
    source = "table: {connection: warehouse, table: totals, columns: {shop: string not null, units: bigint}}"
    text = f"sources:\n  totals: {{{source}}}\nsteps:\n  out:\n    - from: totals\nsinks:\n  out:\n    files: {{from: out, path: out.csv}}\n"
    result = project.run(project.pipeline(text, "back"), WAREHOUSE_URL=url(place))
    assert result.code == 0, result.err
    assert (project.folder / "out.csv").read_text() == "shop,units\nTiệm 0,5\nTiệm 1,5\nTiệm 2,5\n"


def test_readers_see_the_old_rows_or_the_new_ones(project: Project, place: Place) -> None:
    sell(project, 2000, 1)
    assert project.run(project.pipeline(SPEC), WAREHOUSE_URL=url(place)).code == 0
    seen: set[tuple[tuple[object, ...], ...]] = set()
    done = threading.Event()

    def poll() -> None:
        while not done.is_set():
            seen.add(tuple(units(place)))

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        for number in (2, 1, 2):
            sell(project, 2000, number)
            assert project.run(project.pipeline(SPEC), WAREHOUSE_URL=url(place)).code == 0
    finally:
        done.set()
        reader.join()
    assert seen == {((1, 2000),), ((2, 2000),)}


def test_a_run_killed_at_any_moment_leaves_old_or_new_and_the_next_one_is_right(project: Project, place: Place) -> None:
    sell(project, 5000, 1)
    spec = project.pipeline(SPEC)
    assert project.run(spec, WAREHOUSE_URL=url(place)).code == 0
    sell(project, 5000, 2)
    for moment in range(6):
        process = project.start(spec, "-q", WAREHOUSE_URL=url(place))
        time.sleep(0.4 + 0.3 * moment)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert units(place) in ([(1, 5000)], [(2, 5000)])
    result = project.run(spec, WAREHOUSE_URL=url(place))
    assert result.code == 0, result.err
    assert units(place) == [(2, 5000)]


def test_a_server_that_dies_before_the_publish_leaves_a_run_to_resume(
    project: Project, spare: Callable[..., Server]
) -> None:
    server = spare()
    server.run("CREATE DATABASE w")
    place = Place(server, "w", server.port)
    sell(project, 100, 1)
    project.write("mine.py", "import time\n\ndef slow(rows):\n    time.sleep(3)\n    return rows\n")
    step = '    - python: {function: "mine:slow", columns: {month: string, shop: string, units: bigint}}\nsinks:'
    spec = project.pipeline(SPEC.replace("sinks:", step))
    process = project.start(spec, WAREHOUSE_URL=url(place))
    assert process.stderr is not None
    wait_for(lambda: "calling mine:slow" in process.stderr.readline())  # type: ignore[union-attr]
    server.kill()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1, err
    assert f"127.0.0.1:{server.port}" in err
    server.start()
    run = project.run("runs", "--json", WAREHOUSE_URL=url(place)).json["runs"][0]
    assert run["status"] == "failed"
    (project.folder / "sales.csv").unlink()
    resumed = project.run("resume", run["run_id"], WAREHOUSE_URL=url(place, server.port))
    assert resumed.code == 0, resumed.err
    assert units(Place(server, "w", server.port)) == [(1, 100)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("root@", f"nobody:{PASSWORD}@"), "rejects the user or the password"),
        (("127.0.0.1:", "127.0.0.1:1"), "127.0.0.1:"),
        (("/w", "/nothing_"), "database"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_clear_line(
    project: Project, place: Place, change: tuple[str, str], words: str
) -> None:
    sell(project, 3, 1)
    address = url(place, 1) if change[1].endswith(":1") else url(place).replace(*change)
    result = project.run(project.pipeline(SPEC), WAREHOUSE_URL=address)
    assert result.code == 1
    assert "connection-failed" in result.err
    assert words.lower() in result.err.lower()
    assert PASSWORD not in result.err + result.out
    assert "Traceback" not in result.err


def test_a_password_never_leaves_the_process(project: Project, place: Place) -> None:
    user = f"canary_{place.database}"
    place.server.run(
        f"CREATE USER {user}@'%' IDENTIFIED BY '{PASSWORD}'",
        f"GRANT SELECT, INSERT, DELETE, CREATE ON {place.database}.* TO {user}@'%'",
    )
    sell(project, 3, 1)
    address = url(place).replace("root@", f"{user}:{PASSWORD}@")
    spec = project.pipeline(SPEC)
    summary = [
        project.run(*words, WAREHOUSE_URL=address)
        for words in ((spec, "--json"), ("plan", spec), ("runs",), ("doctor",), ("doctor", "--json"))
    ]
    assert [result.code for result in summary] == [0, 0, 0, 0, 0], summary
    assert "the account has the rights that it needs, and no more" in summary[3].out
    assert not any(PASSWORD in result.out + result.err for result in summary)
    for path in project.folder.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


def test_doctor_names_what_is_wrong(project: Project, place: Place) -> None:
    result = project.run("doctor", WAREHOUSE_URL=url(place))
    assert result.code == 0, result.out
    assert "MariaDB" in result.out or "MySQL" in result.out
    assert "more rights than it needs" in result.out
    away = project.run("doctor", WAREHOUSE_URL=url(place, 1))
    assert away.code == 1
    assert "TROUBLE  connection warehouse" in away.out
    unset = project.run("doctor")
    assert unset.code == 1
    assert "`WAREHOUSE_URL` is not set" in unset.out
