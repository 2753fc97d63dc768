"""The numbers of a page in a real browser are those of SQL on each server and of DAX, for every kind of measure and every selection tried."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import pymysql
import pytest
from browser import Browser
from built import Built
from dax import Model
from dax import folded as dax_folded
from numbers_of import FOLD, SQL, condition, selections
from tmdl import read_table

from etlrun.dashboards.ansi_sql import aggregate_sql
from etlrun.dashboards.check import check_dashboard

LABELS = {
    "rows": "Rows",
    "words": "Words",
    "both": "A and B",
    "a": "A (2)",
    "mean": "Mean",
    "each": "Each",
    "big": "Big",
    "big_of_all": "Big of all",
    "dated": "Dated",
    "top_app": "Top ]app",
    "top_word": "Top word",
}


@dataclass(frozen=True)
class Asked:
    """Selections, and the values of all measures in the page under each."""

    selections: Sequence[Mapping[str, int]]
    values: Sequence[Mapping[str, Any]]
    labels: Mapping[str, list[str]]

    def unequal(self, name: str, expected: Sequence[Any]) -> list[Any]:
        return [
            (selection, name, wanted, values[name])
            for selection, values, wanted in zip(self.selections, self.values, expected, strict=True)
            if not _same(wanted, values[name])
        ]


def _same(wanted: Any, got: Any) -> bool:
    if wanted is None or got is None or isinstance(got, str):
        return wanted == got
    return float(wanted) == pytest.approx(got, rel=1e-12, abs=1e-12)


@pytest.fixture(scope="module")
def asked(built: Built, browser: Browser) -> Asked:
    data = built.data()
    tried = selections(data["labels"], data["filters"])
    script = (
        f"{json.dumps(tried)}.map(chosen => {{ selected.clear(); Object.entries(chosen).forEach(([name, code]) => "
        "selected.set(name, code)); return Object.fromEntries("
        f"{json.dumps(list(LABELS))}.map(name => [name, value(name)])); }})"
    )
    return Asked(tried, browser.ask(built.page(), script), data["labels"])


def test_every_measure_is_what_sql_says_under_every_selection(built: Built, asked: Asked) -> None:
    assert len(asked.selections) > 130
    with duckdb.connect(str(built.project.folder / "warehouse.duckdb"), read_only=True) as connection:
        found = [
            connection.execute(
                f'SELECT {", ".join(SQL.values())} FROM "out" WHERE {condition(selection, asked.labels)}'
            ).fetchone()
            for selection in asked.selections
        ]
    for index, name in enumerate(SQL):
        assert asked.unequal(name, [row[index] for row in found if row]) == []


def test_a_label_is_that_of_the_largest_value(built: Built, asked: Asked) -> None:
    with duckdb.connect(str(built.project.folder / "warehouse.duckdb"), read_only=True) as connection:
        for selection, values in zip(asked.selections, asked.values, strict=True):
            counts = connection.execute(
                f'SELECT {FOLD.format("word")}, count(*) FROM "out" WHERE {condition(selection, asked.labels)} '
                "AND word IS NOT NULL GROUP BY ALL ORDER BY 2 DESC"
            ).fetchall()
            largest = {word for word, count in counts if count == counts[0][1]} or {None}
            assert dax_folded(values["top_word"]) in largest


def test_sql_on_mariadb_and_postgresql_says_the_same(
    built: Built, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(built.project.folder)
    dashboard = check_dashboard(built.project.folder / "dashboards" / "out.yaml")
    texts = frozenset(column.name for column in dashboard.columns if column.type.name == "string")
    names = [name for name in LABELS if not name.startswith("top")]
    aggregates = ", ".join(aggregate_sql(name, dashboard.formulas, texts) for name in names)
    queries = [
        f'SELECT {aggregates} FROM "out" WHERE {condition(selection, asked.labels)}' for selection in asked.selections
    ]
    line = pymysql.connect(host="127.0.0.1", port=built.server.port, user="root", database="numbers", charset="utf8mb4")
    with line, line.cursor() as cursor:
        cursor.execute("SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'")
        mariadb = [_row(cursor, query.replace("VARCHAR", "CHAR")) for query in queries]
    with built.postgres.connect("numbers") as connection, connection.cursor() as cursor:
        postgres = [_row(cursor, query) for query in queries]
    for index, name in enumerate(names):
        assert asked.unequal(name, [row[index] for row in mariadb]) == []
        assert asked.unequal(name, [row[index] for row in postgres]) == []


def _row(cursor: Any, query: str) -> Any:
    cursor.execute(query)
    return cursor.fetchone()


def test_dax_says_the_same(built: Built, asked: Asked) -> None:
    folder = built.project.folder / "build" / "dashboards" / "out_server-powerbi"
    table = read_table((folder / "out_server.SemanticModel/definition/tables/out.tmdl").read_text(encoding="utf-8"))
    model = Model(table.name, table.measures)
    with duckdb.connect(str(built.project.folder / "warehouse.duckdb"), read_only=True) as connection:
        found = connection.execute('SELECT * FROM "out" ORDER BY id')
        names = [item[0] for item in found.description or ()]
        rows = [
            {key: float(value) if isinstance(value, Decimal) else value for key, value in zip(names, row, strict=True)}
            for row in found.fetchall()
        ]
    for name, label in LABELS.items():
        expected = [model.value(label, _selected(rows, chosen, asked.labels)) for chosen in asked.selections]
        if name != "top_word":
            assert asked.unequal(name, expected) == []
            continue
        # of words that are as frequent, Power BI takes the first by its collation, and the page by code points
        for chosen, values, word in zip(asked.selections, asked.values, expected, strict=True):
            words = [dax_folded(row["word"]) for row in _selected(rows, chosen, asked.labels)]
            assert (word is None) == (values[name] is None)
            assert word is None or words.count(dax_folded(word)) == words.count(dax_folded(values[name]))


def _selected(
    rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, int], labels: Mapping[str, list[str]]
) -> list[Mapping[str, Any]]:
    wanted = {name: dax_folded(labels[name][code - 1]) if code else None for name, code in chosen.items()}
    return [row for row in rows if all(_text(row[name]) == value for name, value in wanted.items())]


def _text(value: Any) -> Any:
    return None if value is None else dax_folded(str(value))


def test_a_page_is_the_same_from_every_place_that_holds_the_rows(built: Built) -> None:
    expected = {**built.data(), "foot": ""}
    assert expected["total"] == 400
    for sink in ("out_server", "out_postgres", "out_file"):
        assert {**built.data(sink), "foot": ""} == expected
    assert built.data("out_file")["foot"].startswith("400 rows of files/out.parquet; run 2")


def test_a_bar_of_the_key_has_the_largest_of_each_selection(built: Built, asked: Asked, browser: Browser) -> None:
    tried = asked.selections[:40]
    script = (
        f"{json.dumps(tried)}.map(chosen => {{ const card = D.page[1][2], filters = D.filters; "
        "return card.keys.filter(row => Object.entries(chosen).every(([name, code]) => row[filters.indexOf(name)] === code))"
        ".slice(0, card.top).map(row => row.slice(-2)); })"
    )
    with duckdb.connect(str(built.project.folder / "warehouse.duckdb"), read_only=True) as connection:
        for selection, found in zip(tried, browser.ask(built.page(), script), strict=True):
            expected = connection.execute(
                f'SELECT id, a FROM "out" WHERE {condition(selection, asked.labels)} AND a IS NOT NULL ORDER BY a DESC, id LIMIT 5'
            ).fetchall()
            assert [tuple(row) for row in found] == expected


def test_hostile_text_is_text(built: Built, browser: Browser) -> None:
    found = browser.ask(
        built.page(),
        "[document.title, document.images.length, document.querySelectorAll('script').length, "
        "[...document.querySelectorAll('.rows tbody td:first-child')].length]",
    )
    assert found == ["Numbers </script><b>", 0, 3, 50]


def test_the_page_can_send_nothing_anywhere(built: Built) -> None:
    text = built.page().read_text(encoding="utf-8")
    assert "default-src &#x27;none&#x27;" in text and "connect-src" not in text
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "") and "https://" not in text
    assert " style=" not in text
