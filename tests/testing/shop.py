"""A project with a pipeline of every type, one that asks a model and one that calls Python, for tests of its tests."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from commanding import Outcome, etlrun

PROJECT = """vars: {city: Hue}
profiles:
  local:
    engine: {duckdb: {threads: 2}}
    connections: {warehouse: {duckdb: warehouse.duckdb}}
    models: {titles: {catalogue: {titles: titles.csv}}}
"""

SHOP = """pipeline: shop
params:
  least: {type: int, default: 1}
  month: {type: month, default: 2022-04}
sources:
  sales:
    parquet:
      path: $data/sales/{date:yyyyMMdd}
      dates: $month
      columns:
        shop: string
        units: int not null
        price: decimal(10,2)
        weight: double
        small: float
        open: boolean
        at: timestamp
        tags: array<string>
        place: "struct<city: string, no: int>"
        raw: binary
  shops: {parquet: {path: $data/shops, columns: {shop: string, owner: string}}}
steps:
  sold:
    - from: sales
    - filter: units >= $least
  totals:
    - from: sold
    - aggregate: {by: [shop], columns: {units: sum(units), weight: sum(weight), price: sum(price)}}
    - bucket: {column: units, as: size, cases: {large: "> 5"}, else: small}
  owned:
    - from: totals
    - join: {with: shops, on: [shop], how: left}
  shares:
    - from: sold
    - derive: {share: 100 / (units - 7)}
checks:
  totals:
    - unique: [shop]
    - range: {units: {max: 100}}
    - conserved: {left: sum(sold.units), right: sum(units)}
"""

ASKING = """pipeline: asking
sources:
  searches: {parquet: {path: $data/searches, columns: {user: string, keyword: string}}}
steps:
  shown:
    - from: searches
    - enrich: {key: keyword, prompt: show_kind, model: titles, status: how, source: who}
"""

PROMPT = """---
task: Say whether a keyword names a film or a series.
output:
  kind:
    labels: {Film: a film, Series: a series of episodes}
  sure: {boolean: true}
---
"""

CALLING = """pipeline: calling
sources:
  numbers: {parquet: {path: $data/numbers, columns: {n: bigint}}}
steps:
  doubled:
    - from: numbers
    - python: {function: "calls_of_tests:double", columns: {n: bigint}}
    - filter: n > 2
"""

FUNCTION = """import pyarrow.compute as pc


def double(rows):
    return rows.set_column(0, "n", pc.multiply(rows["n"], 2))
"""


def write_project(folder: Path) -> Path:
    """The project in `folder`; titles and overrides in it contradict every test that lists answers."""
    files = {
        "etlrun.yaml": PROJECT,
        "pipelines/shop.yaml": SHOP,
        "pipelines/asking.yaml": ASKING,
        "pipelines/calling.yaml": CALLING,
        "prompts/show_kind.md": PROMPT,
        "calls_of_tests.py": FUNCTION,
        "titles.csv": "key,kind,sure\nrunning man,Film,false\n",
        "overrides/show_kind.csv": "key,kind,sure\nrunning man,Film,false\nblue,Film,false\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def write_test(folder: Path, body: str, pipeline: str = "shop") -> Path:
    """Write the only test `it` of a pipeline, its keys being `body`, and give the file."""
    path = folder / "pipelines" / f"{pipeline}.test.yaml"
    path.write_text(
        f"pipeline: {pipeline}\ntests:\n  - name: it\n{indent(dedent(body).strip(chr(10)), '    ')}\n", encoding="utf-8"
    )
    return path


def run_one(folder: Path, body: str, pipeline: str = "shop", *options: str) -> Outcome:
    """What `etlrun test` says of the only test of a pipeline."""
    return etlrun(folder, "test", str(write_test(folder, body, pipeline).relative_to(folder)), *options)
