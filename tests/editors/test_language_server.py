"""Editors know the files of a project: the real yaml-language-server shows, completes and underlines by our schemas."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from language_server import PROGRAM, LanguageServer

ROOT = Path(__file__).parents[2]
FOLDERS = ("pipelines", "dashboards", "mappings")
PIPELINE = """# yaml-language-server: $schema=../engine/etlrun/pipeline.schema.json
pipeline: sales
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string, units: }}}
steps:
  totals:
    - from: sales
    - aggregate: {by: shop, columns: {units: sum(units)}}
    - {next}
""".replace("{next}", "")


@pytest.fixture(scope="module")
def server() -> Iterator[LanguageServer]:
    process = subprocess.Popen(["node", PROGRAM, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    server = LanguageServer(process)
    server.start(ROOT)
    yield server
    process.kill()
    process.communicate()


def test_every_file_of_the_project_is_valid(server: LanguageServer) -> None:
    files = [ROOT / "etlrun.yaml", *(path for name in FOLDERS for path in sorted((ROOT / name).glob("*.yaml")))]
    assert all("$schema=" in path.read_text() for path in files)
    assert {path.name: server.mistakes_in(path, path.read_text()) for path in files} == {
        path.name: [] for path in files
    }


def test_a_kind_and_a_key_show_what_they_are_with_an_example_and_where_to_read_more(server: LanguageServer) -> None:
    file = ROOT / "pipelines/shown.yaml"
    server.mistakes_in(file, PIPELINE)
    for word, said in (("aggregate", "One row for each group"), ("by: shop", "the columns to group by")):
        shown = server.hover(file, PIPELINE, word)
        assert said in shown and "- contract" in shown and "docs/steps.md#aggregate" in shown


def test_kinds_keys_and_types_are_completed(server: LanguageServer) -> None:
    file = ROOT / "pipelines/completed.yaml"
    server.mistakes_in(file, PIPELINE)
    assert {"filter", "enrich", "include"} <= set(server.completions(file, PIPELINE, "sum(units)}}\n    - "))
    assert {"by", "pivot"} & set(server.completions(file, PIPELINE, "aggregate: {by: shop, ")) == {"pivot"}
    assert {"bigint", "decimal(18,2)", "string not null"} <= set(server.completions(file, PIPELINE, "units: "))


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("by: shop", "bye: shop", "Property bye is not allowed."),
        ("shop: string", "shop: strng", "Value is not accepted"),
        ("shop: string", "shop: 'DECIMAL ( 10 , 2 ) Not Null'", ""),
        ("shop: string", "shop: 'array<struct<a: int, b: date>> not null'", ""),
        ("shop: string", "shop: {type: timestamp utc, tags: pii}", ""),
        ("shop: string", "shop: $type", ""),
    ],
)
def test_a_misspelled_word_is_underlined(server: LanguageServer, written: str, instead: str, said: str) -> None:
    text = PIPELINE.removesuffix("    - \n").replace("units: }", "units: int}").replace(written, instead)
    found = server.mistakes_in(ROOT / f"pipelines/{hash(instead)}.yaml", text)
    assert len(found) == bool(said) and all(said in one for one in found), found
