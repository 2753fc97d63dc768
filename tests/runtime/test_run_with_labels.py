"""Runs of a pivot whose labels come from a column: each reads them first, and what looks at the pipeline knows them as well."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from commanding import etlrun
from projects import Project

PIPELINE = """sources:
  orders: {csv: {path: orders.csv, columns: {day: string, currency: string, amount: int}}}
  currencies: {csv: {path: currencies.csv, columns: {code: string}}}
steps:
  totals:
    - from: orders
    - aggregate:
        by: [day]
        pivot: {column: currency, labels: {from: currencies.code, at_most: 3}, value: sum(amount), name: "in_{label}", fill: 0}
    - derive: {year: 2024}
sinks:
  page: {files: {from: totals, path: out/totals.csv}}
  totals: {table: {from: totals, connection: warehouse, write: replace}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.pipeline(PIPELINE)
    project.write("orders.csv", "day,currency,amount\nmon,EUR,5\nmon,USD,7\ntue,GBP,9\n")
    project.write("currencies.csv", "code\nUSD\nEUR\n")
    return project


def published(project: Project) -> str:
    return (project.folder / "out/totals.csv").read_text()


def test_a_run_publishes_a_column_for_each_label_in_files_and_tables(project: Project) -> None:
    found = project.run("p", "--json")
    assert found.code == 0, found.err
    assert published(project) == "day,in_EUR,in_USD,year\nmon,5,7,2024\ntue,0,0,2024\n"
    assert project.table("totals") == [("mon", 5, 7, 2024), ("tue", 0, 0, 2024)]
    assert "1 of 3 rows has a `currency` that the pivot does not list" in found.err
    (path,) = project.folder.glob(".etlrun/runs/*/run.json")
    assert json.loads(path.read_text())["labels"] == {"totals.2": ["EUR", "USD"]}


def test_a_new_label_publishes_nothing_until_the_table_has_its_column(project: Project) -> None:
    assert project.run("p").code == 0
    project.write("currencies.csv", "code\nUSD\nEUR\nGBP\n")
    before = published(project)
    found = project.run("p")
    assert found.code == 1
    assert 'run: ALTER TABLE "totals" ADD COLUMN "in_GBP" BIGINT; `etlrun migrate p --apply` does it' in found.err
    assert published(project) == before
    assert 'ALTER TABLE "totals" ADD COLUMN "in_GBP" BIGINT;' in project.run("migrate", "p").out
    assert project.run("migrate", "p", "--apply").code == 0
    assert project.run("p").code == 0
    assert published(project) == "day,in_EUR,in_GBP,in_USD,year\nmon,5,0,7,2024\ntue,0,9,0,2024\n"


def test_a_label_that_is_gone_leaves_the_table_and_its_column_as_they_were(project: Project) -> None:
    assert project.run("p").code == 0
    project.write("currencies.csv", "code\nUSD\n")
    found = project.run("p")
    assert found.code == 1
    assert "table-mismatch" in found.err and "`in_EUR`" in found.err
    assert project.table("totals") == [("mon", 5, 7, 2024), ("tue", 0, 0, 2024)]


def test_too_many_labels_stop_the_run_before_anything_is_published(project: Project) -> None:
    project.write("currencies.csv", "code\nA\nB\nC\nD\n")
    found = project.run("p", "--json")
    assert found.code == 1
    assert (found.json["error"]["code"], found.json["error"]["line"]) == ("unfit-labels", 10)
    assert not (project.folder / "out").exists()


def test_resume_publishes_with_the_labels_of_its_run(project: Project) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute(
            'CREATE TABLE totals (day VARCHAR, "in_EUR" BIGINT CHECK ("in_EUR" < 5), "in_USD" BIGINT, year INT)'
        )
    assert "rows-refused" in project.run("p").err
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute("DROP TABLE totals")
    project.write("currencies.csv", "code\nGBP\n")
    (run,) = project.run("runs", "--json").json["runs"]
    found = project.run("resume", run["run_id"])
    assert found.code == 0, found.err
    assert project.table("totals") == [("mon", 5, 7, 2024), ("tue", 0, 0, 2024)]


def test_plan_and_compile_show_one_column_in_place_of_all(project: Project) -> None:
    plan = etlrun(project.folder, "plan", "p").out
    assert "day string, in_{label} bigint, year int" in plan
    assert "{label}: each label of currencies.code, at most 3; a statement of its own reads them first" in plan
    assert "publishes to totals, whose columns are compared once the run knows the labels" in plan
    relation = etlrun(project.folder, "plan", "p", "--json")
    assert json.loads(relation.out)["relations"]["totals"]["labels"] == [{"from": "currencies.code", "at_most": 3}]
    sql = etlrun(project.folder, "compile", "p", "totals").out
    assert "-- totals: a run first reads each label of currencies.code, which {label} stands for here" in sql


def test_show_explain_and_diff_find_the_labels_that_there_are(project: Project) -> None:
    assert project.run("p").code == 0
    shown = etlrun(project.folder, "show", "p", "totals", "--where", "in_EUR > 0", "--json").out
    assert json.loads(shown) == {"day": "mon", "in_EUR": 5, "in_USD": 7, "year": 2024}
    after_two = etlrun(project.folder, "show", "p", "totals.2", "--json").out.splitlines()
    assert [list(json.loads(line)) for line in after_two] == [["day", "in_EUR", "in_USD"]] * 2
    explained = etlrun(project.folder, "explain", "p", "totals", "--key", "day=mon", "--json").out
    assert json.loads(explained)["trail"][0]["sample"] == [{"day": "mon", "in_EUR": 5, "in_USD": 7, "year": 2024}]
    assert etlrun(project.folder, "diff", "p", "--sink", "totals").code == 0
    project.write("currencies.csv", "code\nUSD\nEUR\nGBP\n")
    assert "only after: in_GBP" in etlrun(project.folder, "diff", "p", "--sink", "totals").out


def test_a_function_before_the_labels_is_called_once(project: Project) -> None:
    project.write(
        "steps.py",
        "import pyarrow as pa\n\n\ndef loud(rows: pa.Table) -> pa.Table:\n"
        "    with open('calls.txt', 'a') as calls:\n        calls.write('x')\n    return rows\n",
    )
    steps = (
        "  codes:\n    - from: currencies\n    - python: {function: steps:loud, columns: {code: string}}\n  totals:\n"
    )
    project.pipeline(
        PIPELINE.replace("  totals:\n    - from", steps + "    - from", 1).replace("currencies.code", "codes.code")
    )
    found = project.run("p")
    assert found.code == 0, found.err
    assert (project.folder / "calls.txt").read_text() == "x"
    assert published(project).startswith("day,in_EUR,in_USD,year\n")


def test_another_pipeline_may_read_the_columns_that_are_no_labels(project: Project) -> None:
    assert project.run("p").code == 0
    reading = "sources:\n  totals: {table: {pipeline: p, sink: totals}}\nsteps:\n  days: [{from: totals}]\nsinks:\n  days: {files: {from: days, path: out/days.csv}}\n"
    found = project.run(project.pipeline(reading, "reading"))
    assert found.code == 0, found.err
    assert (project.folder / "out/days.csv").read_text() == "day,year\nmon,2024\ntue,2024\n"


def test_the_test_of_a_pipeline_expects_columns_of_labels_and_misses_one_that_is_not_there(project: Project) -> None:
    given = "given:\n      orders: [{day: mon, currency: EUR, amount: 5}]\n      currencies: [{code: EUR}]"
    rows = "pipeline: p\ntests:\n  - name: it\n    {given}\n    expect: {{totals: [{{day: mon, {name}: {value}}}]}}\n"
    project.write("pipelines/p.test.yaml", rows.format(given=given, name="in_EUR", value=5))
    assert etlrun(project.folder, "test").code == 0
    project.write("pipelines/p.test.yaml", rows.format(given=given, name="in_EUR", value=6))
    assert etlrun(project.folder, "test").code == 1
    project.write("pipelines/p.test.yaml", rows.format(given=given, name="in_XXX", value=6))
    missing = etlrun(project.folder, "test")
    assert missing.code == 1 and "`totals` has no column `in_XXX`" in missing.out


def test_the_column_of_labels_is_read_though_no_relation_holds_it(project: Project) -> None:
    with duckdb.connect() as connection:
        rows = "SELECT unnest(['EUR', 'USD']) AS code, 1 AS rank"
        connection.execute(f"COPY ({rows}) TO '{project.folder / 'currencies.parquet'}'")
    csv = "{csv: {path: currencies.csv, columns: {code: string}}}"
    parquet = "{parquet: {path: currencies.parquet, columns: {rank: int, code: string}}}"
    project.pipeline(PIPELINE.replace(csv, parquet))
    found = project.run("p")
    assert found.code == 0, found.err
    assert published(project) == "day,in_EUR,in_USD,year\nmon,5,7,2024\ntue,0,0,2024\n"


def test_test_update_writes_the_columns_of_labels_that_there_are(project: Project) -> None:
    given = "given:\n      orders: [{day: mon, currency: EUR, amount: 5}]\n      currencies: [{code: EUR}, {code: USD}]"
    text = f"pipeline: p\ntests:\n  - name: it\n    {given}\n    expect: {{totals: []}}\n"
    path = project.write("pipelines/p.test.yaml", text)
    assert etlrun(project.folder, "test", "--update").code == 0
    assert "expect: {totals: [{day: mon, in_EUR: 5, in_USD: 0, year: 2024}]}" in path.read_text()
    assert etlrun(project.folder, "test").code == 0


def test_a_delta_table_gets_the_columns_of_new_labels(project: Project) -> None:
    project.pipeline(
        PIPELINE[: PIPELINE.index("sinks:")]
        + "sinks:\n  totals: {delta: {from: totals, path: out/totals/, write: replace}}\n"
    )
    assert project.run("p").code == 0
    project.write("currencies.csv", "code\nUSD\nGBP\n")
    found = project.run("p")
    assert found.code == 0, found.err
    assert "`in_EUR`, gone" in found.err and "`in_GBP` long, new" in found.err
    project.write("currencies.csv", 'code\n"a,b"\n')
    refused = project.run("p")
    assert refused.code == 1 and "`in_a,b` has a character that is not allowed in names of Delta columns" in refused.err
