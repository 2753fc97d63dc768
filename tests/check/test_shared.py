"""Sources and chains that several pipelines share mean what they would mean if they were written out."""

from __future__ import annotations

from pathlib import Path

from etlrun.compiler.check import Checked
from etlrun.compiler.plan import make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.statement import relation_statement
from etlrun.runtime.basis import _meaning
from etlrun.runtime.run import spec_hash

SOURCES = """
orders: {csv: {path: data/orders.csv, key: [id], columns: {id: int, day: date, price: "decimal(10,2)"}}}
"""
CHAINS = """
recent:
  params: {since: date, least: {type: number, default: 2.5}, kept: {type: string, default: id}}
  steps:
    - filter: day >= $since and price >= $least
    - drop: price
"""
SHARED = """pipeline: p
params: {start: {type: date, default: 2024-01-01}}
sources:
  orders: {use: shop.orders}
  archived: {use: shop.orders, path: data/archived.csv}
steps:
  one:
    - include: {chain: both.whole}
    - include: {chain: shop.recent, with: {since: $start}}
    - derive: {month: "trunc(day, 'month')"}
  two:
    - from: archived
    - include: {chain: shop.recent, with: {since: 2023-05-06, least: 0.5}}
"""
WRITTEN_OUT = """pipeline: p
params: {start: {type: date, default: 2024-01-01}}
sources:
  orders: {csv: {path: data/orders.csv, key: [id], columns: {id: int, day: date, price: "decimal(10,2)"}}}
  archived: {csv: {path: data/archived.csv, key: [id], columns: {id: int, day: date, price: "decimal(10,2)"}}}
steps:
  one:
    - from: orders
    - dedupe: {}
    - filter: day >= $start and price >= 2.5
    - drop: price
    - derive: {month: "trunc(day, 'month')"}
  two:
    - from: archived
    - filter: day >= date '2023-05-06' and price >= 0.5
    - drop: price
"""


def written(folder: Path, text: str, *, sources: str = SOURCES, chains: str = CHAINS) -> Checked:
    files = {
        "etlrun.yaml": "profiles: {local: {engine: {duckdb: {}}}}",
        "sources/shop.yaml": sources,
        "chains/shop.yaml": chains,
        "chains/both.yaml": "whole: {steps: [{from: orders}, {dedupe: {}}]}",
        "pipelines/p.yaml": text,
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text(content)
    return check_file(folder / "pipelines" / "p.yaml")


def test_a_pipeline_with_shared_parts_gives_the_statements_of_one_that_is_written_out(tmp_path: Path) -> None:
    shared, plain = written(tmp_path / "a", SHARED), written(tmp_path / "b", WRITTEN_OUT)
    assert shared.columns == plain.columns
    assert [use.value for use in shared.pipeline.sources.values()] == [
        use.value for use in plain.pipeline.sources.values()
    ]
    given = {"orders", "archived"}
    for name in ("one", "two"):
        statements = {relation_statement(make_plan(checked), name, "duckdb", given).text for checked in (shared, plain)}
        assert len(statements) == 1


def test_a_change_of_a_shared_file_changes_what_a_run_rests_on(tmp_path: Path) -> None:
    before = written(tmp_path, SHARED)
    marks = {(spec_hash(before), _meaning(before))}
    for changes in (
        {"sources": SOURCES.replace("id: int", "id: bigint")},
        {"chains": CHAINS.replace("default: 2.5", "default: 3.5")},
    ):
        changed = written(tmp_path, SHARED, **changes)
        marks.add((spec_hash(changed), _meaning(changed)))
    assert len(marks) == len({mark for mark, _ in marks}) == len({mark for _, mark in marks}) == 3
