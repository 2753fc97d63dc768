"""A table that is changed while runs publish to it keeps whole rows; on PostgreSQL `migrate --apply` and `retry` do what they do in a file."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml
from warehouses import STATE, Target, many_load

from commanding import etlrun
from etlrun.failures import RunFailure
from mysql.loads import COLUMNS, make_load, many
from projects import Project

CORE = """pipeline: core
sources: {sales: {csv: {path: sales.csv, columns: {shop: string not null, units: int}}}}
steps: {core: [{from: sales}]}
checks: {core: [{unique: shop}]}
sinks: {core: {table: {from: core, connection: there, key: [shop], write: replace}}}
"""
MART = """pipeline: mart
sources: {core: {table: {pipeline: core}}}
steps: {mart: [{from: core}, {derive: {share: 10 / units}}]}
sinks: {mart: {table: {from: mart, connection: there, key: [shop], write: replace}}}
"""


def test_publishes_and_a_change_at_once_leave_whole_rows(served: Target, tmp_path: Path) -> None:
    served.open().publish(many_load(tmp_path, rows=40, seconds=1, run_id="20220501T000000Z-a"))
    loads = [many_load(tmp_path, rows=30 + n, seconds=n, run_id=f"2022050{n}T000000Z-a") for n in range(2, 6)]
    wide = make_load(tmp_path, [], {**COLUMNS, "note": "string"}, run_id="20220509T000000Z-a")
    changing, begun, refused = served.open(), threading.Event(), []

    def publish() -> None:
        for load in loads:
            begun.set()
            try:
                served.open().publish(load)
            except RunFailure as failure:
                refused.append(failure.code)

    thread = threading.Thread(target=publish)
    thread.start()
    begun.wait()
    while statements := [statement for _, statement in changing.mismatches(wide)]:
        try:
            changing.change(wide, statements)
        except RunFailure as failure:
            assert failure.code == "table-busy", failure
    thread.join()
    assert set(refused) <= {"table-busy"}
    count, distinct, least, most = served.run(STATE)[0]
    assert count == distinct and least == most and (count, least) in {(40, 1), *((30 + n, n) for n in range(2, 6))}
    assert not changing.mismatches(wide)
    served.open().publish(
        make_load(
            tmp_path, [(*row, "x") for row in many("2022-04", 3)], {**COLUMNS, "note": "string"}, run_id=wide.run_id
        )
    )
    assert len(served.rows()) == 3


@pytest.mark.parametrize("target", ["postgres"], indirect=True)
def test_a_project_on_postgresql_is_retried_and_its_tables_are_changed(target: Target, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    there = {target.kind: target.keys}
    project.write("etlrun.yaml", yaml.safe_dump({"profiles": {"dev": {"connections": {"there": there}}}}))
    project.write("sales.csv", "shop,units\nA,5\nB,0\n")
    project.write("pipelines/core.yaml", CORE)
    project.write("pipelines/mart.yaml", MART)

    def run(*words: str, code: int = 0) -> str:
        found = etlrun(project.folder, *words)
        assert found.code == code, found.err
        return found.err

    assert "division-by-zero" in run("run", code=1)
    assert target.rows("core") == [("A", 5), ("B", 0)]
    project.write("pipelines/mart.yaml", MART.replace("10 / units", "'10 / nullif(units, 0)'"))
    assert "1 pipeline in" in run("retry")
    assert target.rows("mart") == [("A", 5, 2.0), ("B", 0, None)]
    run("retry")
    changed = (
        CORE.replace("[{from: core}]", "[]")
        .replace("units: int}", "units: bigint}")
        .replace("steps: {core: [{from: sales}]}", "steps: {core: [{from: sales}, {derive: {more: units + 1}}]}")
    )
    project.write("pipelines/core.yaml", changed)
    assert "etlrun migrate core --apply" in run("run", code=1)
    assert target.rows("core") == [("A", 5), ("B", 0)]
    run("migrate", "--apply")
    run("retry")
    assert target.rows("core") == [("A", 5, 6), ("B", 0, 1)]


@pytest.mark.parametrize("target", ["postgres"], indirect=True)
def test_a_view_that_reads_a_column_is_named_where_its_type_cannot_change(target: Target, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    there = {target.kind: target.keys}
    project.write("etlrun.yaml", yaml.safe_dump({"profiles": {"dev": {"connections": {"there": there}}}}))
    project.write("sales.csv", "shop,units\nA,5\n")
    seen = MART.replace(
        "table: {from: mart, connection: there, key: [shop], write: replace}", "view: {from: mart, connection: there}"
    )
    project.write("pipelines/core.yaml", CORE)
    project.write("pipelines/mart.yaml", seen.replace("derive: {share: 10 / units}", "select: [shop, units]"))
    assert etlrun(project.folder, "run").code == 0
    project.write("pipelines/core.yaml", CORE.replace("units: int}", "units: bigint}"))
    refused = etlrun(project.folder, "migrate", "--apply", "core")
    assert refused.code == 1
    assert "on view mart depends on column" in refused.err
    assert "drop the view" in refused.err
    target.run("DROP VIEW mart")
    assert etlrun(project.folder, "migrate", "--apply", "core").code == 0
    again = etlrun(project.folder, "run")
    assert again.code == 0, again.err
    assert target.rows("mart") == [("A", 5)]
