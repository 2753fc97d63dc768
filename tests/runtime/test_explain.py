"""`etlrun explain`: the rows that belong to a key, step by step, back to the sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from commanding import etlrun
from projects import Project

PIPELINE = """sources:
  sales: {csv: {path: "sales/{date:yyyyMMdd}.csv", dates: {months: ['2022-04-01..2022-04-02']}, columns: {shop: string, item: string, units: int}}}
  places: {csv: {path: places.csv, columns: {city: string, region: string}}}
steps:
  homes:
    - from: places
    - dedupe: {by: [city], order: [region]}
  sold:
    - from: sales
    - filter: units > 0
    - rename: {shop: market}
  totals:
    - from: sold
    - aggregate: {by: [market], columns: {units: sum(units), best: max(units)}}
    - join: {with: homes, on: {market: city}, how: left, expect: one}
    - derive: {twice: units * 2}
    - window: {order: [units desc, market], columns: {place: row_number()}}
sinks:
  totals: {table: {from: totals, connection: warehouse, key: [market], write: replace}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = Project(tmp_path)
    project.pipeline(PIPELINE, "p")
    project.write("sales/20220401.csv", "shop,item,units\nHue,tea,3\nHue,tea,0\nRome,tea,9\n")
    project.write("sales/20220402.csv", "shop,item,units\nHue,cola,4\n")
    project.write("places.csv", "city,region\nHue,middle\nRome,south\n")
    return tmp_path


def explained(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    outcome = etlrun(folder, "explain", "p", *arguments, "--json")
    found = json.loads(outcome.out)["trail"] if outcome.out else []
    return outcome.code, {one["name"]: one for one in found}


def test_the_rows_of_a_key_are_counted_after_each_step_back_to_the_source(folder: Path) -> None:
    code, found = explained(folder, "--key", "market=Hue", "-n", "5")
    assert code == 0
    assert {name: one["rows"] for name, one in found.items()} == {"totals": 1, "sold": 2, "sales": 3}
    assert found["totals"]["ends"] == ["homes"]
    assert [(step["step"], step["kind"], step["rows"]) for step in found["sold"]["steps"]] == [
        (2, "filter", 2),
        (3, "rename", 2),
    ]
    assert found["sales"]["days"] == [["2022-04-01", 2], ["2022-04-02", 1]]
    assert [row["item"] for row in found["sales"]["sample"]] == ["cola", "tea", "tea"]


def test_the_column_of_a_known_key_may_be_left_out(folder: Path) -> None:
    assert explained(folder, "--key", "Hue") == explained(folder, "--key", "market=Hue")


def test_a_window_sees_all_rows_and_not_those_of_the_key_only(folder: Path) -> None:
    _, found = explained(folder, "--key", "market=Hue")
    assert found["totals"]["sample"][0]["place"] == 2


def test_the_trail_ends_where_the_key_is_made(folder: Path) -> None:
    code, found = explained(folder, "--key", "twice=14")
    assert (code, found["totals"]["rows"], list(found)) == (0, 1, ["totals"])
    assert set(found["totals"]["ends"]) == {"sold", "homes"}


def test_the_text_says_the_same(folder: Path) -> None:
    lines = etlrun(folder, "explain", "p", "sold", "--key", "market=Hue").out.splitlines()
    assert lines[0] == "sold: 2 rows where market = Hue"
    assert lines[2:] == [
        "  step 2 filter (line 11): 2 rows",
        "  step 3 rename (line 12): 2 rows",
        "sales: 3 rows on 2 days: 2022-04-01 (2), 2022-04-02 (1)",
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--key", "market=Nowhere"), 1, ""),
        (("--key", "markt=Hue"), 2, "did you mean `market`"),
        (("--key", "Nowhere"), 1, ""),
        (("sales", "--key", "Hue"), 2, "`Hue` has no column: --key shop=VALUE"),
        (("totls", "--key", "market=Hue"), 2, "did you mean `totals`"),
        (("--key", "units=many"), 2, "`many` is not a bigint"),
    ],
)
def test_what_cannot_be_explained_is_said(arguments: tuple[str, ...], code: int, said: str, folder: Path) -> None:
    outcome = etlrun(folder, "explain", "p", *arguments)
    assert (outcome.code, said in outcome.err) == (code, True)
    assert "Traceback" not in outcome.err
