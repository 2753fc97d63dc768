"""Writes the result of `etlrun diff` as a page that opens from disk: the changed columns and rows, with their values side by side."""

from __future__ import annotations

from etlrun.cli.diff_report import cause_lines, column_changes, row_counts, rows_left, shown_value, value_changes
from etlrun.diagnostics import counted
from etlrun.runtime.table_diff import RowDiff, TableDiff
from etlrun.site.html_tree import Child, element, listed, section, table
from etlrun.site.shell import page_alone


def diff_page(title: str, found: TableDiff) -> str:
    """The HTML text of the page."""
    about = [
        ("before", found.before),
        ("after", found.after),
        *cause_lines(found),
        ("rows", "; ".join(row_counts(found))),
        ("key", ", ".join(found.key)),
    ]
    columns = [
        (item.name, f"{item.changed:,}", f"{item.nulls[0]:,} -> {item.nulls[1]:,}", value_changes(item))
        for item in found.columns
    ]
    left = rows_left(found)
    return page_alone(
        title,
        element("p", "Nothing differs.", class_="done") if found.is_equal else None,
        table(("compared", "is"), about),
        section("Columns that were added or removed, or have another type", listed(column_changes(found))) if any(column_changes(found)) else None,
        section("Columns that changed", table(("column", "changed", "null before -> after", "before -> after"), columns)) if columns else None,
        section("Rows that differ", _rows(found)) if found.sample else None,
        element("p", f"{counted(left, 'row')} more: write the page again with --rows N or --where EXPR.", class_="dim") if left else None,
    )  # fmt: skip


def _rows(found: TableDiff) -> Child:
    """A line for every changed value with both values; for a row on one side only, its key."""
    rows: list[tuple[Child, ...]] = []
    for row in found.sample:
        key = ", ".join(map(shown_value, row.key))
        rows += [(key, name, _before(one), _after(other)) for name, one, other in row.changes] or [_alone(key, row)]
    return table((", ".join(found.key), "column", "before", "after"), rows)


def _alone(key: str, row: RowDiff) -> tuple[Child, ...]:
    there = element("span", "is there")
    sides = (there, _after("is not there")) if row.side == "before" else (_before("is not there"), there)
    return key, "the whole row", *sides


def _before(value: object) -> Child:
    return element("del", shown_value(value))


def _after(value: object) -> Child:
    return element("ins", shown_value(value))
