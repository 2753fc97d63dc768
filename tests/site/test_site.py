"""The documentation site: what its pages say, that hostile names stay text, and that nothing leaves a page."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from commanding import etlrun
from etlrun.site.addresses import column_address, file_name
from projects import Project

HOSTILE = '</script><img src=x onerror="alert(1)">'
CORE = f"""description: {json.dumps(HOSTILE)}
owner: team <b>
params: {{least: {{type: int, default: 0}}}}
sources:
  rows: {{csv: {{path: rows.csv, columns: {{k: {{type: string, description: {json.dumps(HOSTILE)}}}, code: {{type: string, tags: pii}}, v: int}}}}}}
steps:
  typed:
    - from: rows
    - filter: v >= $least
    - lookup: {{column: code, map: kinds, as: kind, unmatched: drop}}
checks: {{typed: [not_null: [k]]}}
sinks:
  out: {{table: {{from: typed, connection: warehouse, write: replace}}}}
"""
MART = """sources:
  out: {table: {pipeline: core, sink: out}}
  again: {table: {connection: warehouse, table: OUT, columns: {V: int}}}
steps:
  totals: [from: out, aggregate: {by: [kind], columns: {total: sum(v)}}]
sinks:
  totals: {table: {from: totals, connection: warehouse, key: [kind], write: replace}}
"""
TESTS = """pipeline: core
tests:
  - name: <b>rows
    set: {least: 1}
    given: {rows: [{k: '</td><img src=x>', code: a, v: 2}, {code: b}]}
    expect: {typed: [{v: 2, kind: <i>one}]}
"""
DASHBOARD = """dashboard: totals
title: Totals <b>by kind
pipeline: mart
sink: totals
measures: {all: {label: All units, sum: [total]}}
filters: [kind]
page: [[{bar: {of: kind, value: all, title: Units}}]]
"""


class Read(HTMLParser):
    """The tags of a page, what they refer to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.events: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on") or name == "style":
                self.events.append(name)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its pages, which each test copies."""
    root = tmp_path_factory.mktemp("project")
    project = Project(root)
    project.pipeline(CORE, "core")
    project.pipeline(MART, "mart")
    project.write("mappings/kinds.yaml", '"<i>one": [a]\ntwo: [b]\n')
    project.write("pipelines/core.test.yaml", TESTS)
    project.write("dashboards/totals.yaml", DASHBOARD)
    project.write(
        "prompts/sort.md",
        "---\ntask: Say <b>what</b> it is.\noutput:\n  sort: {labels: {A: one, B: another}}\nexamples: [{key: '</pre>x', sort: A}]\n---\nBe <i>short</i>.\n",
    )
    assert etlrun(root, "docs", "build").code == 0
    return root


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    shutil.copytree(built, tmp_path / built.name)
    return tmp_path / built.name / "build" / "docs"


def pages(folder: Path) -> dict[str, Read]:
    return {str(path.relative_to(folder)): Read(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}


def test_every_link_leads_to_a_place_that_is_there(folder: Path) -> None:
    found = pages(folder)
    assert {path for path in found if not path.startswith("tests/")} == {
        "index.html",
        "pipelines/core.html",
        "pipelines/mart.html",
        "mappings/kinds.html",
        "prompts/sort.html",
        *(f"columns/core/source.rows.{name}.html" for name in ("k", "code", "v")),
        *(f"columns/core/sink.out.{name}.html" for name in ("k", "code", "v", "kind")),
        *(f"columns/mart/source.out.{name}.html" for name in ("k", "code", "v", "kind")),
        column_address("mart", "source", "again", "V"),
        *(f"columns/mart/sink.totals.{name}.html" for name in ("kind", "total")),
    }
    for path, read in found.items():
        for address in read.addresses:
            file, _, place = address.partition("#")
            target = (folder / path).parent.joinpath(file).resolve() if file else folder / path
            assert target.is_file(), (path, address)
            if place:
                assert place in found[str(target.relative_to(folder.resolve()))].ids, (path, address)


def test_nothing_leaves_a_page_and_no_name_is_read_as_html(folder: Path) -> None:
    for path, read in pages(folder).items():
        text = (folder / path).read_text(encoding="utf-8")
        policy = re.search(r'content="(default-src[^"]*)"', text)
        assert policy is not None and policy[1].startswith("default-src 'none'")
        assert "connect-src" not in policy[1] and "unsafe" not in policy[1]
        assert not {"img", "b", "i", "iframe", "object"} & set(read.tags)
        assert read.events == []
        assert not [address for address in read.addresses if ":" in address]
        assert len(text) < 300_000


def test_a_pipeline_shows_where_its_columns_come_from_and_who_reads_them(folder: Path) -> None:
    core = (folder / "pipelines/core.html").read_text(encoding="utf-8")
    mart = (folder / "pipelines/mart.html").read_text(encoding="utf-8")
    assert "mappings/kinds.yaml" in core
    assert '<a href="../pipelines/mart.html">mart</a> as out' in core
    assert '<a href="../columns/core/source.rows.v.html">core.rows.v</a> (aggregation)' in mart
    assert "&lt;b&gt;rows" in core


def test_a_column_shows_what_it_is_made_of_and_all_that_is_made_of_it(folder: Path) -> None:
    source = (folder / "columns/core/source.rows.v.html").read_text(encoding="utf-8")
    published = (folder / "columns/core/sink.out.kind.html").read_text(encoding="utf-8")
    total = (folder / "columns/mart/sink.totals.total.html").read_text(encoding="utf-8")
    assert '<a href="../../columns/core/sink.out.v.html">core.out.v</a></td><td>is made of it</td>' in source
    shown = "Totals &lt;b&gt;by kind: measure All units, bar Units"
    assert f'sink.totals.total.html">mart.totals.total</a></td><td>is made of it</td><td>{shown}</td>' in source
    assert "Decides which rows there are in" in source  # by the filter
    assert '<a href="../../mappings/kinds.html">mappings/kinds.yaml</a>' in published
    assert '<a href="../../columns/mart/source.out.kind.html">mart.out.kind</a>' in published
    assert "<td>Totals &lt;b&gt;by kind</td><td>measure All units, bar Units</td>" in total
    assert '<a href="../../columns/core/source.rows.v.html">core.rows.v</a></td><td>aggregation</td>' in total


def test_a_test_shows_its_rows_and_how_it_ended_when_it_last_ran(folder: Path) -> None:
    project = folder.parent.parent
    (page,) = (folder / "tests").rglob("*.html")
    assert "It has not run yet" in page.read_text(encoding="utf-8")
    assert etlrun(project, "test").code == 0
    with (project / "prompts/sort.md").open("a") as prompt:
        prompt.write("The pipeline of the test asks nobody.\n")
    assert etlrun(project, "docs", "build").code == 0
    text = page.read_text(encoding="utf-8")
    assert '<td>"&lt;/td&gt;&lt;img src=x&gt;"</td><td>a</td><td>2</td>' in text
    assert '<span class="done">passed</span> on 20' in text
    assert "has changed since" not in text
    tests = project / "pipelines/core.test.yaml"
    tests.write_text(tests.read_text().replace("{v: 2, kind", "{v: 3, kind"))
    assert etlrun(project, "docs", "build").code == 0
    assert "on duckdb; what it tests, or the test, has changed since" in page.read_text(encoding="utf-8")
    assert etlrun(project, "test").code == 1
    assert etlrun(project, "docs", "build").code == 0
    assert '<span class="failed">failed</span>' in page.read_text(encoding="utf-8")
    assert (
        '&lt;b&gt;rows</a></td><td><span class="failed">failed</span>' in (folder / "pipelines/core.html").read_text()
    )


def test_tests_run_where_their_results_cannot_be_kept(folder: Path) -> None:
    project = folder.parent.parent
    (project / ".etlrun").mkdir()
    (project / ".etlrun/runs").write_text("")
    assert etlrun(project, "test").code == 0


def test_a_tagged_column_is_marked(folder: Path) -> None:
    assert "<td>string</td><td>(pii)</td>" in (folder / "pipelines/core.html").read_text()


def test_a_build_again_gives_the_same_bytes_and_never_replaces_what_was_edited(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*.html")}
    assert etlrun(folder.parent.parent, "docs", "build").code == 0
    assert {path: path.read_bytes() for path in folder.rglob("*.html")} == before
    (folder / "index.html").write_text("mine")
    outcome = etlrun(folder.parent.parent, "docs", "build")
    assert (outcome.code, "index.html" in outcome.err) == (2, True)
    assert etlrun(folder.parent.parent, "docs", "build", "--force").code == 0


def test_runs_are_shown_with_their_checks(folder: Path) -> None:
    project = folder.parent.parent
    (project / "rows.csv").write_text("k,code,v\nx,a,1\n")
    assert etlrun(project, "run", "core").code == 0
    assert etlrun(project, "docs", "build").code == 0
    core = (folder / "pipelines/core.html").read_text(encoding="utf-8")
    assert '<span class="done">done</span>' in core
    assert "no `k` is missing in 1 row" in core
    assert "done 20" in (folder / "index.html").read_text(encoding="utf-8")


def test_a_name_becomes_a_file_name_of_its_own() -> None:
    names = ["core", "Core", "a/../b", "ä b", "..", "", "x" * 200]
    found = [file_name(name) for name in names]
    assert found[0] == "core"
    assert len(set(found)) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_-]+", name) for name in found)
