"""Finds where a dashboard uses a column: measures over it, and cards that name it or one of these measures."""

from __future__ import annotations

from collections.abc import Iterator

from etlrun.dashboards.checked import CheckedDashboard, order_columns, row_columns, title_of
from etlrun.dashboards.spec import Bar, Donut, Flow, Kpi, RowTable
from etlrun.language.columns import Columns
from etlrun.spec.project import Use


def column_uses(dashboard: CheckedDashboard) -> dict[str, tuple[str, ...]]:
    """The uses of each column in words, such as `measure Hours watched` and `bar Hours by shop`."""
    found: dict[str, dict[str, None]] = {}
    for name in dashboard.formulas:
        for column in _columns_of(dashboard, name):
            found.setdefault(column, {})[f"measure {dashboard.spec.measures[name].label}"] = None
    for use in dashboard.file.cards:
        for column in _columns_of_card(dashboard, use):
            found.setdefault(column, {})[f"{use.kind} {_title(dashboard, use)}".strip()] = None
    for name in dashboard.spec.filters:
        found.setdefault(dashboard.column(name), {})["filter"] = None
    return {column: tuple(uses) for column, uses in found.items()}


def columns_read(dashboard: CheckedDashboard) -> Columns:
    """The columns that a page is computed from: those with a use, and the key, by which rows are ordered; at least one."""
    uses = column_uses(dashboard)
    has_table = any(isinstance(use.value, RowTable) for use in dashboard.file.cards)
    ordering = (dashboard.key or dashboard.columns.names) if has_table else ()
    found = tuple(item for item in dashboard.columns if item.name in uses or item.name in ordering)
    return Columns(found or tuple(dashboard.columns)[:1])


def _columns_of(dashboard: CheckedDashboard, measure: str) -> Iterator[str]:
    formula = dashboard.formulas[measure]
    yield from map(dashboard.column, formula.reads)
    for other in formula.made_of:
        yield from _columns_of(dashboard, other)


def _columns_of_card(dashboard: CheckedDashboard, use: Use) -> Iterator[str]:
    match use.value:
        case Kpi(measure=measure):
            yield from _columns_of(dashboard, measure)
        case Bar(of=of, value=value) | Donut(of=of, value=value):
            yield dashboard.column(of)
            yield from _columns_of(dashboard, value)
        case Flow(from_=start, to=end, value=value):
            yield from (dashboard.column(start), dashboard.column(end))
            yield from _columns_of(dashboard, value)
        case RowTable() as card:
            yield from (*row_columns(dashboard, use), *order_columns(dashboard, card))


def _title(dashboard: CheckedDashboard, use: Use) -> str:
    if isinstance(use.value, Kpi):
        return dashboard.spec.measures[use.value.measure].label
    return title_of(dashboard, use.value)
