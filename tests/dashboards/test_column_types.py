"""Columns of every type on a page: nested ones, instants, numbers that JavaScript rounds, texts with a NUL, and numbers that are none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Browser

from projects import Project

TYPES = {
    "id": (pa.string(), "string"),
    "large": (pa.int64(), "bigint"),
    "tags": (pa.list_(pa.string()), "array<string>"),
    "place": (pa.struct([("x", pa.int32())]), '"struct<x: int>"'),
    "counts": (pa.map_(pa.string(), pa.int32()), '"map<string, int>"'),
    "at": (pa.timestamp("us", "UTC"), "timestamptz"),
    "real": (pa.float64(), "double"),
    "price": (pa.decimal128(12, 2), '"decimal(12,2)"'),
}
ROWS = [
    ["a\0z", 2**63 - 1, ["x"], {"x": 1}, [("n", 2)], datetime(2022, 4, 1, 12, 30, tzinfo=UTC), 1e300, "-0.50"],
    ["b", -(2**63), [], None, None, None, None, None],
    ["c", 9, None, {"x": None}, [], datetime(2022, 4, 1, 12, 30, tzinfo=UTC), -0.25, "3.00"],
]
PIPELINE = f"""
sources:
  rows: {{parquet: {{path: rows.parquet, columns: {{{", ".join(f"{name}: {kind}" for name, (_, kind) in TYPES.items())}}}}}}}
steps:
  rows_now: [{{from: rows}}]
  plain: [{{from: rows}}, {{drop: [tags, place, counts]}}]
sinks:
  file: {{files: {{from: rows_now, path: out/rows.parquet}}}}
  folder: {{files: {{from: rows_now, path: out/rows/}}}}
  lake: {{delta: {{from: rows_now, path: out/lake, write: replace}}}}
  table: {{table: {{from: plain, connection: warehouse, key: [id], write: replace}}}}
"""
DASHBOARD = """dashboard: SINK
title: Types
pipeline: p
sink: SINK
measures:
  rows: {label: Rows, count: rows}
  real: {label: Real, sum: real, format: decimal 2}
  price: {label: Price, sum: price, format: decimal 2}
filters: [at]
page:
  - [{kpi: rows}, {kpi: price}, {bar: {of: at, value: rows}}, {bar: {of: NESTED, value: rows}}]
  - [{table: {columns: [COLUMNS], order: id, search: [id], totals: true}}]
"""
CELLS = "[...document.querySelectorAll('.rows tbody tr')].map(row => [...row.children].map(cell => cell.textContent))"
FILE = ("file", "tags", ", ".join(TYPES))
TABLE = ("table", "large", "id, large, at, real, price")


def dashboard(sink: str, nested: str, columns: str) -> str:
    return DASHBOARD.replace("SINK", sink).replace("NESTED", nested).replace("COLUMNS", columns)


def write_rows(folder: Path, rows: list[list[object]]) -> None:
    columns = zip(*rows, strict=True)
    texts = pa.array([row[-1] for row in rows], pa.string()).cast(TYPES["price"][0])
    kinds = [kind for kind, _ in TYPES.values()]
    arrays = [pa.array(list(values), kind) for values, kind in zip(list(columns)[:-1], kinds[:-1], strict=True)]
    pq.write_table(pa.table([*arrays, texts], names=list(TYPES)), folder / "rows.parquet")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("types"))
    project.pipeline(PIPELINE)
    write_rows(project.folder, ROWS)
    result = project.run("p")
    assert result.code == 0, result.err
    return project


def test_every_type_is_shown_exactly_from_a_file_and_from_a_table(project: Project, browser: Browser) -> None:
    for given in (FILE, TABLE):
        project.write(f"dashboards/{given[0]}.yaml", dashboard(*given))
    result = project.run("dashboard", "build", TZ="Asia/Tokyo")
    assert result.code == 0, result.err
    at = "2022-04-01 12:30:00+00"
    page = browser.page().open(project.folder / "build/dashboards/file.html")
    real = page.ask("(1e300).toLocaleString()")
    assert page.ask(CELLS) == [
        ["a\ufffdz", "9223372036854775807", "[x]", "{'x': 1}", "{n=2}", at, real, "-0.5"],
        ["b", "-9223372036854775808", "[]", "\u2013", "\u2013", "\u2013", "\u2013", "\u2013"],
        ["c", "9", "\u2013", "{'x': NULL}", "{}", at, "-0.25", "3"],
    ]
    assert page.ask("[...document.querySelectorAll('.rows tfoot td')].at(-1).textContent") == "2.5"
    assert page("messages") == []
    page.close()
    page = browser.page().open(project.folder / "build/dashboards/table.html")
    assert [row[2] for row in page.ask(CELLS)] == [at, "\u2013", at]
    page.close()


def test_a_filter_may_be_the_key_of_the_table(project: Project, browser: Browser) -> None:
    text = (
        dashboard(*TABLE)
        .replace("filters: [at]", "filters: [id]")
        .replace("of: at, value: rows", "of: id, value: price")
    )
    project.write("dashboards/table.yaml", text)
    assert project.run("dashboard", "build", "table").code == 0
    page = browser.page().open(project.folder / "build/dashboards/table.html")
    pressed = "[...document.querySelectorAll('[data-mark^=\"0.2 \"]')].map(mark => mark.getAttribute('aria-pressed'))"
    assert page.ask(pressed) == ["false", "false", "false"]
    page.ask("document.querySelector('[data-mark^=\"0.2 \"]').click()")
    assert sorted(page.ask(pressed)) == ["false", "false", "true"]
    assert page("messages") == []
    page.close()


def test_power_bi_refuses_a_column_that_it_cannot_hold(project: Project) -> None:
    project.write("dashboards/file.yaml", dashboard(*FILE))
    refused = project.run("dashboard", "build", "file", "--to", "powerbi")
    assert refused.code == 1
    assert "dashboards/file.yaml:4:7: unfit-column: `tags` is array<string>" in refused.err


def test_a_file_of_other_types_is_not_shown(project: Project) -> None:
    project.write("dashboards/file.yaml", dashboard(*FILE))
    path = project.folder / "out" / "rows.parquet"
    written = path.read_bytes()
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index("price"), "price", table["id"]), path)
    said = project.run("dashboard", "build", "file").err
    path.write_bytes(written)
    assert "table-mismatch" in said and "has no column `price` as decimal(12,2)" in said


@pytest.mark.parametrize("sink", ["folder", "lake"])
def test_a_sink_that_is_not_shown_leads_to_one_that_is(project: Project, sink: str) -> None:
    path = project.write(f"dashboards/{sink}.yaml", dashboard(sink, *FILE[1:]))
    said = project.run("check", str(path)).out
    path.unlink()
    assert "a dashboard can show only a `table`, or one Parquet file of the project" in said
    assert f"`{sink}_shown: {{files: {{from: rows_now, path: out/{sink}.parquet}}}}`" in said


def test_numbers_that_cannot_be_added_up_are_shown_at_their_measure(project: Project, tmp_path: Path) -> None:
    for real in (float("nan"), float("inf")):
        write_rows(project.folder, [[*ROWS[0][:6], real, "1.00"]])
        assert project.run("p").code == 0
        project.write("dashboards/file.yaml", dashboard(*FILE))
        said = project.run("dashboard", "build", "file").err
        assert "dashboards/file.yaml:7:9: dashboard-size: a column of `real` adds up to " in said
