"""What a run tells those who watch it: events of OpenLineage and metrics of Prometheus. None of it fails a run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from projects import Project

PIPELINE = """description: revenue by shop
sources:
  sales: {csv: {path: data/sales.csv, columns: {shop: string, units: int}, max_bad_rows: 50%}}
steps:
  totals:
    - from: sales
    - filter: units > 0
    - aggregate: {by: shop, columns: {units: sum(units)}}
checks:
  totals: [{unique: shop}]
sinks:
  totals: {table: {from: totals, connection: warehouse, write: replace}}
"""


class Catalogue(HTTPServer):
    """A service that keeps the events that it is sent."""

    events: list[dict[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Catalogue

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert (self.path, self.headers["Authorization"]) == ("/api/v1/lineage", "Bearer abc")
        self.server.events.append(json.loads(body))
        self.send_response(201)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def catalogue() -> Iterator[Catalogue]:
    server = Catalogue(("127.0.0.1", 0), Handler)
    server.events = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    found.write("data/sales.csv", "shop,units\nHue,2\nHue,x\nHanoi,0\n")
    found.pipeline(PIPELINE, "sales")
    return found


def test_a_run_sends_when_it_begins_and_what_became_of_it(project: Project, catalogue: Catalogue) -> None:
    url = f"http://127.0.0.1:{catalogue.server_port}"
    assert project.run("run", "pipelines/sales.yaml", OPENLINEAGE_URL=url, OPENLINEAGE_API_KEY="abc").code == 0
    start, end = catalogue.events
    assert (start["eventType"], end["eventType"]) == ("START", "COMPLETE")
    assert start["run"] == end["run"]
    assert end["job"]["namespace"] == "etlrun" and end["job"]["name"] == "sales"
    source = {"namespace": "file", "name": str(project.folder / "data/sales.csv")}
    assert {name: end["inputs"][0][name] for name in source} == source
    output = end["outputs"][0]
    assert output["name"] == f"{project.folder / 'warehouse.duckdb'}:totals"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    lineage = output["facets"]["columnLineage"]
    made = {"type": "DIRECT", "subtype": "AGGREGATION", "description": "aggregation"}
    assert lineage["fields"]["units"]["inputFields"] == [{**source, "field": "units", "transformations": [made]}]
    how = {item["field"]: [found["subtype"] for found in item["transformations"]] for item in lineage["dataset"]}
    assert how == {"shop": ["GROUP_BY"], "units": ["FILTER"]}


def test_a_run_that_fails_says_so(project: Project, catalogue: Catalogue) -> None:
    project.write("data/sales.csv", "shop,units\nHue,x\n")
    url = f"http://127.0.0.1:{catalogue.server_port}/"
    assert project.run("run", "pipelines/sales.yaml", OPENLINEAGE_URL=url, OPENLINEAGE_API_KEY="abc").code == 1
    assert [event["eventType"] for event in catalogue.events] == ["START", "FAIL"]
    message = catalogue.events[1]["run"]["facets"]["errorMessage"]["message"]
    assert message.startswith("`sales`: no record can be read") and "\n" not in message


def test_a_service_that_takes_nothing_is_a_warning(project: Project) -> None:
    outcome = project.run("run", "pipelines/sales.yaml", OPENLINEAGE_URL="http://127.0.0.1:9")
    assert outcome.code == 0
    assert "warning: the service in OPENLINEAGE_URL did not accept the COMPLETE event" in outcome.err


def test_a_run_leaves_its_figures_for_prometheus(project: Project) -> None:
    assert project.run("run", "pipelines/sales.yaml", ETLRUN_METRICS_DIR=str(project.folder)).code == 0
    text = (project.folder / "etlrun_sales.prom").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#") and "seconds" not in line]
    assert lines == [
        'etlrun_run_done{pipeline="sales"} 1',
        'etlrun_source_rows{pipeline="sales",source="sales"} 2',
        'etlrun_source_bad_rows{pipeline="sales",source="sales"} 1',
        'etlrun_check_holds{pipeline="sales",relation="totals",check="unique"} 1',
        'etlrun_sink_rows{pipeline="sales",sink="totals"} 1',
    ]
    assert text.count("# TYPE etlrun_source_rows gauge") == 1


def test_looking_at_rows_is_no_run(project: Project) -> None:
    assert project.run("show", "pipelines/sales.yaml", "totals", ETLRUN_METRICS_DIR=str(project.folder)).code == 0
    assert not list(project.folder.glob("*.prom"))


def test_metrics_that_cannot_be_written_are_a_warning(project: Project) -> None:
    outcome = project.run("run", "pipelines/sales.yaml", ETLRUN_METRICS_DIR=str(project.folder / "none"))
    assert outcome.code == 0
    assert "warning: metrics cannot be written" in outcome.err


def test_lineage_is_printed_without_a_run(project: Project) -> None:
    event = json.loads(project.run("lineage", "sales", "--format", "openlineage").out)
    assert "run" not in event and event["schemaURL"].endswith("JobEvent")
    assert event["job"]["facets"]["documentation"]["description"] == "revenue by shop"


def test_an_object_of_a_store_is_a_dataset_of_its_bucket(project: Project) -> None:
    settings = (project.folder / "etlrun.yaml").read_text()
    project.write("etlrun.yaml", "storage: {s3://lake: {s3: {}}}\n" + settings)
    project.pipeline(PIPELINE.replace("data/sales.csv", "s3a://lake/raw/*.csv"), "sales")
    shown = project.run("lineage", "sales", "--format", "openlineage")
    assert shown.code == 0, shown.err
    (source,) = json.loads(shown.out)["inputs"]
    assert (source["namespace"], source["name"]) == ("s3://lake", "raw")


def test_a_source_that_reads_nothing_is_no_dataset(project: Project) -> None:
    text = PIPELINE.replace("sources:\n", "sources:\n  days: {calendar: {from: 2024-01-01, to: 2024-01-03}}\n")
    joined = "    - derive: {day: \"date '2024-01-02'\"}\n    - join: {with: days, on: [day], how: left}\n"
    project.pipeline(text.replace("    - filter: units > 0\n", joined), "sales")
    shown = project.run("lineage", "sales", "--format", "openlineage")
    assert shown.code == 0, shown.err
    (source,) = json.loads(shown.out)["inputs"]
    assert source["name"] == str(project.folder / "data/sales.csv")
    assert "days" not in shown.out
