"""Large tables as a source from the command line: both engines, what a person is told, and what a signal does."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from projects import Project, wait_for

from .loads import Place
from .proxy import Fault, Proxy

ROWS = 120_000  # more than one connection is worth
PROJECT = """profile: fast
profiles:
  fast: {engine: {duckdb: {}}, connections: {warehouse: {mysql: {url: "${WAREHOUSE_URL}", readers: 3}}}}
  alone: {engine: {duckdb: {}}, connections: {warehouse: {mysql: {url: "${WAREHOUSE_URL}", readers: 1}}}}
  local: {engine: {spark: {master: "local[2]", memory: 1g}}, connections: {warehouse: {mysql: {url: "${WAREHOUSE_URL}", readers: 3}}}}
"""
SPEC = """
sources:
  visits: {table: {connection: warehouse, table: visits, columns: {id: bigint not null, shop: string, at: timestamp}}}
steps:
  totals:
    - from: visits
    - aggregate: {by: [shop], columns: {rows: count(*), ids: sum(id), first: min(at), last: max(at)}}
sinks:
  totals: {files: {from: totals, path: totals.csv}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    return project


@pytest.fixture
def visits(place: Place) -> Place:
    """A place with the table `visits`."""
    connection = place.server.connect(place.database)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE visits (id BIGINT PRIMARY KEY, shop VARCHAR(20), at DATETIME(6)) CHARACTER SET utf8mb4"
        )
        for start in range(0, ROWS, 20_000):
            values = ", ".join(
                f"({3 * number}, 'Tiệm {number % 7}', '2022-04-01' + INTERVAL {number} SECOND)"
                for number in range(start, start + 20_000)
            )
            cursor.execute(f"INSERT INTO visits VALUES {values}")
        cursor.execute("ANALYZE TABLE visits")
    connection.close()
    return place


def url(place: Place, account: str = "root", port: int | None = None) -> str:
    return f"mysql+pymysql://{account}@127.0.0.1:{port or place.port}/{place.database}"


def locks_taken(place: Place) -> int:
    ((_, count),) = place.run("SHOW GLOBAL STATUS LIKE 'Com_lock_tables'")
    return int(count)


def test_both_engines_give_the_same_whether_several_connections_read_or_one(project: Project, visits: Place) -> None:
    summary = {}
    for profile, locks in (("alone", 0), ("fast", 1), ("local", 1)):
        before = locks_taken(visits)
        result = project.run(project.pipeline(SPEC), "--profile", profile, "--json", WAREHOUSE_URL=url(visits))
        assert result.code == 0, result.err
        assert result.json["sources"]["visits"]["rows"] == ROWS
        assert locks_taken(visits) - before == locks
        summary[profile] = (project.folder / "totals.csv").read_text()
    assert summary["alone"].startswith("shop,rows,ids,first,last\nTiệm 0,17143,")
    assert summary["fast"] == summary["local"] == summary["alone"]


def test_an_account_without_the_right_is_told_which_one(project: Project, visits: Place) -> None:
    user = f"{visits.database}r"
    visits.run(f"CREATE USER '{user}'@'%' IDENTIFIED BY 'pw'", f"GRANT SELECT ON {visits.database}.* TO '{user}'@'%'")
    result = project.run(project.pipeline(SPEC), WAREHOUSE_URL=url(visits, f"{user}:pw"))
    assert result.code == 0, result.err
    assert result.err.count("warning:") == 1
    assert "the table `visits` is read over one connection" in result.err
    assert "GRANT LOCK TABLES" in result.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("profile", ["fast", "alone"])
def test_a_signal_ends_a_read_that_waits_for_the_server(
    project: Project, visits: Place, proxy: Proxy, profile: str, number: signal.Signals, code: int
) -> None:
    proxy.arm(Fault("hang", "down", 1_000_000))
    process = project.start(project.pipeline(SPEC), "--profile", profile, WAREHOUSE_URL=url(visits, port=proxy.port))
    wait_for(lambda: proxy.has_struck)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)  # the line itself would be waited for ten minutes
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert not (project.folder / "totals.csv").exists()


def test_a_line_that_breaks_stops_the_run_at_the_source(project: Project, visits: Place, proxy: Proxy) -> None:
    proxy.arm(Fault("cut", "down", 1_000_000))
    result = project.run(project.pipeline(SPEC), WAREHOUSE_URL=url(visits, port=proxy.port))
    assert result.code == 1
    assert "p.yaml:4:12: connection-failed" in result.err
    assert "the connection broke" in result.err
    assert not (project.folder / "totals.csv").exists()


CORE = """pipeline: core
sources:
  clicks: {json: {path: clicks.jsonl, key: [id], columns: {id: int, at: timestamptz, kind: string}}}
sinks:
  clicks: {table: {from: clicks, connection: warehouse, key: [id], write: scd2}}
"""
MART = """pipeline: mart
sources:
  clicks: {table: SOURCE}
steps:
  last:
    - from: clicks
    - aggregate: {columns: {last: max(at)}}
sinks:
  last: {files: {from: last, path: last.csv}}
"""


def test_instants_that_a_pipeline_published_are_read_as_instants_by_others(project: Project, place: Place) -> None:
    project.write("clicks.jsonl", '{"id": 1, "at": "2024-03-09T22:00:00+07:00", "kind": "a"}\n')
    core = project.pipeline(CORE, "core")
    for _ in range(2):  # the second run reads the rows of the first, to compare them
        result = project.run(core, "--full", WAREHOUSE_URL=url(place))
        assert result.code == 0, result.err
    mart = project.pipeline(MART.replace("SOURCE", "{pipeline: core, sink: clicks}"), "mart")
    result = project.run(mart, WAREHOUSE_URL=url(place))
    assert result.code == 0, result.err
    assert (project.folder / "last.csv").read_text() == "last\n2024-03-09 15:00:00Z\n"


def test_a_clock_that_nobody_is_known_to_have_written_in_utc_is_no_instant(project: Project, visits: Place) -> None:
    source = "{connection: warehouse, table: visits, columns: {at: timestamptz}}"
    result = project.run(project.pipeline(MART.replace("SOURCE", source), "mart"), WAREHOUSE_URL=url(visits))
    assert result.code != 0
    assert "wrong-columns: the column `at` of the table `visits` is timestamp, which has no time zone" in result.err
    assert "declare `at: timestamp`, and set its time zone in a step: to_utc_timestamp(at, 'UTC')" in result.err
