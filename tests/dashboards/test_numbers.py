"""The numbers of a page in a real browser are those of SQL, for every kind of measure and every selection that was tried."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import ask_page

from projects import Project

HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "=cmd|' /C calc'!A0",
    "quote \" and ' and \\",
    "line\nbreak",
    "\u202eright to left",
    "",
    "Naruto",
    "NARUTO ",
    "naruto",
    "café",
    "cafe\u0301",
]
PIPELINE = """
sources:
  rows:
    parquet:
      path: data/rows.parquet
      columns: {id: string, size: string, kind: string, word: string, a: bigint, b: "decimal(12,2)", day: date}
steps:
  out: [{from: rows}]
sinks:
  out: {table: {from: out, connection: warehouse, key: [id], write: replace}}
"""
DASHBOARD = """
dashboard: numbers
title: "Numbers </script><b>"
pipeline: p
sink: out
measures:
  rows: {label: Rows, count: rows}
  words: {label: Words, distinct: word}
  both: {label: A and B, sum: [a, b], divide_by: 3600, format: decimal 2}
  a: {label: A, sum: a}
  mean: {label: Mean, average: b}
  each: {label: Each, ratio: [both, rows], divide_by: days(2022-02)}
  big: {label: Big, share: {where: "size = 'Big'", of: known}}
  big_of_all: {label: Big of all, share: {where: "size = 'Big' or a is null", of: all}}
  top_word: {label: Top word, argmax: {over: word, by: rows}}
filters: [size, kind, day]
page:
  - [{kpi: rows}, {kpi: words}, {kpi: both}, {kpi: mean}, {kpi: each}, {kpi: big}, {kpi: big_of_all}, {kpi: top_word}]
  - [{bar: {of: size, value: both}}, {donut: {of: kind, value: rows}}, {bar: {of: id, value: a, top: 5}}]
  - [{flow: {from: kind, to: word, value: rows}}, {bar: {of: word, value: rows, top: 3}}]
  - [{quality: last run}]
  - [{table: {columns: [id, size, {a: {divide_by: 2}}, b, day], order: a desc, rows: 50, search: [word], totals: true}}]
"""
FOLD = "lower(rtrim({}))"
SQL = {
    "rows": "count(*)",
    "words": f"count(distinct {FOLD.format('word')})",
    "both": "CASE WHEN count(a) + count(b) > 0 THEN (coalesce(sum(a), 0) + coalesce(sum(b), 0))::double / 3600 END",
    "a": "sum(a)::double",
    "mean": "avg(b::double)",
    "each": "CASE WHEN count(a) + count(b) > 0 THEN (coalesce(sum(a), 0) + coalesce(sum(b), 0))::double / 3600 / nullif(count(*), 0) / 28 END",
    "big": "count(*) FILTER (lower(rtrim(size)) = 'big') / nullif(count(*) FILTER (size IS NOT NULL), 0.0)",
    "big_of_all": "count(*) FILTER (lower(rtrim(size)) = 'big' OR a IS NULL) / nullif(count(*), 0.0)",
}


def rows(count: int) -> pa.Table:
    chance = random.Random(7)

    def pick(values: list[Any], nulls: float) -> Any:
        return None if chance.random() < nulls else chance.choice(values)

    days = [f"2022-02-0{day}" for day in (1, 2, 3)]
    table = [
        {
            "id": f"{number:04} {chance.choice(HOSTILE)}",
            "size": pick(["Big", "BIG ", "Small", "big one", ""], 0.1),
            "kind": pick(["K Drama", "TV", "tv ", "Other"], 0.2),
            "word": pick(HOSTILE, 0.2),
            "a": pick([0, 1, -5, 2**31, 7200], 0.3),
            "b": pick(["0.10", "0.20", "99999.99", "-3.05"], 0.3),
            "day": pick(days, 0.1),
        }
        for number in range(count)
    ]
    text = {name: [row[name] for row in table] for name in table[0]}
    found = pa.table({name: pa.array(values) for name, values in text.items()})
    for name, kind in (("b", pa.decimal128(12, 2)), ("day", pa.date32()), ("a", pa.int64())):
        found = found.set_column(found.schema.get_field_index(name), name, found[name].cast(kind))
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Path]:
    project = Project(tmp_path_factory.mktemp("numbers"))
    (project.folder / "data").mkdir()
    pq.write_table(rows(400), project.folder / "data" / "rows.parquet")
    project.write("dashboards/numbers.yaml", DASHBOARD)
    assert project.run(project.pipeline(PIPELINE)).code == 0
    result = project.run("dashboard", "build")
    assert (result.code, result.out) == (0, "build/dashboards/numbers.html\n"), result.err
    return project, project.folder / "build" / "dashboards" / "numbers.html"


def selections(labels: Mapping[str, list[str]], filters: list[str]) -> list[dict[str, int]]:
    """No selection, every single one, and 60 each of two and of three values at random; 0 is a missing value."""
    choices = {name: range(len(labels[name]) + 1) for name in filters}
    singles = [{name: code} for name in filters for code in choices[name]]
    chance = random.Random(11)
    pairs = [
        {first: chance.choice(choices[first]), second: chance.choice(choices[second])}
        for first, second in itertools.islice(itertools.cycle(itertools.combinations(filters, 2)), 60)
    ]
    full = [{name: chance.choice(choices[name]) for name in filters} for _ in range(60)]
    return [{}, *singles, *pairs, *full]


def condition(selection: Mapping[str, int], labels: Mapping[str, list[str]], connection: Any) -> str:
    parts = ["true"]
    for name, code in selection.items():
        value = f"CAST({name} AS VARCHAR)"
        if code == 0:
            parts.append(f"{name} IS NULL")
        else:
            label = labels[name][code - 1].replace("'", "''")
            parts.append(f"{FOLD.format(value)} = {FOLD.format(chr(39) + label + chr(39))}")
    return " AND ".join(parts)


def test_every_measure_is_what_sql_says_under_every_selection(built: tuple[Project, Path], tmp_path: Path) -> None:
    project, page = built
    labels, filters = ask_page(page, "[dashboard.data.labels, dashboard.data.filters]", tmp_path)
    tried = selections(labels, filters)
    assert len(tried) > 130
    names = [*SQL, "top_word"]
    script = (
        f"{json.dumps(tried)}.map(chosen => {{ dashboard.selected.clear(); Object.entries(chosen).forEach(([name, code]) => "
        f"dashboard.selected.set(name, code)); return {json.dumps(names)}.map(dashboard.value); }})"
    )
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as connection:
        unequal = []
        for selection, found in zip(tried, ask_page(page, script, tmp_path), strict=True):
            where = condition(selection, labels, connection)
            (expected,) = connection.execute(f'SELECT {", ".join(SQL.values())} FROM "out" WHERE {where}').fetchall()
            best = connection.execute(
                f'SELECT {FOLD.format("word")} FROM "out" WHERE {where} AND word IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1'
            ).fetchall()
            for name, wanted, got in zip(SQL, expected, found, strict=False):
                if wanted is None or got is None:
                    same = wanted is got
                else:
                    same = float(wanted) == pytest.approx(got, rel=1e-12, abs=1e-12)
                unequal += [] if same else [(selection, name, wanted, got)]
            got_word = found[-1]
            most = connection.execute(
                f'SELECT count(*) FROM "out" WHERE {where} AND word IS NOT NULL GROUP BY {FOLD.format("word")} ORDER BY 1 DESC'
            ).fetchall()
            tied = {word for (word,) in best[: sum(count == most[0] for count in most)]} if best else {None}
            got_folded = got_word.lower().rstrip(" ") if got_word is not None else None
            same_word = got_folded in tied or (got_word == "(blank)" and "" in tied)
            unequal += [] if same_word else [(selection, "top_word", tied, got_word)]
    assert unequal == []


def test_a_bar_of_the_key_has_the_largest_of_each_selection(built: tuple[Project, Path], tmp_path: Path) -> None:
    project, page = built
    labels, filters = ask_page(page, "[dashboard.data.labels, dashboard.data.filters]", tmp_path)
    tried = selections(labels, filters)[:40]
    script = (
        f"{json.dumps(tried)}.map(chosen => {{ const card = dashboard.data.page[1][2], filters = dashboard.data.filters; "
        "return card.keys.filter(row => Object.entries(chosen).every(([name, code]) => row[filters.indexOf(name)] === code))"
        ".slice(0, card.top).map(row => row.slice(-2)); })"
    )
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as connection:
        for selection, found in zip(tried, ask_page(page, script, tmp_path), strict=True):
            where = condition(selection, labels, connection)
            expected = connection.execute(
                f'SELECT id, a FROM "out" WHERE {where} AND a IS NOT NULL ORDER BY a DESC, id LIMIT 5'
            ).fetchall()
            assert [tuple(row) for row in found] == expected


def test_hostile_text_is_text(built: tuple[Project, Path], tmp_path: Path) -> None:
    _, page = built
    found = ask_page(
        page,
        "[document.title, document.images.length, document.querySelectorAll('script').length, "
        "[...document.querySelectorAll('.rows tbody td:first-child')].length]",
        tmp_path,
    )
    assert found == ["Numbers </script><b>", 0, 3, 50]


def test_the_page_can_send_nothing_anywhere(built: tuple[Project, Path]) -> None:
    text = built[1].read_text(encoding="utf-8")
    assert "default-src &#x27;none&#x27;" in text and "connect-src" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert " style=" not in text
