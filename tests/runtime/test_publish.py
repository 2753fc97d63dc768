"""Publishing: whole or not at all, whatever happens, and as `write` says."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import duckdb
import pytest

from projects import Project

SALES = """
params:
  month: {type: string, default: "2022-04"}
sources:
  sales: {csv: {path: sales.csv, columns: {month: string not null, shop: string not null, units: int}}}
steps:
  totals:
    - from: sales
    - aggregate: {by: [month, shop], columns: {units: sum(units)}}
sinks:
  totals:
    table: {from: totals, connection: warehouse, key: [month, shop], write: WRITE}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def sell(project: Project, *rows: str) -> None:
    project.write("sales.csv", "month,shop,units\n" + "".join(f"{row}\n" for row in rows))


def publish(project: Project, write: str = "replace", **options: str) -> list[tuple[object, ...]]:
    settings = [part for name, value in options.items() for part in ("--set", f"{name}={value}")]
    result = project.run(project.pipeline(SALES.replace("WRITE", write)), "-q", *settings)
    assert result.code == 0, result.err
    return sorted(project.table("totals"))


def test_replace_puts_the_new_rows_in_place_of_all_old_ones(project: Project) -> None:
    sell(project, "2022-04,A,1", "2022-04,B,2")
    publish(project)
    sell(project, "2022-05,A,5")
    assert publish(project) == [("2022-05", "A", 5)]


def test_replace_where_leaves_other_months_alone(project: Project) -> None:
    sell(project, "2022-03,A,1", "2022-04,A,1")
    publish(project)
    sell(project, "2022-04,A,7", "2022-04,B,8")
    assert publish(project, "{replace_where: month = $month}") == [
        ("2022-03", "A", 1),
        ("2022-04", "A", 7),
        ("2022-04", "B", 8),
    ]


def test_rows_outside_the_period_are_refused_and_nothing_changes(project: Project) -> None:
    sell(project, "2022-04,A,1")
    publish(project)
    sell(project, "2022-04,A,7", "2022-05,B,8")
    result = project.run(project.pipeline(SALES.replace("WRITE", "{replace_where: month = $month}")))
    assert result.code == 1
    assert "rows-differ" in result.err
    assert project.table("totals") == [("2022-04", "A", 1)]


def test_append_adds_and_each_run_once(project: Project) -> None:
    sell(project, "2022-04,A,1")
    publish(project, "append")
    sell(project, "2022-05,A,2")
    assert publish(project, "append") == [("2022-04", "A", 1), ("2022-05", "A", 2)]


def test_append_of_a_key_that_is_there_is_refused(project: Project) -> None:
    sell(project, "2022-04,A,1")
    publish(project, "append")
    sell(project, "2022-04,A,2")
    result = project.run(project.pipeline(SALES.replace("WRITE", "append")))
    assert result.code == 1
    assert "key-exists" in result.err
    assert "`shop` = A" in result.err
    assert project.table("totals") == [("2022-04", "A", 1)]


def test_merge_replaces_rows_of_equal_key_and_keeps_the_others(project: Project) -> None:
    sell(project, "2022-04,A,1", "2022-04,B,2")
    publish(project)
    sell(project, "2022-04,B,20", "2022-05,C,3")
    assert publish(project, "merge") == [("2022-04", "A", 1), ("2022-04", "B", 20), ("2022-05", "C", 3)]


def test_an_existing_table_of_another_shape_is_not_touched_and_the_ddl_is_printed(project: Project) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("CREATE TABLE totals (month VARCHAR, shop VARCHAR, units INTEGER, extra INTEGER)")
    sell(project, "2022-04,A,1")
    result = project.run(project.pipeline(SALES.replace("WRITE", "replace")))
    assert result.code == 1
    assert "table-mismatch" in result.err
    assert 'ALTER TABLE "totals" ALTER COLUMN "units" TYPE BIGINT;' in result.err  # which no value is lost by
    assert 'ALTER TABLE "totals" DROP COLUMN "extra" /* its values are lost */;' in result.err
    assert project.table("totals") == []


@pytest.mark.parametrize("write", ["{replace_where: \"month = '2022-04'\"}", "merge"])
def test_a_column_that_takes_different_texts_for_equal_is_refused(project: Project, write: str) -> None:
    path = str(project.folder / "warehouse.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("CREATE TABLE totals (month VARCHAR COLLATE NOCASE, shop VARCHAR, units BIGINT)")
    sell(project, "2022-04,A,1")
    result = project.run(project.pipeline(SALES.replace("WRITE", write)))
    assert result.code == 1
    assert "`month` has the collation nocase, which treats different texts as equal" in result.err
    with duckdb.connect(path) as connection:
        connection.execute('ALTER TABLE "totals" ALTER COLUMN "month" TYPE VARCHAR COLLATE "binary"')
    assert 'TYPE VARCHAR COLLATE "binary";' in result.err
    assert project.run(project.pipeline(SALES.replace("WRITE", write))).code == 0
    assert project.table("totals") == [("2022-04", "A", 1)]


@pytest.mark.parametrize(
    ("kind", "shown", "value"),
    [
        ("TIMESTAMP WITH TIME ZONE", "timestamptz", "'2022-04-01 00:00:00+00'"),
        ("UBIGINT", "decimal(20,0)", "7"),
        ("MAP(INTEGER, INTEGER)", "map<int, int>", "MAP {1: 2}"),
        ("INTERVAL", "INTERVAL", "INTERVAL 1 DAY"),
    ],
)
def test_a_column_of_another_type_is_not_emptied(project: Project, kind: str, shown: str, value: str) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute(f"CREATE TABLE totals (month {kind}, shop VARCHAR, units BIGINT, extra {kind})")
        connection.execute(f"INSERT INTO totals VALUES ({value}, 'A', 1, {value})")
    sell(project, "2022-04,A,2")
    result = project.run(project.pipeline(SALES.replace("WRITE", "replace")))
    assert result.code == 1
    assert (
        f"`month` is {shown}, and the pipeline publishes string; it has a column `extra` that is not published"
        in result.err
    )
    assert (
        'ALTER TABLE "totals" ALTER COLUMN "month" TYPE TEXT /* may cut or round values that are there */; '
        'ALTER TABLE "totals" DROP COLUMN "extra" /* its values are lost */;' in result.err
    )
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT shop, units, count(extra) FROM totals GROUP BY ALL").fetchall() == [
            ("A", 1, 1)
        ]


def test_no_rows_are_not_published_unless_the_spec_says_so(project: Project) -> None:
    sell(project, "2022-04,A,1")
    publish(project)
    sell(project)
    result = project.run(project.pipeline(SALES.replace("WRITE", "replace")))
    assert result.code == 1
    assert "too-few-rows" in result.err
    assert project.table("totals") == [("2022-04", "A", 1)]
    assert project.run(project.pipeline(SALES.replace("WRITE", "replace, min_rows: 0"))).code == 0
    assert project.table("totals") == []


def test_a_check_that_does_not_hold_refuses_to_publish(project: Project) -> None:
    sell(project, "2022-04,A,1")
    publish(project)
    sell(project, "2022-04,A,-1")
    checks = "checks:\n  totals:\n    - range: {units: {min: 0}}\n"
    result = project.run(project.pipeline(SALES.replace("WRITE", "replace").replace("sinks:", checks + "sinks:")))
    assert result.code == 3
    assert "p.yaml:13:7: check-failed" in result.err or "p.yaml:14:7: check-failed" in result.err
    assert project.table("totals") == [("2022-04", "A", 1)]


def test_a_check_that_only_warns_does_not(project: Project) -> None:
    sell(project, "2022-04,A,-1")
    checks = "checks:\n  totals:\n    - range: {columns: {units: {min: 0}}, severity: warn}\n"
    result = project.run(
        project.pipeline(SALES.replace("WRITE", "replace").replace("sinks:", checks + "sinks:")), "--json"
    )
    assert result.code == 0, result.err
    assert result.json["checks"][0]["status"] == "warned"


def test_a_dry_run_publishes_nothing(project: Project) -> None:
    sell(project, "2022-04,A,1")
    result = project.run(project.pipeline(SALES.replace("WRITE", "replace")), "--dry-run", "--json")
    assert (result.code, result.json["status"]) == (0, "dry-run")
    assert not (project.folder / "warehouse.duckdb").exists()


def test_the_ledger_tells_what_was_published(project: Project) -> None:
    sell(project, "2022-04,A,1", "2022-04,B,2")
    publish(project)
    found = project.run("runs", "--json").json
    assert [run["status"] for run in found["runs"]] == ["done"]
    (entry,) = found["ledger"]["warehouse"]
    assert (entry["table"], entry["rows"], entry["run_id"], entry["write"]) == (
        "totals",
        2,
        found["runs"][0]["run_id"],
        "replace",
    )


def test_of_a_long_ledger_the_latest_rows_are_told(project: Project) -> None:
    for shop in "ABC":
        sell(project, f"2022-04,{shop},1")
        publish(project, "append")
    latest = project.run("runs", "-n", "2")
    assert latest.code == 0, latest.err
    runs, ledger = latest.out.split("ledger of warehouse")
    assert (runs.count(" done "), ledger.count("totals ")) == (2, 2)
    assert "and 1 more: -n 3" in ledger
    assert len(project.run("runs", "-n", "2", "--json").json["ledger"]["warehouse"]) == 2


def test_a_database_that_another_process_holds_is_named(project: Project) -> None:
    sell(project, "2022-04,A,1")
    with duckdb.connect(str(project.folder / "warehouse.duckdb")):
        result = project.run(project.pipeline(SALES.replace("WRITE", "replace")))
    assert result.code == 1
    assert "connection-busy" in result.err
    assert "PID" in result.err


def test_a_run_killed_at_any_moment_leaves_the_old_table_or_the_new_one(project: Project) -> None:
    shops = range(20_000)
    sell(project, *(f"2022-04,S{shop},1" for shop in shops))
    old = publish(project)
    sell(project, *(f"2022-04,S{shop},2" for shop in shops))
    new = [(month, shop, 2) for month, shop, _ in old]
    spec = project.pipeline(SALES.replace("WRITE", "replace"))
    moments = random.Random(1)
    for _ in range(12):
        process = project.start(spec, "-q")
        time.sleep(moments.uniform(0.2, 2.0))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert sorted(project.table("totals")) in (old, new)
    assert publish(project) == new
    statuses = {run["status"] for run in project.run("runs", "--json", "-n", "50").json["runs"]}
    assert statuses <= {"killed", "done"}
    assert [path for path in project.folder.glob(".etlrun/runs/*/*") if path.name in ("sources", "spill", "work")] == []
    stages = [path.parent / "run.json" for path in project.folder.glob(".etlrun/runs/*/stage")]
    assert all(json.loads(record.read_text())["staged"] for record in stages), "a stage that nobody can resume was kept"
