"""What crosses from file to file: columns and types, names, tables and circles are checked over the whole project."""

from __future__ import annotations

from pathlib import Path

import pytest

from commanding import etlrun

CORE = """pipeline: core
sources:
  rows: {csv: {path: rows.csv, columns: {id: int not null, shop: string, amount: "decimal(10,2)"}}}
sinks:
  orders: {table: {from: rows, connection: warehouse, key: [id], write: replace}}
"""
READER = """pipeline: %s
sources:
  rows: {table: %s}
sinks:
  %s: {table: {from: rows, connection: warehouse, write: replace}}
"""


def check(folder: Path, **pipelines: str) -> str:
    """What `etlrun check` says of a project of these pipelines."""
    (folder / "etlrun.yaml").write_text("profiles: {dev: {connections: {warehouse: {duckdb: w.duckdb}}}}\n")
    (folder / "pipelines").mkdir()
    for name, text in pipelines.items():
        (folder / f"pipelines/{name}.yaml").write_text(text)
    outcome = etlrun(folder, "check")
    assert (outcome.code == 2) == bool(outcome.out)
    return outcome.out + outcome.err


def reader(name: str, source: str) -> str:
    return READER % (name, source, name)


def test_columns_need_not_be_declared_twice(tmp_path: Path) -> None:
    mart = reader("mart", "{pipeline: core, sink: orders}")
    assert check(tmp_path, core=CORE, mart=mart) == "2 pipelines: no mistakes\n"
    assert etlrun(tmp_path, "check", "pipelines/mart.yaml").code == 0


def test_wider_types_may_be_declared(tmp_path: Path) -> None:
    declared = '{connection: warehouse, table: ORDERS, columns: {id: bigint, amount: "decimal(12,2)"}}'
    assert check(tmp_path, core=CORE, mart=reader("mart", declared)) == "2 pipelines: no mistakes\n"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{connection: warehouse, table: orders, columns: {shopp: string}}", "`core` publishes no column `shopp` in `orders` (pipelines/core.yaml:5:3)"),
        ("{connection: warehouse, table: orders, columns: {amount: int}}", "`amount` is decimal(10,2) where `core` publishes it (pipelines/core.yaml:5:3), but int is declared"),
        ("{connection: warehouse, table: orders, columns: {id: smallint}}", "`id` is int where `core` publishes it"),
        ("{pipeline: core, columns: {shopp: string}}", "`core` publishes no column `shopp`"),
        ("{pipeline: coer, sink: orders}", "unknown-pipeline: there is no pipeline `coer` in pipelines/"),
        ("{pipeline: core, sink: order}", "unknown-sink: `core` has no sink `order` that publishes a table"),
        ("{pipeline: core, table: orders}", "`pipeline` and `table` cannot be used together"),
        ("{connection: warehouse, table: orders}", "missing-key: the key `columns` is missing"),
        ("{pipeline: mart, sink: mart}", "cycle: pipelines depend on each other: `mart` -> `mart`"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_both_places(tmp_path: Path, source: str, said: str) -> None:
    found = check(tmp_path, core=CORE, mart=reader("mart", source))
    assert said in found and found.startswith("pipelines/mart.yaml:3:") and found.endswith("2 pipelines: 1 mistake\n")


def test_a_column_that_is_no_longer_published_is_a_mistake_of_its_reader_alone_too(tmp_path: Path) -> None:
    source = "{connection: warehouse, table: ORDERS, columns: {shopp: string}}"
    check(tmp_path, core=CORE, mart=reader("mart", source), broken="pipeline: broken\norders: 1\n")
    said = "`core` publishes no column `shopp` in `orders` (pipelines/core.yaml:5:3)"
    for command in (("check", "mart"), ("run", "mart"), ("plan", "mart"), ("show", "mart", "rows")):
        outcome = etlrun(tmp_path, *command)
        assert outcome.code == 2 and said in outcome.out + outcome.err, command


def test_a_column_that_is_dropped_upstream_is_a_mistake_downstream(tmp_path: Path) -> None:
    mart = "pipeline: mart\nsources:\n  rows: {table: {pipeline: core}}\nsteps:\n  a: [from: rows, filter: colour = 'red']\n"
    assert "pipelines/mart.yaml:5:27: unknown-column: there is no column `colour` here" in check(
        tmp_path, core=CORE, mart=mart
    )


def test_a_mistake_upstream_is_said_once(tmp_path: Path) -> None:
    broken = CORE.replace("id: int not null", "id: integr")
    found = check(tmp_path, core=broken, mart=reader("mart", "{pipeline: core}"))
    assert found.endswith("2 pipelines: 1 mistake\n") and "integr" in found


def test_two_pipelines_have_two_names_and_two_tables(tmp_path: Path) -> None:
    found = check(
        tmp_path,
        core=CORE,
        again=CORE.replace("orders:", "others:"),
        more=CORE.replace("pipeline: core", "pipeline: more"),
    )
    assert "duplicate-name: the pipeline in pipelines/again.yaml has the same name, `core`" in found
    assert (
        "shared-sink: `orders` writes to `orders`, and so does the pipeline `core` (pipelines/core.yaml:5:3)" in found
    )


def test_a_circle_is_named_with_its_way(tmp_path: Path) -> None:
    source = "{connection: warehouse, table: %s, columns: {a: int}}"
    found = check(tmp_path, a=reader("a", source % "b"), b=reader("b", source % "c"), c=reader("c", source % "a"))
    assert "cycle: pipelines depend on each other: `a` -> `b` -> `c` -> `a` (each reads the next)" in found
    circle = {"a": reader("a", "{pipeline: b}"), "b": reader("b", "{pipeline: a}")}
    (tmp_path / "two").mkdir()
    assert "2 pipelines: 1 mistake" in check(tmp_path / "two", **circle)


def test_a_column_that_is_not_published_any_more_is_shown_with_both_places(tmp_path: Path) -> None:
    mart = """pipeline: mart
sources:
  orders: {table: {pipeline: core}}
steps:
  big:
    - from: orders
    - filter: total > 1
  shops:
    - from: big
    - select: [shop, day]
checks:
  shops:
    - unique: number
sinks:
  shops: {table: {from: shops, connection: warehouse, key: [place], write: replace}}
"""
    said = check(tmp_path, core=CORE, mart=mart)
    for place in ("7:15", "10:22", "13:15", "15:61"):
        (found,) = [part for part in said.split("\n\n") if f"pipelines/mart.yaml:{place}: unknown-column" in part]
        assert "the columns of `orders` are those that `core` publishes at pipelines/core.yaml:5:3" in found


def test_a_column_that_is_published_with_another_type_is_shown_with_both_places(tmp_path: Path) -> None:
    mart = """pipeline: mart
sources:
  orders: {table: {pipeline: core}}
steps:
  shops:
    - from: orders
    - aggregate: {by: [shop], columns: {total: sum(amount)}}
sinks:
  shops: {table: {from: shops, connection: warehouse, key: [shop], write: replace}}
"""
    said = check(tmp_path, core=CORE.replace('"decimal(10,2)"', "string"), mart=mart)
    assert "pipelines/mart.yaml:7:52: type-mismatch: `sum` needs a number here" in said
    assert "the columns of `orders` are those that `core` publishes at pipelines/core.yaml:5:3" in said


PIVOT = """pipeline: core
sources:
  rows: {csv: {path: rows.csv, columns: {id: int, cur: string, amount: int}}}
steps:
  wide:
    - from: rows
    - aggregate: {by: [id], pivot: {column: cur, labels: {from: rows.cur}, value: sum(amount), name: "in_{label}"}}
sinks:
  orders: {table: {from: wide, connection: warehouse, write: replace}}
"""


def test_a_pipeline_that_reads_the_columns_of_labels_must_declare_them(tmp_path: Path) -> None:
    mart = """pipeline: mart
sources:
  rows: {table: {pipeline: core, sink: orders}}
steps:
  twice: [{from: rows}, {derive: {twice: in_usd * 2}}]
sinks:
  mart: {table: {from: twice, connection: warehouse, write: replace}}
"""
    found = check(tmp_path, core=PIVOT, mart=mart)
    assert "unknown-column: there is no column `in_usd` here" in found
    assert "its labels are known only in a run; to use the column of one, declare in the source all `columns`" in found
    declared = mart.replace("sink: orders", "sink: orders, columns: {id: int, in_usd: bigint}")
    (tmp_path / "pipelines/mart.yaml").write_text(declared)
    assert etlrun(tmp_path, "check").err == "2 pipelines: no mistakes\n"
    assert etlrun(tmp_path, "check").code == 0


def test_a_dashboard_on_the_column_of_a_label_says_that_only_a_run_knows_it(tmp_path: Path) -> None:
    (tmp_path / "dashboards").mkdir()
    page = "measures:\n  n: {label: N, sum: in_usd}\npage:\n  - [{kpi: n}]\n"
    (tmp_path / "dashboards/d.yaml").write_text(f"dashboard: d\ntitle: D\npipeline: core\nsink: orders\n{page}")
    found = check(tmp_path, core=PIVOT)
    assert "unknown-column: there is no column `in_usd` here" in found
    assert (
        "the labels of a pivot are known only in a run; to use the column of one, list them: `labels: [...]`" in found
    )
