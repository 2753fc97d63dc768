"""Compare expected and actual rows: which are equal, which differ in some columns, and which are only on one side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from etlrun.compiler.case_rows import Expected, ExpectedRow, Row
from etlrun.language.columns import Columns, Type
from etlrun.spec.values import value_text

CLOSE = {"double": 1e-9, "float": 1e-6}  # how far two numbers of these types may be apart, in terms of the larger one
NEAR_ZERO = 1e-12  # what is left where numbers of everyday size cancel out


@dataclass(frozen=True)
class Pair:
    """An expected row and an actual row that differ in some columns; `unequal` are their positions."""

    expected: ExpectedRow
    actual: Row
    unequal: tuple[int, ...]


@dataclass(frozen=True)
class Difference:
    """The differences between the rows of a relation, `actual`, and the expected rows, in the compared columns."""

    relation: str
    columns: Columns
    pairs: tuple[Pair, ...]
    missing: tuple[ExpectedRow, ...]
    unexpected: tuple[Row, ...]
    actual: tuple[Row, ...]


def compare_rows(relation: str, expected: Expected, actual: Sequence[Row]) -> Difference | None:
    """The difference between rows as multisets, or None if there is none; `actual` has the expected columns in their order."""
    types = tuple(item.type for item in expected.columns)
    missing, left = [], sorted(actual, key=lambda row: [_rank(value) for value in row])
    for row in expected.rows:
        found = next((index for index, other in enumerate(left) if are_equal(row.values, other, types)), None)
        if found is None:
            missing.append(row)
        else:
            del left[found]
    if not missing and not left:
        return None
    pairs = _pair(missing, left, expected.columns)
    for pair in pairs:
        missing.remove(pair.expected)
        left.remove(pair.actual)
    return Difference(relation, expected.columns, tuple(pairs), tuple(missing), tuple(left), tuple(actual))


def are_equal(one: Row, other: Row, types: Sequence[Type]) -> bool:
    """Whether two rows have equal values in all columns."""
    return all(is_same(here, there, kind) for here, there, kind in zip(one, other, types, strict=True))


def is_same(one: Any, other: Any, kind: Type) -> bool:
    """Whether two values of a type are equal; nulls are, NaN is, and numbers with rounding errors are when they are close."""
    if one is None or other is None:
        return one is other
    if kind.name in CLOSE:
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=CLOSE[kind.name], abs_tol=NEAR_ZERO)
    if kind.element is not None:
        return len(one) == len(other) and all(is_same(here, there, kind.element) for here, there in zip(one, other))
    if kind.entry is not None:
        return one.keys() == other.keys() and all(is_same(one[key], other[key], kind.entry[1]) for key in one)
    if kind.name == "struct":
        return all(is_same(one[name], other[name], inner) for name, inner in kind.fields)
    return bool(one == other)


def _rank(value: Any) -> tuple[int, Any]:
    """The sort key of a value for the order in which rows are shown: nulls last."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return (2 if value is None else 1, "")
    return (0, value_text(value) if isinstance(value, (list, dict)) else value)


def _pair(missing: Sequence[ExpectedRow], unexpected: Sequence[Row], columns: Columns) -> list[Pair]:
    """Pair rows that are probably the same: with the same key if the key is known, or equal in at least half of the columns."""
    types = tuple(item.type for item in columns)
    names = [name.lower() for name in columns.names]
    keys = [names.index(name.lower()) for name in columns.unique or ()]
    found: list[tuple[bool, int, int, int, tuple[int, ...]]] = []
    for here, row in enumerate(missing):
        for there, other in enumerate(unexpected):
            unequal = tuple(at for at, kind in enumerate(types) if not is_same(row.values[at], other[at], kind))
            has_key = bool(keys) and not set(keys) & set(unequal)
            if has_key or 2 * len(unequal) <= len(types):
                found.append((not has_key, len(unequal), here, there, unequal))
    pairs: dict[int, Pair] = {}
    used_here, used_there = set[int](), set[int]()
    for _, _, here, there, unequal in sorted(found):
        if here not in used_here and there not in used_there:
            used_here.add(here)
            used_there.add(there)
            pairs[here] = Pair(missing[here], unexpected[there], unequal)
    return [pairs[here] for here in sorted(pairs)]
