"""A table with everything that is hard about numbers and labels, a dashboard over it, and selections of its marks."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

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
APPS = ["Films", "Sport", '</script> "it\'s"']
PROJECT = """profile: fast
profiles:
  fast:
    engine: {duckdb: {threads: 2}}
    connections:
      warehouse: {duckdb: warehouse.duckdb}
      server: {mysql: {url: "${SERVER_URL}"}}
      postgres: {postgres: {url: "${POSTGRES_URL}"}}
"""
PIPELINE = """
sources:
  rows:
    parquet:
      path: data/rows.parquet
      columns: {id: string, size: string, kind: string, word: string, a: bigint, b: "decimal(12,2)", day: date, app: string, c: bigint}
steps:
  out:
    - from: rows
    - aggregate:
        by: [id, size, kind, word, a, b, day]
        pivot: {column: app, labels: apps, value: sum(c), name: "In_{label}", fill: 0, as: apps}
sinks:
  out: {table: {from: out, connection: warehouse, key: [id], write: replace}}
  out_server: {table: {from: out, connection: server, table: out, key: [id], write: replace}}
  out_postgres: {table: {from: out, connection: postgres, table: out, key: [id], write: replace}}
  out_file: {files: {from: out, path: files/out.parquet}}
"""
DASHBOARD = """
dashboard: NAME
title: "Numbers </script><b>"
pipeline: p
sink: SINK
measures:
  rows: {label: Rows, count: rows}
  words: {label: Words, distinct: word}
  both: {label: A and B, sum: [a, b], divide_by: 3600, format: decimal 2}
  a: {label: A, sum: a}
  mean: {label: Mean, average: b}
  each: {label: Each, ratio: [both, rows], divide_by: days(2022-02)}
  big: {label: Big, share: {where: "size = 'Big'", of: known}}
  big_of_all: {label: Big of all, share: {where: "size = 'Big' or a is null", of: all}}
  dated: {label: Dated, share: {where: "not (day > '2022-02-01') or b in (0.10, null)", of: known}}
  top_app: {label: "Top ]app", argmax: {over: apps}}
  top_word: {label: Top word, argmax: {over: word, by: rows}}
filters: [size, kind, day]
page:
  - [{kpi: rows}, {kpi: words}, {kpi: both}, {kpi: mean}, {kpi: each}, {kpi: big}, {kpi: big_of_all}, {kpi: dated}, {kpi: top_app}, {kpi: top_word}]
  - [{bar: {of: size, value: both}}, {donut: {of: kind, value: rows}}, {bar: {of: id, value: a, top: 5}}]
  - [{flow: {from: kind, to: word, value: rows}}, {bar: {of: word, value: rows, top: 3}}]
  - [{quality: last run}]
  - [{table: {columns: [id, size, {a: {divide_by: 2}}, {apps: {format: decimal 1}}, b, day], order: a desc, rows: 50, search: [word], totals: true}}]
"""
FOLD = "lower(rtrim({}))"
DATED = "NOT (day > DATE '2022-02-01') OR b IN (0.10, NULL)"
SQL = {
    "rows": "count(*)",
    "words": f"count(distinct {FOLD.format('word')})",
    "both": "CASE WHEN count(a) + count(b) > 0 THEN (coalesce(sum(a), 0) + coalesce(sum(b), 0))::double / 3600 END",
    "a": "sum(a)::double",
    "mean": "avg(b::double)",
    "each": "CASE WHEN count(a) + count(b) > 0 THEN (coalesce(sum(a), 0) + coalesce(sum(b), 0))::double / 3600 / nullif(count(*), 0) / 28 END",
    "dated": f"count(*) FILTER ({DATED}) / nullif(count(*) FILTER (({DATED}) IS NOT NULL), 0.0)",
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
            "id": f"{chance.choice(HOSTILE)} {number:04}",
            "size": pick(["Big", "BIG ", "Small", "big one", ""], 0.1),
            "kind": pick(["K Drama", "TV", "tv ", "Other"], 0.2),
            "word": pick(HOSTILE, 0.2),
            "a": pick([0, 1, -5, 2**31, 7200], 0.3),
            "b": pick(["0.10", "0.20", "99999.99", "-3.05"], 0.3),
            "day": pick(days, 0.1),
            "app": chance.choice(APPS),
            "c": pick([-5, 0, 5, 5, 100], 0.2),
        }
        for number in range(count)
    ]
    text = {name: [row[name] for row in table] for name in table[0]}
    found = pa.table({name: pa.array(values) for name, values in text.items()})
    for name, kind in (("b", pa.decimal128(12, 2)), ("day", pa.date32()), ("a", pa.int64()), ("c", pa.int64())):
        found = found.set_column(found.schema.get_field_index(name), name, found[name].cast(kind))
    return found


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


def condition(selection: Mapping[str, int], labels: Mapping[str, list[str]]) -> str:
    parts = ["true"]
    for name, code in selection.items():
        value = f"CAST({name} AS VARCHAR)"
        if code == 0:
            parts.append(f"{name} IS NULL")
        else:
            label = labels[name][code - 1].replace("'", "''")
            parts.append(f"{FOLD.format(value)} = {FOLD.format(chr(39) + label + chr(39))}")
    return " AND ".join(parts)
