"""Measures: the sums over rows that each kind needs, and the number that it computes from them, as `page/numbers.js` does.

A measure is computed from *parts*, such as sums and counts, that can be added over groups of rows. So a page needs only
the parts for every combination of its filters, not the rows. The table shows what each kind of measure gives for nulls
and for no rows.

| kind | result for no rows and nulls |
|---|---|
| count | 0 |
| distinct | nulls are not counted |
| sum | nulls are ignored; null if there is no value |
| average | nulls are ignored; null if there is no value |
| ratio | null if the second measure is null or 0 |
| share | null if no row is counted |
| argmax over a group | null if no sum is above 0; the first label of a tie |
| argmax over a column | nulls are ignored; the smallest label of a tie |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etlrun.dashboards.conditions import Condition

ROWS = "n"


class Formula(ABC):
    """How a measure comes out of sums over rows."""

    @property
    def summed(self) -> tuple[str, ...]:
        """The columns whose sums it needs."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that it names."""
        return self.summed

    @property
    def made_of(self) -> tuple[str, ...]:
        """The other measures that it names."""
        return ()

    def parts(self) -> dict[str, str]:
        """Its parts, and what each is in SQL."""
        return {
            name: text
            for column in self.summed
            for name, text in (
                (f"sum:{column}", f"sum({quoted(column)})"),
                (f"count:{column}", f"count({quoted(column)})"),
            )
        }

    @abstractmethod
    def rule(self) -> dict[str, Any]:
        """What the page does with the sums of its parts."""


@dataclass(frozen=True)
class SumMeasure(Formula):
    """Sums of columns, divided by a constant."""

    columns: tuple[str, ...]
    divisor: float = 1.0

    @property
    def summed(self) -> tuple[str, ...]:
        return self.columns

    def rule(self) -> dict[str, Any]:
        return {"kind": "sum", "columns": list(self.columns), "divisor": self.divisor}


@dataclass(frozen=True)
class Average(Formula):
    column: str
    divisor: float = 1.0

    @property
    def summed(self) -> tuple[str, ...]:
        return (self.column,)

    def rule(self) -> dict[str, Any]:
        return {"kind": "average", "column": self.column, "divisor": self.divisor}


@dataclass(frozen=True)
class Count(Formula):
    """The number of rows; of different keys too, where the key is never null."""

    divisor: float = 1.0

    def rule(self) -> dict[str, Any]:
        return {"kind": "count", "divisor": self.divisor}


@dataclass(frozen=True)
class Distinct(Formula):
    """The number of different values of a column, from a cube that has it as a dimension."""

    column: str
    divisor: float = 1.0

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

    def rule(self) -> dict[str, Any]:
        return {"kind": "distinct", "column": self.column, "divisor": self.divisor}


@dataclass(frozen=True)
class Ratio(Formula):
    above: str
    below: str
    divisor: float = 1.0

    @property
    def made_of(self) -> tuple[str, ...]:
        return self.above, self.below

    def rule(self) -> dict[str, Any]:
        return {"kind": "ratio", "above": self.above, "below": self.below, "divisor": self.divisor}


@dataclass(frozen=True)
class ShareOfRows(Formula):
    """The share of rows for which `condition` is true."""

    name: str
    condition: Condition
    of_known: bool

    @property
    def reads(self) -> tuple[str, ...]:
        return self.condition.columns

    def parts(self) -> dict[str, str]:
        found = {f"true:{self.name}": f"count(*) filter (where {self.condition.sql})"}
        if self.of_known:
            found[f"known:{self.name}"] = f"count(*) filter (where ({self.condition.sql}) is not null)"
        return found

    def rule(self) -> dict[str, Any]:
        whole = f"known:{self.name}" if self.of_known else ROWS
        return {"kind": "share", "part": f"true:{self.name}", "whole": whole}


@dataclass(frozen=True)
class LargestOfGroup(Formula):
    """The label whose column has the largest sum."""

    labels: Mapping[str, str]  # label -> column, in the order of the group

    @property
    def summed(self) -> tuple[str, ...]:
        return tuple(self.labels.values())

    def rule(self) -> dict[str, Any]:
        return {"kind": "argmax group", "labels": [[label, column] for label, column in self.labels.items()]}


@dataclass(frozen=True)
class LargestOfColumn(Formula):
    """The value of a column for which another measure is largest."""

    column: str
    by: str

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

    @property
    def made_of(self) -> tuple[str, ...]:
        return (self.by,)

    def rule(self) -> dict[str, Any]:
        return {"kind": "argmax column", "column": self.column, "by": self.by}


def quoted(name: str) -> str:
    """A column's name in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'
