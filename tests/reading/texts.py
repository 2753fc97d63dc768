"""Text files of a test, read into rows, an account and a quarantine."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from etlrun.contracts.source import LIMIT, InputFile, Inventory, ReadRequest, ReadResult
from etlrun.language.columns import Column, Columns
from etlrun.language.type_texts import parse_type
from etlrun.reading.framing import Framer, frame_lines
from etlrun.reading.json_lines import read_json
from etlrun.reading.records import Field
from etlrun.reading.separated import Separated, read_separated

NOT_NULL = re.compile(" not null$")


@dataclass(frozen=True)
class Found:
    """What reading gave: the account, the rows in any order, and the objects of the quarantine."""

    read_result: ReadResult
    rows: list[tuple[Any, ...]]
    broken: list[dict[str, Any]]

    @property
    def account(self) -> tuple[int | None, int, int]:
        return self.read_result.rows, self.read_result.bad_rows, self.read_result.blank

    def counted(self) -> Counter[str]:
        return counted(self.rows)


def counted(rows: Sequence[tuple[Any, ...]]) -> Counter[str]:
    """Rows that can be counted; 3.5 and 3.50 are one decimal."""
    return Counter(repr([value.normalize() if isinstance(value, Decimal) else value for value in row]) for row in rows)


def fields(**types: str) -> tuple[Field, ...]:
    """Declared columns by name, such as `a="int not null"`."""
    return tuple(
        Field(name, (name,), parse_type(NOT_NULL.sub("", text)), bool(NOT_NULL.search(text)))
        for name, text in types.items()
    )


def read_json_files(
    folder: Path,
    declared: Sequence[Field],
    *contents: bytes,
    framer: Framer = frame_lines,
    ending: str = ".json",
    quarantine_limit: int = LIMIT,
) -> Found:
    order = replace(_order(folder, contents, ending), quarantine_limit=quarantine_limit)
    return _found(order, declared, read_json(order, columns_of(declared), declared, framer))


def read_csv_files(
    folder: Path, declared: Sequence[Field], *contents: bytes, how: Separated | None = None, ending: str = ".csv"
) -> Found:
    order = _order(folder, contents, ending)
    how = how or Separated(",", has_header=True, max_lines=100)
    return _found(order, declared, read_separated(order, columns_of(declared), declared, how))


def no_database(connection: str) -> Any:
    raise AssertionError(connection)


def columns_of(declared: Sequence[Field]) -> Columns:
    return Columns(tuple(Column(item.name, item.type) for item in declared))


def _order(folder: Path, contents: Sequence[bytes], ending: str) -> ReadRequest:
    files = []
    for index, content in enumerate(contents):
        path = folder / f"{index}{ending}"
        path.write_bytes(content)
        files.append(InputFile(str(path), None, len(content), path.stat().st_mtime_ns))
    quarantine = folder / "quarantine.jsonl"
    return ReadRequest("texts", Inventory(tuple(files)), folder / "rows", quarantine, lambda *news: None, no_database)


def _found(order: ReadRequest, declared: Sequence[Field], read_result: ReadResult) -> Found:
    names = ", ".join(f'"{item.name}"' for item in declared)
    rows: list[tuple[Any, ...]] = []
    with duckdb.connect() as connection:
        for part in read_result.files:
            where = f' WHERE "{part.marker}" IS NULL' if part.marker else ""
            rows += connection.execute(f"SELECT {names} FROM read_parquet({list(part.paths)}){where}").fetchall()
    path = order.quarantine
    assert path is not None
    written = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
    return Found(read_result, rows, [json.loads(line) for line in written])
