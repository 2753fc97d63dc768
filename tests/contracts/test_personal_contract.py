"""What every kind of step promises about columns tagged `pii`: a value that holds one of them is made of it, as far as lineage says.

Values are followed instead of expressions: the texts, numbers, dates and times of one column of an example get a mark, the example runs, and a
column in which a mark comes out must have the marked one among its direct origins. By those, columns are kept out of prompts.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from examples_of import parameters

from etlrun.compiler.plan import Plan, make_plan
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.failures import RunFailure
from etlrun.spec.registry import kinds
from running import check, lineage_of, run_on_duckdb
from tables import Example, Table

MARK, STEP = "\u29db", 7_000_003  # a character that no example has, and what is added to numbers
SMALL_STEP = 703  # what is added to decimals, which have few digits
YEARS, YEAR = (
    5_000,
    re.compile(r"\b[67]\d{3}(?=, \d|-\d)"),
)  # what is added to dates and times, and how a year shows then
UNMARKED = {
    "lookup"
}  # a code with a mark has no label, and the labels are those of the mapping's file, which is tagged by itself


def marked(value: Any) -> Any:
    if isinstance(value, list):
        return [marked(item) for item in value]
    if isinstance(value, dict):
        return {name: marked(item) for name, item in value.items()}
    if isinstance(value, str):
        return value + MARK
    if isinstance(value, datetime.date):  # a datetime is one, too
        return value.replace(year=value.year + YEARS)
    if isinstance(value, Decimal):
        return value + SMALL_STEP
    return value + STEP if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def with_marks(example: Example, table: str, place: int) -> Example:
    """The example with a mark on every value of a column."""
    given = example.tables[table]
    rows = tuple((*row[:place], marked(row[place]), *row[place + 1 :]) for row in given.rows)
    return replace(example, tables={**example.tables, table: replace(given, rows=rows)})


def has_mark(values: list[Any], numbers: set[Any]) -> bool:
    """Whether a value holds a mark: its character, a number with what was added to it, or a year that no example has, in a text or a date."""
    shown = repr(values)
    return MARK in shown or YEAR.search(shown) is not None or any(value in numbers for value in _single(values))


def _single(values: Any) -> Iterator[Any]:
    """The numbers in values, those inside of others included."""
    if isinstance(values, (list, tuple)):
        for value in values:
            yield from _single(value)
    elif isinstance(values, dict):
        yield from _single(list(values.values()))
    elif isinstance(values, (int, float, Decimal)) and not isinstance(values, bool):
        yield values


def columns_with_marks(plan: Plan, example: Example, numbers: set[Any], duck: Any) -> Iterator[tuple[str, str]]:
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


def numbers_of(table: Table, place: int) -> set[Any]:
    return set(_single([row[place] for row in table.rows]))


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
                numbers = numbers_of(changed.tables[table], place) - numbers_of(given, place)
                for chain, name in columns_with_marks(plan, changed, numbers, duck):
                    kept.add(kind)
                    origins = sorted(map(str, lineage_of(lineages[chain], name).direct))
                    if f"{table}.{column.name}" not in origins:
                        lost.append((kind, number, f"{table}.{column.name}", f"{chain}.{name}", origins))
    assert lost == []
    assert set(kinds("steps")) - kept == UNMARKED
