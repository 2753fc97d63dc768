"""What every check promises: its example holds on both engines, and no order of rows, tie, null or empty input changes its verdict.

It runs for every check that the product finds. A check whose verdict depends on the order of its rows fails here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples_of import doubled, nothing, parameters, reordered, tied, with_nulls, with_rows

from etlrun.compiler.plan import make_plan
from etlrun.contracts.check import Verdict
from etlrun.spec.fields import described_fields
from etlrun.spec.registry import kinds
from etlrun.spec.yaml_reader import read_document
from running import both, check, run_on_duckdb
from tables import Example

each_example = pytest.mark.parametrize(("name", "example"), parameters("checks"))


def verdict_of(bench: Any) -> Verdict:
    (relation,) = bench.plan.checked.pipeline.checks
    found: Verdict = bench.verdict(relation)
    return found


def failing_of(bench: Any) -> list[dict[str, Any]] | None:
    (relation,) = bench.plan.checked.pipeline.checks
    found: list[dict[str, Any]] | None = bench.failing(relation)
    return found


def with_where(folder: Path, yaml: str, kind: str, condition: str) -> str:
    """The pipeline with `where` in its only check, whose long form is written where it has the short one."""
    path = folder / "example.yaml"
    path.write_text(yaml)
    spec = read_document(path, path.name).value
    ((relation, ((body,),)),) = ((name, (items,)) for name, items in spec["checks"].items())
    short, value = kinds("checks")[kind].short, body[kind]
    is_long = isinstance(value, dict) and (not short or short in value)
    body[kind] = {**(value if is_long else {short: value}), "where": condition}
    return "".join(f"{family}: {json.dumps(value)}\n" for family, value in spec.items())


def on_duckdb(example: Example, folder: Path, connection: Any) -> Verdict:
    return verdict_of(run_on_duckdb(connection.cursor(), make_plan(check(folder, example)), example.tables))


@each_example
def test_the_example_holds_on_both_engines(name: str, example: Example, spark: Any, duck: Any, tmp_path: Path) -> None:
    for bench in both(spark, duck, tmp_path, example):
        verdict = verdict_of(bench)
        assert f"{'holds' if verdict.holds else 'fails'}: {verdict.detail}" == example.outcome.verdict


@each_example
@pytest.mark.parametrize("change", [lambda rows: rows, doubled, with_nulls], ids=["as given", "doubled", "with nulls"])
def test_the_order_of_rows_changes_no_verdict(
    name: str, example: Example, change: Any, duck: Any, tmp_path: Path
) -> None:
    changed = with_rows(example, change)
    assert on_duckdb(with_rows(changed, reordered), tmp_path, duck) == on_duckdb(changed, tmp_path, duck)


@each_example
def test_rows_equal_but_for_one_column_change_no_verdict_in_any_order(
    name: str, example: Example, duck: Any, tmp_path: Path
) -> None:
    changed = replace(example, tables=dict(tied(example)))
    assert on_duckdb(with_rows(changed, reordered), tmp_path, duck) == on_duckdb(changed, tmp_path, duck)


@each_example
@pytest.mark.parametrize("change", [nothing, with_nulls])
def test_no_rows_and_nulls_give_the_same_verdict_on_both_engines(
    name: str, example: Example, change: Any, spark: Any, duck: Any, tmp_path: Path
) -> None:
    here, there = (verdict_of(bench) for bench in both(spark, duck, tmp_path, with_rows(example, change)))
    assert here == there


@each_example
def test_the_example_uses_the_check(name: str, example: Example, tmp_path: Path) -> None:
    pipeline = check(tmp_path, example).pipeline
    assert name in {use.kind for group in pipeline.checks.values() for use in group}


def test_every_check_says_how_severe_it_is_and_which_rows_it_looks_at() -> None:
    for name, cls in kinds("checks").items():
        assert {"severity", "where"} <= {item.name for item in described_fields(cls)}, name


@each_example
def test_rows_are_at_fault_where_the_check_fails_and_only_there(
    name: str, example: Example, duck: Any, tmp_path: Path
) -> None:
    bench = run_on_duckdb(duck.cursor(), make_plan(check(tmp_path, example)), example.tables)
    verdict = verdict_of(bench)
    rows = failing_of(bench)
    assert rows is None or bool(rows) != verdict.holds


@each_example
def test_rows_that_where_leaves_out_are_at_fault_for_nothing(
    name: str, example: Example, duck: Any, tmp_path: Path
) -> None:
    without = replace(example, yaml=with_where(tmp_path, example.yaml, name, "1 = 0"))
    bench = run_on_duckdb(duck.cursor(), make_plan(check(tmp_path, without)), example.tables)
    assert verdict_of(bench).detail.endswith(" (where `1 = 0`)")
    assert not failing_of(bench)
