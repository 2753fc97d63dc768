"""`etlrun rollback` from the command line: a table that is published by pointer goes back, and forth."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import Project

from .loads import Place
from .test_pipelines import PROJECT, SPEC, sell, units, url

POINTED = SPEC.replace("write: replace}", "write: replace, publish: pointer}")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT)
    return project


def publish_twice(project: Project, place: Place) -> list[str]:
    runs = []
    for count in (3, 2):
        sell(project, count, count)
        result = project.run(project.pipeline(POINTED), "--json", WAREHOUSE_URL=url(place))
        assert result.code == 0, result.err
        runs.append(result.json["run_id"])
    return runs


def test_a_table_goes_back_and_forth(project: Project, place: Place) -> None:
    first, second = publish_twice(project, place)
    assert units(place) == [(2, 2)]
    listed = project.run("rollback", "totals", "--dry-run", WAREHOUSE_URL=url(place))
    assert [line.split() for line in listed.out.splitlines()[2:]] == [
        ["readers", "see", "it", "whole", "table", second, "2"],
        ["kept", "whole", "table", first, "3"],
    ]
    assert units(place) == [(2, 2)]
    back = project.run("rollback", "totals", "--json", WAREHOUSE_URL=url(place))
    assert back.code == 0, back.err
    assert back.json == {
        "connection": "warehouse",
        "table": "totals",
        "versions": [
            {"period": "", "run_id": second, "rows": 2, "is_current": False},
            {"period": "", "run_id": first, "rows": 3, "is_current": True},
        ],
    }
    assert units(place) == [(3, 3)]
    ledger = project.run("runs", "--json", WAREHOUSE_URL=url(place)).json["ledger"]["warehouse"]
    assert [(entry["run_id"], entry["rows"]) for entry in ledger] == [(first, 3)]
    assert project.run("rollback", "totals", "--to", second, WAREHOUSE_URL=url(place)).code == 0
    assert units(place) == [(2, 2)]


def test_what_cannot_go_back_is_told_in_one_line(project: Project, place: Place) -> None:
    _, second = publish_twice(project, place)
    for words, detail in (
        (("nothing",), "no earlier rows of `nothing` are kept"),
        (("totals", "--to", "2021"), "no rows of run `2021` are kept"),
        (("totals", "--to", second), "already"),
        (("totals", "--connection", "warehose"), "did you mean `warehouse`?"),
        (("totals", "--period", "x = 1"), "has this period"),
    ):
        result = project.run("rollback", *words, WAREHOUSE_URL=url(place))
        assert result.code == 2, (words, result.err)
        assert detail in result.err and "Traceback" not in result.err
    assert units(place) == [(2, 2)]
    away = project.run("rollback", "totals", WAREHOUSE_URL=url(place, 1))
    assert away.code == 1 and "connection-failed" in away.err


def test_a_connection_that_keeps_nothing_says_so(project: Project) -> None:
    project.write(
        "etlrun.yaml",
        "profile: dev\nprofiles:\n  dev: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: {path: w.duckdb}}}}\n",
    )
    sell(project, 3, 1)
    assert project.run(project.pipeline(POINTED)).code == 0
    result = project.run("rollback", "totals")
    assert result.code == 2
    assert "no earlier rows of `totals` are kept" in result.err
