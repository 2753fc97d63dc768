"""Formats failures, run records and rows for the terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from etlrun.cli.same_choice import same_choice
from etlrun.diagnostics import format_text, harmless, shown_width
from etlrun.failures import RunFailure
from etlrun.spec.values import value_text

NO_ENGINE = "no engine is chosen, so duckdb runs this; for Spark: pip install 'etlrun[spark,java]', and `engine: {spark: {}}` in the profile or --engine spark"


def tell(text: str, *, err: bool = False) -> None:
    """Print text for people. Control characters from names, data or services cannot affect the terminal."""
    click.echo(harmless(text), err=err)


def failure_text(failure: RunFailure) -> str:
    """A failure in the same form as a mistake in a specification: place, code, message, the line with a caret, and the fix."""
    return format_text([same_choice(failure.diagnostic)])


def row_json(row: dict[str, Any]) -> str:
    """A row as one line of JSON: dates, timestamps and decimals as texts, also as keys of a map."""
    return json.dumps(_with_text_keys(row), ensure_ascii=False, default=str)


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key if isinstance(key, (str, int, float)) else str(key): _with_text_keys(inner)
            for key, inner in value.items()
        }
    return [_with_text_keys(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def table_text(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows in columns as wide as they need; numbers to the right."""
    names = [_shown(name) for name in names]
    cells = [[_shown(value) for value in row] for row in rows]
    widths = [max([shown_width(name), *(shown_width(row[index]) for row in cells)]) for index, name in enumerate(names)]
    right = [
        bool(cells) and all(_is_number(row[index]) or row[index] == "null" for row in cells)
        for index in range(len(names))
    ]
    lines = [
        "  ".join(_pad(name, width, to_right=side) for name, width, side in zip(names, widths, right, strict=True))
    ]
    lines += ["  ".join("-" * width for width in widths)]
    lines += [
        "  ".join(_pad(cell, width, to_right=side) for cell, width, side in zip(row, widths, right, strict=True))
        for row in cells
    ]
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, (list, dict)):
        return harmless(value_text(value))
    return harmless(str(value).replace("\n", "\\n").replace("\t", "\\t"))


def _is_number(cell: str) -> bool:
    return cell.removeprefix("-").replace(".", "", 1).isdigit()


def _pad(text: str, width: int, *, to_right: bool) -> str:
    space = " " * (width - shown_width(text))
    return space + text if to_right else text + space


def published_text(sinks: Mapping[str, Mapping[str, Any]]) -> str:
    """The sinks of a run with the rows that it published; empty if an earlier run had appended them."""
    rows = {name: 0 if "appended_by" in sink else sink["rows"] for name, sink in sinks.items()}
    return ", ".join(f"{name} ({count:,})" for name, count in rows.items()) or "-"
