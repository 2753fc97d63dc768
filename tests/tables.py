"""Tables written as text: the `rows` blocks of docstrings and tests.

    mapping app_content: {TV: [CHANNEL], Film: [VOD]}       a mapping of the project
    views: {app: string, seconds: bigint}                   a source, with the types of its columns; `int key`: of its key
    | app | seconds |                                       its rows: a table, nothing where it is empty
    | VOD | null    |
    ->                                                      what follows is what comes out:
    | app | seconds |                                       a table (a header may say `name: type`), or
    fails: `app` is missing in 1 of 3 rows                  the verdict of a check: `holds:` or `fails:` and its words

A cell is read by its column's type: `null`, a text (in double quotes where blanks or `|` matter), a number, `true`, `[a, b]`,
`[{a: 1, b: null}]`.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from textwrap import dedent
from typing import Any

import yaml

from etlrun.language.columns import Column, Columns, Type
from etlrun.language.type_texts import parse_type

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Table:
    """Typed columns and rows of Python values."""

    columns: Columns
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Outcome:
    """What is expected: a table of texts with its header, or a verdict."""

    header: tuple[str, ...] = ()
    cells: tuple[tuple[str, ...], ...] = ()
    verdict: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name.split(": ")[0] for name in self.header)

    @property
    def types(self) -> dict[str, Type]:
        """The types that the header states."""
        return {name.split(": ")[0]: parse_type(name.split(": ", 1)[1]) for name in self.header if ": " in name}

    def rows(self, columns: Columns) -> tuple[Row, ...]:
        return tuple(
            tuple(value_of(cell, column.type) for cell, column in zip(row, columns, strict=True)) for row in self.cells
        )


@dataclass(frozen=True)
class Example:
    """A pipeline's steps and checks, what it is given, and what comes out."""

    yaml: str
    outcome: Outcome
    tables: dict[str, Table] = field(default_factory=dict)
    mappings: dict[str, str] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def examples(docstring: str) -> Iterator[Example]:
    """The examples of a docstring: each `rows` block with the `yaml` block before it, its `python` blocks as modules and named ones as files."""
    blocks = re.findall(r"```(yaml|rows)\n(.*?)```", docstring, re.DOTALL)
    assert any(kind == "yaml" for kind, _ in blocks), "the docstring has no ```yaml block"
    modules = dict(re.findall(r"```python (\w+)\n(.*?)```", docstring, re.DOTALL))
    files = dict(re.findall(r"```(?:markdown|csv) (\S+)\n(.*?)```", docstring, re.DOTALL))
    steps = ""
    for kind, text in blocks:
        if kind == "yaml":
            steps = text
        else:
            yield replace(read_example(steps, text, modules), files=files)


def read_example(steps: str, block: str, modules: dict[str, str] | None = None) -> Example:
    given, _, expected = dedent(block).partition("->\n")
    mappings = dict(re.findall(r"^mapping (\w+): (.*)$", given, re.MULTILINE))
    tables: dict[str, Table] = {}
    parts = re.split(r"^(\w+): (\{.*\})\n", re.sub(r"^mapping .*\n", "", given, flags=re.MULTILINE), flags=re.MULTILINE)
    for name, types, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        tables[name] = read_table(types, text)
    outcome = _outcome(expected) if expected else Outcome()
    return Example(steps, outcome, tables, mappings, modules or {})


def read_table(types: str, text: str) -> Table:
    """A table of declared types (`{a: int}`; `int key` for a column of the source's key) from its lines."""
    written = {str(name): kind for name, kind in _types(types).items()}
    declared = {name: parse_type(kind.removesuffix(" key")) for name, kind in written.items()}
    header, *lines = [_cells(line) for line in text.strip().splitlines()] or [tuple(declared)]
    assert header == tuple(declared), f"the header {header} is not the declaration {tuple(declared)}"
    columns = Columns(tuple(Column(name, kind) for name, kind in declared.items()))
    columns = columns.with_unique([name for name, kind in written.items() if kind.endswith(" key")] or None)
    return Table(
        columns,
        tuple(tuple(value_of(cell, column.type) for cell, column in zip(row, columns, strict=True)) for row in lines),
    )


def value_of(cell: str, kind: Type) -> Any:
    """The Python value of a cell."""
    if cell == "null":
        return None
    if kind.is_nested and any(inner.is_nested or kind.name != "array" for inner in kind.inner):
        return _nested(yaml.load(cell, yaml.BaseLoader), kind)
    if kind.element is not None:
        inside = cell.removeprefix("[").removesuffix("]")
        return [value_of(item.strip(), kind.element) for item in inside.split(",") if item.strip()]
    if kind.is_integer:
        return int(cell)
    if kind.name in ("double", "float"):
        return float(cell)
    readers = {
        "decimal": Decimal,
        "boolean": {"true": True, "false": False}.__getitem__,
        "date": datetime.date.fromisoformat,
        "timestamp": datetime.datetime.fromisoformat,
        "binary": lambda text: text.encode(),
    }
    if kind.name in readers:
        return readers[kind.name](cell)  # type: ignore[operator]
    return json.loads(cell) if cell.startswith('"') else cell


def _nested(value: Any, kind: Type) -> Any:
    """A value of YAML, in which every scalar is still text."""
    if value == "null":
        return None
    if kind.element is not None:
        return [_nested(item, kind.element) for item in value]
    if kind.entry is not None:
        return {value_of(name, kind.entry[0]): _nested(item, kind.entry[1]) for name, item in value.items()}
    if kind.fields:
        return {name: _nested(value.get(name, "null"), inner) for name, inner in kind.fields}
    return value_of(value, kind)


def _types(text: str) -> dict[str, str]:
    """`{a: int, b: array<string>}`; the commas of `decimal(10,2)` need quotes, as in YAML."""
    found = yaml.safe_load(text)
    assert isinstance(found, dict)
    return found


def _outcome(text: str) -> Outcome:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    assert lines, "nothing is expected behind `->`"
    if not lines[0].startswith("|"):
        return Outcome(verdict="\n".join(lines))
    header, *cells = [_cells(line) for line in lines]
    return Outcome(header, tuple(cells))


def _cells(line: str) -> tuple[str, ...]:
    """The cells of `| a | "b | c" |`."""
    found = re.findall(r'\|\s*("(?:[^"\\]|\\.)*"|[^|]*?)\s*(?=\|)', line.strip())
    return tuple(cell.strip() for cell in found)
