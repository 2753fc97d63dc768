"""What `dashboard build` says where a table does not suit its page: the place, and commands that work to the letter."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from projects import Project

PIPELINE = """pipeline: trips
sources:
  rows:
    csv: {path: trips.csv, columns: {bike: string, km: int}}
steps:
  rides:
    - from: rows
sinks:
  rides: {table: {from: rides, connection: warehouse, write: replace}}
"""
DASHBOARD = """dashboard: bikes
title: Bikes
pipeline: trips
sink: rides
measures:
  rides: {label: Rides, count: rows}
filters: [km]
page:
  - [{kpi: rides}]
"""


def follow(project: Project, said: str) -> None:
    for command in re.findall(r"etlrun ([^,;\n]+)", said):
        result = project.run(*shlex.split(command))
        assert result.code == 0, result.err


def test_a_table_that_does_not_suit_names_the_commands_that_help(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("pipelines/daily/rides.yaml", PIPELINE)
    project.write("trips.csv", "bike,km\na,1\nb,2\n")
    project.write("dashboards/bikes.yaml", DASHBOARD)
    missing = project.run("dashboard", "build")
    assert "dashboards/bikes.yaml:4:7: connection-missing" in missing.err
    follow(project, missing.err)
    assert project.run("dashboard", "build").code == 0

    project.write(
        "pipelines/daily/rides.yaml", PIPELINE.replace("from: rows", "from: rows\n    - derive: {far: km > 1}")
    )
    changed = project.run("dashboard", "build")
    assert "missing-column: the table `rides` has no column `far`" in changed.err
    follow(project, changed.err)
    assert project.run("dashboard", "build").code == 0

    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as warehouse:
        warehouse.execute("DROP TABLE rides")
    gone = project.run("dashboard", "build")
    assert "missing-table" in gone.err
    follow(project, gone.err)
    assert project.run("dashboard", "build").code == 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("filters: [km]", "bikes.yaml:7:10: dashboard-size: the filter `km` has 300 values"),
        ("{donut: {of: km, value: rides}}", "bikes.yaml:8:19: dashboard-size: the donut `km` has 300 values"),
        ("{flow: {from: bike, to: km, value: rides}}", "bikes.yaml:8:30: dashboard-size: the flow `km` has 300 values"),
    ],
)
def test_values_that_a_page_cannot_show_one_by_one_are_named_in_its_file(
    tmp_path: Path, written: str, said: str
) -> None:
    project = Project(tmp_path)
    project.pipeline(PIPELINE, "trips")
    project.write("trips.csv", "bike,km\n" + "".join(f"a,{number}\n" for number in range(300)))
    project.write("dashboards/bikes.yaml", DASHBOARD.replace("filters: [km]\n", "").replace("{kpi: rides}", written))
    if written.startswith("filters"):
        project.write("dashboards/bikes.yaml", DASHBOARD)
    assert project.run("trips").code == 0
    assert said in project.run("dashboard", "build").err


def test_a_card_that_is_written_another_way_leads_to_ours(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pipeline(PIPELINE, "trips")
    cards = "{pie: {of: bike, value: rides}}, {bar: {of: bike, value: rides}, title: Bikes}"
    project.write("dashboards/bikes.yaml", DASHBOARD.replace("{kpi: rides}", cards))
    said = project.run("check", "dashboards").out
    assert "there is no card `pie`" in said and "use `donut` to show" in said
    assert "`title`" in said and "it is a key of `bar`: write it inside the braces of `bar`" in said


def test_a_sum_of_texts_names_the_numbers(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pipeline(PIPELINE, "trips")
    project.write("dashboards/bikes.yaml", DASHBOARD.replace("count: rows", "sum: bike"))
    assert "name a column of numbers: km" in project.run("check", "dashboards").out


def test_a_misspelled_group_of_columns_is_found(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("mappings/bikes.yaml", "Small: [a]\nLarge: [b]\n")
    pivot = '{column: bike, labels: bikes, value: count(*), name: "N_{label}", fill: 0, as: bikes}'
    grouped = f"from: rows\n    - aggregate: {{by: [km], pivot: {pivot}}}"
    project.pipeline(PIPELINE.replace("from: rows", grouped), "trips")
    for measure in ("sum: bikse", "argmax: {over: bikse}"):
        project.write("dashboards/bikes.yaml", DASHBOARD.replace("count: rows", measure))
        said = project.run("check", "dashboards").out
        assert said.count("did you mean `bikes`?") == said.count("bikes.yaml:") == 1, said
