"""What every kind of step promises about columns tagged `pii`: a value that holds one of them is made of it, as far as lineage says.

Values are followed instead of expressions: the texts and numbers of one column of an example get a mark, the example runs, and a column in
which a mark comes out must have the marked one among its direct origins. By those, columns are kept out of prompts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from examples_of import parameters

from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.failures import RunFailure
from etlrun.spec.registry import kinds
from running import check, run_on_duckdb
from tables import Example, Table

MARK, STEP = "\u29db", 7_000_003  # a character that no example has, and what is added to numbers
UNMARKED = {
    "lookup"
}  # a code with a mark has no label, and the labels are those of the mapping's file, which is tagged by itself


def marked(value: Any) -> Any:
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, str):
        return value + MARK
    return value + STEP if isinstance(value, int) and not isinstance(value, bool) else value


def with_marks(example: Example, table: str, place: int) -> Example:
    """The example with a mark on every value of a column."""
    given = example.tables[table]
    rows = tuple((*row[:place], marked(row[place]), *row[place + 1 :]) for row in given.rows)
    return replace(example, tables={**example.tables, table: replace(given, rows=rows)})


def has_mark(values: list[Any], numbers: set[int]) -> bool:
    return MARK in repr(values) or any(isinstance(value, int) and value in numbers for value in values)


def columns_with_marks(plan: Plan, example: Example, numbers: set[int], duck: Any) -> Iterator[tuple[str, str]]:
    """Where marks come out: a chain and a column of it. A row that cannot be computed with a mark ends the search."""
    bench = run_on_duckdb(duck.cursor(), plan, example.tables)
    for chain in plan.checked.pipeline.chains:
        try:
            table = bench.table(chain)
        except RunFailure:
            return
        for name, values in zip(table.column_names, table.columns, strict=True):
            if has_mark(values.to_pylist(), numbers):
                yield chain, name


def numbers_of(table: Table, place: int) -> set[int]:
    return {row[place] for row in table.rows if isinstance(row[place], int) and row[place] > STEP // 2}


def test_a_value_of_a_tagged_column_keeps_the_tag_through_every_kind_of_step(tmp_path: Path, duck: Any) -> None:
    kept, lost = set(), []
    for number, parameter in enumerate(parameters("steps")):
        kind, example = parameter.values
        folder = tmp_path / str(number)
        folder.mkdir()
        plan = make_plan(check(folder, example))
        lineages = plan_lineage(plan, {})
        for table, given in example.tables.items():
            for place, column in enumerate(given.columns):
                changed = with_marks(example, table, place)
                numbers = numbers_of(changed.tables[table], place)
                for chain, name in columns_with_marks(plan, changed, numbers, duck):
                    kept.add(kind)
                    origins = sorted(map(str, lineages[chain].columns[name].direct))
                    if f"{table}.{column.name}" not in origins:
                        lost.append((kind, number, f"{table}.{column.name}", f"{chain}.{name}", origins))
    assert lost == []
    assert set(kinds("steps")) - kept == UNMARKED
