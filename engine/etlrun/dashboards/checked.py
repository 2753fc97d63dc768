"""A checked dashboard, from which the page, the Power BI project and the export are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from etlrun.compiler.check import Checked
from etlrun.dashboards.measures import Distinct, Formula, LargestOfColumn, SumMeasure, quoted
from etlrun.dashboards.spec import Bar, Dashboard, DashboardFile, Donut, Flow, Measure, RowTable
from etlrun.language.columns import Columns
from etlrun.sinks.files import Files
from etlrun.sinks.table import Table
from etlrun.spec.located import Keys
from etlrun.spec.project import Use


@dataclass(frozen=True)
class ShownColumn:
    """A column of the table of rows: its title, and the format of its numbers."""

    name: str
    label: str
    divisor: float = 1.0
    format: str = ""


@dataclass(frozen=True)
class CheckedDashboard:
    """A dashboard without mistakes: formulas by measure, and the columns of the table by the place of their card.

    `key` are the columns that identify rows; empty if not known.
    """

    file: DashboardFile
    checked: Checked
    sink: Table | Files
    columns: Columns
    key: tuple[str, ...]
    formulas: Mapping[str, Formula]
    tables: Mapping[Keys, tuple[ShownColumn, ...]]

    @property
    def spec(self) -> Dashboard:
        return self.file.dashboard

    @property
    def name(self) -> str:
        return self.spec.dashboard

    @property
    def table(self) -> str:
        """The name of the table; for a file, without its ending."""
        if isinstance(self.sink, Files):
            return PurePosixPath(self.sink.path).stem
        return self.sink.table or self.spec.sink

    @property
    def place(self) -> str:
        """The location of the rows, for messages."""
        return self.sink.path if isinstance(self.sink, Files) else f"{self.sink.connection}.{self.table}"

    @property
    def dimensions(self) -> tuple[tuple[str, ...], ...]:
        """The columns of each cube: the filters, and for each card or measure over other columns those beside them."""
        filters = tuple(self.column(name) for name in self.spec.filters)
        extra = [tuple(map(self.column, names)) for names in self._others()]
        found = [filters, *((*filters, *(name for name in names if name not in filters)) for names in extra)]
        return tuple(dict.fromkeys(found))

    def _others(self) -> Iterator[tuple[str, ...]]:
        for use in self.file.cards:
            if isinstance(use.value, (Bar, Donut)) and not self.is_key(use.value.of):
                yield (use.value.of,)
            if isinstance(use.value, Flow):
                yield (use.value.from_, use.value.to)
        for formula in self.formulas.values():
            if isinstance(formula, (Distinct, LargestOfColumn)):
                yield (formula.column,)

    def column(self, name: str) -> str:
        """The column's name as the pipeline spells it."""
        found = self.columns.get(name)
        return found.name if found else name

    def is_key(self, name: str) -> bool:
        """Whether the column alone identifies rows, and is not a filter (filters have codes for their values)."""
        is_filter = name.lower() in map(str.lower, self.spec.filters)
        return [found.lower() for found in self.key] == [name.lower()] and not is_filter


def format_of(measure: Measure) -> str:
    """How the values of a measure are shown."""
    return measure.format or ("percent 1" if measure.share else "decimal 1" if measure.average else "whole")


def title_of(dashboard: CheckedDashboard, card: object) -> str:
    """The title of a card; made from labels if the card has none."""
    if isinstance(card, (Bar, Donut, Flow)) and not card.title:
        label = dashboard.spec.measures[card.value].label
        if isinstance(card, Flow):
            return f"{label} from {card.from_} to {card.to}"
        return f"{label} by {dashboard.column(card.of)}"
    return card.title if isinstance(card, (Bar, Donut, Flow, RowTable)) else ""


def key_of(sink: Table | Files, checked: Checked) -> tuple[str, ...]:
    """The key of a sink; for a file, that of a table with the same rows, or one that follows from the steps."""
    columns = checked.columns[sink.from_]
    tables = (use.value for use in checked.pipeline.sinks.values() if isinstance(use.value, Table))
    found = (table.key_ for table in tables if table.from_ == sink.from_ and table.key_)
    names = sink.key_ if isinstance(sink, Table) else next(found, columns.unique or ())
    return tuple(column.name for name in names if (column := columns.get(name)))


def row_columns(dashboard: CheckedDashboard, use: Use) -> tuple[str, ...]:
    """The columns of a table of rows: shown and searched ones and, if it has all rows, those of its order."""
    card = use.value
    names = [*(item.name for item in dashboard.tables[use.where]), *map(dashboard.column, card.search)]
    return tuple(dict.fromkeys([*names, *(order_columns(dashboard, card) if card.rows == "all" else ())]))


def order_columns(dashboard: CheckedDashboard, card: RowTable) -> tuple[str, ...]:
    """The columns whose sum orders the rows of a table."""
    name = card.order.partition(" ")[0]
    measure = dashboard.formulas.get(name)
    return measure.columns if isinstance(measure, SumMeasure) else (dashboard.column(name),)


def order_of(dashboard: CheckedDashboard, card: RowTable) -> str:
    """The ORDER BY of the rows of a table, the key last, so that it is total."""
    name, _, direction = card.order.partition(" ")
    columns = order_columns(dashboard, card)
    is_sum = name in dashboard.formulas
    known = " OR ".join(f"{quoted(column)} IS NOT NULL" for column in columns)
    added = " + ".join(f"coalesce({quoted(column)}, 0)" for column in columns)
    value = f"CASE WHEN {known} THEN {added} END" if is_sum else quoted(columns[0])
    keys = dashboard.key or dashboard.columns.names
    return ", ".join([f"{value} {direction or 'asc'} nulls last", *map(quoted, keys)])
