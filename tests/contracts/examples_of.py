"""The examples of a family's kinds, plugins included, and the rows that a contract tries them on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from etlrun.language.type_texts import parse_type
from etlrun.spec.registry import Family, kinds
from tables import Example, Row, Table, examples


def parameters(family: Family) -> list[Any]:
    """A pytest parameter (kind's name, example) for every example in the docstrings of a family's kinds."""
    return [
        pytest.param(name, example, id=f"{name}-{number}")
        for name, cls in kinds(family).items()
        for number, example in enumerate(examples(sys.modules[cls.__module__].__doc__ or ""))
    ]


def with_rows(example: Example, change: Callable[[tuple[Row, ...]], tuple[Row, ...]]) -> Example:
    """The example over other rows of the same columns."""
    return replace(
        example, tables={name: replace(table, rows=change(table.rows)) for name, table in example.tables.items()}
    )


def with_other_types(example: Example, types: Sequence[str]) -> Iterator[Example]:
    """The example without rows, once for each column and each of these types that it has there."""
    for name, table in example.tables.items():
        for position, item in enumerate(table.columns):
            for kind in map(parse_type, types):
                items = (
                    *table.columns.items[:position],
                    replace(item, type=kind),
                    *table.columns.items[position + 1 :],
                )
                changed = replace(table, columns=replace(table.columns, items=items), rows=())
                yield replace(example, tables={**example.tables, name: changed})


def reordered(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The same rows from the last to the first."""
    return tuple(reversed(rows))


def doubled(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """Each row twice: every order has ties."""
    return (*rows, *rows)


def tied(example: Example) -> Iterator[tuple[str, Table]]:
    """Each table with, beside every row, one that differs in its last column only."""
    for name, table in example.tables.items():
        twins = tuple((*row[:-1], None) for row in table.rows)
        yield name, replace(table, rows=(*table.rows, *twins))


def nothing(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return ()


def with_nulls(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows and one that has no value in any column."""
    return (*rows, *((None,) * len(row) for row in rows[:1]))
