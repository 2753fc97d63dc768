"""Writes the result of `etlrun diff` as text for people and as the object of `--json`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from etlrun.cli.words import table_text
from etlrun.diagnostics import counted
from etlrun.runtime.table_diff import ColumnDiff, RowDiff, TableDiff


def diff_object(pipeline: str, sink: str, found: TableDiff) -> dict[str, Any]:
    """The object of `--json`."""
    return {"pipeline": pipeline, "sink": sink, "is_equal": found.is_equal, **asdict(found)}


def diff_text(title: str, found: TableDiff) -> str:
    """Counts, changed columns, and the first rows that differ; nothing that is unchanged."""
    lines = [f"{title}, by {', '.join(found.key)}", f"  before   {found.before}", f"  after    {found.after}"]
    lines += [f"  {name:<8} {text}" for name, text in cause_lines(found)]
    lines += [f"  columns  {text}" for text in column_changes(found)]
    lines.append(f"  rows     {'    '.join(row_counts(found))}")
    if found.columns:
        rows = [_column(item) for item in found.columns]
        table = table_text(("column", "changed", "null before -> after", "before -> after"), rows)
        lines += [f"  {line}" for line in table.splitlines()]
    lines += [f"  {line}" for line in _sample(found)]
    return "\n".join(lines)


def cause_lines(found: TableDiff) -> Iterator[tuple[str, str]]:
    """What changed in the specification and the inputs; empty if the origin of the compared rows is not known."""
    if found.causes is None:
        return
    unknown = "not known: the earlier run was made by an older etlrun"
    parts, inputs = found.causes.specification, found.causes.inputs
    changed = f"changed: {', '.join(parts)}" if parts else "the same"
    yield "spec", unknown if parts is None else changed
    yield "inputs", unknown if inputs is None else "; ".join(inputs) or "the same"


def row_counts(found: TableDiff) -> tuple[str, str]:
    """How many rows there were and are, and how many of them differ."""
    counts = f"{found.only_before:,} only before, {found.only_after:,} only after, {found.equal:,} equal, {found.changed:,} changed"
    return f"{found.rows[0]:,} -> {found.rows[1]:,}", counts


def column_changes(found: TableDiff) -> Iterator[str]:
    """Columns that are on one side only, or have different types."""
    if found.columns_before:
        yield f"only before: {', '.join(found.columns_before)}"
    if found.columns_after:
        yield f"only after: {', '.join(found.columns_after)}"
    for name, before, after in found.retyped:
        yield f"{name} is {before} before, {after} after"


def _column(item: ColumnDiff) -> tuple[str, str, str, str]:
    return item.name, f"{item.changed:,}", f"{item.nulls[0]:,} -> {item.nulls[1]:,}", value_changes(item)


def value_changes(item: ColumnDiff) -> str:
    """The sum of a number on both sides, or the most frequent changes of a text."""
    if item.sums is not None:
        one, other = item.sums
        share = f" ({(float(other) - float(one)) / abs(float(one)):+.2%})" if one and other is not None else ""
        return f"sum {shown_value(one)} -> {shown_value(other)}{share}"
    return (
        ", ".join(f"{shown_value(one)} -> {shown_value(other)} {count:,}" for one, other, count in item.transitions)
        or "-"
    )


def _sample(found: TableDiff) -> Iterator[str]:
    for row in found.sample:
        yield "  ".join((", ".join(map(shown_value, row.key)), *_changes(row)))
    left = rows_left(found)
    if left:
        yield f"... {counted(left, 'row')} more: --rows N, --where EXPR, --json"


def rows_left(found: TableDiff) -> int:
    """How many rows that differ are not shown."""
    return found.only_before + found.only_after + found.changed - len(found.sample)


def _changes(row: RowDiff) -> Iterator[str]:
    if row.side:
        yield f"only {row.side}"
    for name, one, other in row.changes:
        yield f"{name} {shown_value(one)} -> {shown_value(other)}"


def shown_value(value: Any) -> str:
    """A value of a row as text; in quotes if it is empty or invisible, or starts or ends with blanks."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value if value and value == value.strip() else f'"{value}"'
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return repr(value) if isinstance(value, float) else str(value)
