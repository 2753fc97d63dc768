"""What every step promises: its example holds on both engines, and no order of rows, tie, null or empty input changes what comes out.

It runs for every step that the product finds. A step whose rows depend on the order of its input fails here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from examples_of import doubled, nothing, parameters, reordered, tied, with_nulls, with_other_types, with_rows

from etlrun.compiler.plan import make_plan
from etlrun.diagnostics import SpecError
from etlrun.failures import RunFailure
from running import Rows, both, check, in_order, run_on_duckdb
from tables import Example

OTHER_TYPES = ("array<int>", "map<string, int>", "struct<a: int>", "boolean", "double", "timestamptz")
each_example = pytest.mark.parametrize(("name", "example"), parameters("steps"))


def outcome(bench: Any) -> dict[str, Rows] | str:
    """The rows of every chain, or the kind of failure that both engines must agree in."""
    try:
        return {relation: bench.rows(relation) for relation in bench.plan.checked.pipeline.chains}
    except RunFailure as failure:
        return failure.code


def on_duckdb(example: Example, folder: Path, connection: Any) -> dict[str, Rows] | str:
    cursor = connection.cursor()  # a session of its own: relations of an earlier one keep their names
    return outcome(run_on_duckdb(cursor, make_plan(check(folder, example)), example.tables))


@each_example
def test_the_example_holds_on_both_engines_with_the_columns_it_declares(
    name: str, example: Example, spark: Any, duck: Any, tmp_path: Path
) -> None:
    for bench in both(spark, duck, tmp_path, example):
        for relation in bench.plan.checked.pipeline.chains:
            found = bench.rows(relation)
            declared = bench.plan.relation(relation).columns
            assert (found.names, found.types) == (declared.names, tuple(column.type for column in declared))
        assert (found.names, found.rows) == (example.outcome.names, in_order(example.outcome.rows(declared)))
        assert example.outcome.types.items() <= {column.name: column.type for column in declared}.items()


@each_example
def test_a_column_of_another_type_is_refused_or_planned(name: str, example: Example, tmp_path: Path) -> None:
    """What `check` lets pass ends in no traceback later, whatever the types of the columns."""
    for changed in with_other_types(example, OTHER_TYPES):
        with suppress(SpecError):
            checked = check(tmp_path, changed)
            make_plan(checked)


@each_example
def test_the_order_of_rows_changes_nothing(name: str, example: Example, duck: Any, tmp_path: Path) -> None:
    assert on_duckdb(with_rows(example, reordered), tmp_path, duck) == on_duckdb(example, tmp_path, duck)


@each_example
@pytest.mark.parametrize("change", [doubled, with_nulls])
def test_ties_and_nulls_come_out_the_same_in_any_order(
    name: str, example: Example, change: Any, duck: Any, tmp_path: Path
) -> None:
    changed = with_rows(example, change)
    assert on_duckdb(with_rows(changed, reordered), tmp_path, duck) == on_duckdb(changed, tmp_path, duck)


@each_example
def test_rows_equal_but_for_one_column_come_out_the_same_in_any_order(
    name: str, example: Example, duck: Any, tmp_path: Path
) -> None:
    changed = replace(example, tables=dict(tied(example)))
    assert on_duckdb(with_rows(changed, reordered), tmp_path, duck) == on_duckdb(changed, tmp_path, duck)


@each_example
@pytest.mark.parametrize("change", [nothing, with_nulls])
def test_no_rows_and_nulls_give_the_same_on_both_engines(
    name: str, example: Example, change: Any, spark: Any, duck: Any, tmp_path: Path
) -> None:
    here, there = (outcome(bench) for bench in both(spark, duck, tmp_path, with_rows(example, change)))
    assert here == there


@each_example
def test_the_example_uses_the_step(name: str, example: Example, tmp_path: Path) -> None:
    pipeline = check(tmp_path, example).pipeline
    assert name in {use.kind for group in pipeline.chains.values() for use in group}
