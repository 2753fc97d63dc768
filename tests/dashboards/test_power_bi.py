"""A Power BI project keeps every rule that Power BI Desktop is known to insist on, and holds what the dashboard says."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from built import Built
from tmdl import TmdlTable, read_table

from projects import Project

PROJECT_FOLDER = Path(__file__).parents[2]
VALIDATOR = PROJECT_FOLDER / ".venv/node/node_modules/@microsoft/powerbi-report-authoring-cli/dist/cli.js"
SINKS = ("out_server", "out_file")


@pytest.fixture(params=SINKS)
def folder(built: Built, request: pytest.FixtureRequest) -> Path:
    return built.project.folder / "build" / "dashboards" / f"{request.param}-powerbi"


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def table_of(folder: Path) -> TmdlTable:
    return read_table(next(folder.glob("*.SemanticModel/definition/tables/*.tmdl")).read_text(encoding="utf-8"))


def visuals(folder: Path) -> list[Any]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("visual.json"))]


def test_microsofts_validator_finds_nothing(folder: Path) -> None:
    assert VALIDATOR.is_file(), "the tests need the npm packages of tests/dashboards/node: make .venv/node.stamp"
    project = next(folder.glob("*.pbip"))
    done = subprocess.run(
        ["node", str(VALIDATOR), "validate", str(project), "--no-schema"], capture_output=True, text=True, check=False
    )
    result = json.loads(done.stdout)["data"]
    assert (result["errorCount"], result["warningCount"]) == (0, 0), done.stdout


def test_both_items_have_a_platform_file_and_the_project_lists_the_report_only(folder: Path) -> None:
    name = folder.name.removesuffix("-powerbi")
    for kind in ("Report", "SemanticModel"):
        platform = json.loads((folder / f"{name}.{kind}" / ".platform").read_text())
        assert platform["metadata"] == {"type": kind, "displayName": name}
    project = json.loads((folder / f"{name}.pbip").read_text())
    assert project["artifacts"] == [{"report": {"path": f"{name}.Report"}}]
    reference = json.loads((folder / f"{name}.Report" / "definition.pbir").read_text())["datasetReference"]
    assert reference == {"byPath": {"path": f"../{name}.SemanticModel"}}


def test_names_are_twenty_hexadecimal_digits(folder: Path) -> None:
    found = visuals(folder)
    pages = [json.loads(path.read_text()) for path in folder.rglob("page.json")]
    assert len(pages) == 1 and len(found) == 16
    for item in (*found, *pages):
        assert re.fullmatch("[0-9a-f]{20}", item["name"])
    order = json.loads(next(folder.rglob("pages.json")).read_text())
    assert order["pageOrder"] == [pages[0]["name"]] and order["activePageName"] == pages[0]["name"]
    assert {path.parent.name for path in folder.rglob("visual.json")} == {item["name"] for item in found}


def test_there_is_no_theme_no_cache_no_byte_order_mark_and_no_long_path(folder: Path) -> None:
    content = files(folder)
    report = json.loads(next(folder.rglob("report.json")).read_text())
    assert report["themeCollection"] == {}
    assert not any(".pbi" in PurePosixPath(path).parts or "StaticResources" in path for path in content)
    for path, text in content.items():
        assert not text.startswith(b"\xef\xbb\xbf") and b"\r" not in text
        assert len(f"{folder.name}/{path}") < 150


def test_schemas_are_pinned(folder: Path) -> None:
    found = {match for text in files(folder).values() for match in re.findall(rb"/(\w+/[\d.]+)/schema.json", text)}
    assert {b"visualContainer/2.9.0", b"report/3.3.0", b"page/2.1.0"} < found


def test_every_field_of_every_visual_is_in_the_model(folder: Path) -> None:
    table = table_of(folder)
    fields = [found for visual in visuals(folder) for found in fields_of(visual)]
    assert len(fields) > 30
    for kind, entity, name in fields:
        assert entity == table.name
        assert name in (table.measures if kind == "Measure" else table.columns), (kind, name)


def fields_of(node: Any) -> Iterator[tuple[str, str, str]]:
    """The fields that a visual names; inside a subquery the table has another name there."""
    if isinstance(node, list):
        for item in node:
            yield from fields_of(item)
    if not isinstance(node, dict):
        return
    for kind in ("Measure", "Column"):
        if isinstance(node.get(kind), dict):
            source = node[kind]["Expression"]["SourceRef"]
            yield kind, source.get("Entity", "out"), node[kind]["Property"]
    for item in node.values():
        yield from fields_of(item)


def test_every_name_in_a_measure_is_in_the_model(folder: Path) -> None:
    table = table_of(folder)
    for dax in table.measures.values():
        for prefix, name in re.findall(r"""('out')?\[((?:[^\]]|\]\])+)\]|"(?:[^"]|"")*\"""", dax):
            if not name:
                continue  # a text
            known = table.columns if prefix else {*table.measures, "value", "label", "place"}
            assert name.replace("]]", "]") in known, dax


def test_rows_come_from_the_named_columns_in_an_order_and_no_account_is_written(built: Built) -> None:
    folder = built.project.folder / "build" / "dashboards"
    mysql = (folder / "out_server-powerbi/out_server.SemanticModel/definition/tables/out.tmdl").read_text("utf-8")
    assert (
        "MySQL.Database(Server, Database, [ReturnSingleDatabase = true, CreateNavigationProperties = false])" in mysql
    )
    assert 'Source{[Schema = Database, Item = "out"]}[Data]' in mysql
    parquet = (folder / "out_file-powerbi/out_file.SemanticModel/definition/tables/out.tmdl").read_text("utf-8")
    assert 'Parquet.Document(File.Contents(Folder & "out.parquet"))' in parquet
    for text in (mysql, parquet):
        assert 'Table.SelectColumns(Data, {"id", "size", "kind", "word", "a", "b", "day"' in text
        assert '{"b", Currency.Type}, {"day", type date}' in text and '"en-US"' in text
        assert 'Table.Sort(Typed, {{"id", Order.Ascending}})' in text
        assert "mode: import" in text and "directQuery" not in text
    expressions = (folder / "out_server-powerbi/out_server.SemanticModel/definition/expressions.tmdl").read_text()
    assert f'"127.0.0.1:{built.server.port}"' in expressions
    assert not any(b"root" in content for content in files(folder / "out_server-powerbi").values())


def test_hostile_names_are_escaped(folder: Path) -> None:
    table = table_of(folder)
    assert """In_</script>_"it's\"""" in table.columns
    assert 'ROW("label", "</script> ""it\'s""", "place", 2' in table.measures["Top ]app"]


SPEC = """
sources:
  rows: {csv: {path: rows.csv, columns: {id: string, size: string, a: bigint}}}
steps:
  out: [{from: rows}]
sinks:
  out: {table: {from: out, connection: warehouse, key: [id], write: replace}}
"""
FILE = "  out_file: {files: {from: out, path: out/out.parquet}}\n"
DASHBOARD = """dashboard: d
title: D
pipeline: p
sink: out
measures: {rows: {label: Rows, count: rows}}
page: [[{kpi: rows}, {bar: {of: size, value: rows}}]]
"""


@pytest.fixture
def small(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("rows.csv", "id,size,a\nx,Big,1\n")
    project.pipeline(SPEC + FILE)
    project.write("dashboards/d.yaml", DASHBOARD)
    return project


def test_two_builds_are_equal_and_an_edited_file_is_not_overwritten(small: Project) -> None:
    build = ("dashboard", "build", "--to", "powerbi")
    assert small.run(*build).code == 0
    folder = small.folder / "build" / "dashboards" / "d-powerbi"
    first = files(folder)
    assert small.run(*build).code == 0
    assert files(folder) == first

    edited = next(folder.rglob("page.json"))
    edited.write_text(edited.read_text() + " ")
    (folder / "notes.txt").write_text("mine")
    (folder / ".pbi").mkdir()
    (folder / ".pbi" / "cache.abf").write_text("Power BI's own")
    refused = small.run(*build)
    assert refused.code == 2
    assert "not-empty" in refused.err and "page.json" in refused.err and "notes.txt" in refused.err
    assert (folder / "notes.txt").read_text() == "mine"

    assert small.run(*build, "--force").code == 0
    assert files(folder) == {**first, ".pbi/cache.abf": b"Power BI's own"}


def test_a_warehouse_that_power_bi_cannot_read_needs_a_file(small: Project) -> None:
    small.pipeline(SPEC)
    refused = small.run("dashboard", "build", "--to", "powerbi")
    assert refused.code == 1
    assert "add a sink to the pipeline: out_file: {files: {from: out, path: out/out.parquet}}" in refused.err
    small.pipeline(SPEC + FILE)
    assert small.run("dashboard", "build", "--to", "powerbi").code == 0


def test_a_page_of_more_than_six_rows_does_not_fit(small: Project) -> None:
    small.write("dashboards/d.yaml", DASHBOARD.replace("page: [", "page: [" + "[{kpi: rows}], " * 6))
    refused = small.run("dashboard", "build", "--to", "powerbi")
    assert refused.code == 1 and "more than 6 rows of cards" in refused.err


def test_an_ossie_model_has_each_measure_in_sql_and_in_dax(small: Project) -> None:
    assert small.run("dashboard", "build", "--to", "ossie").code == 0
    model = json.loads((small.folder / "build/dashboards/d.ossie.json").read_text())
    assert model["version"] == "0.2.0.dev0" and model["dialects"] == ["ANSI_SQL", "DAX"]
    (semantic,) = model["semantic_model"]
    (dataset,) = semantic["datasets"]
    assert (dataset["name"], dataset["source"], dataset["primary_key"]) == ("out", "warehouse.out", ["id"])
    assert [(field["name"], field["datatype"]) for field in dataset["fields"]] == [
        ("id", "String"),
        ("size", "String"),
        ("a", "Integer"),
    ]
    assert semantic["metrics"][0]["expression"]["dialects"] == [
        {"dialect": "ANSI_SQL", "expression": "count(*)"},
        {"dialect": "DAX", "expression": "COALESCE(COUNTROWS('out'), 0)"},
    ]
