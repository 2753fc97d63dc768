"""The statement by which DuckDB takes separated values: typed values where they are beyond doubt, the record where they are not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name
from etlrun.reading.records import Field
from etlrun.reading.rows import INCOMING, copy_statement
from etlrun.reading.spellings import doubtful_text, value_of_text


def separated_statement(columns: Columns, fields: Sequence[Field], target: Path) -> str:
    """One pass over all records, whose columns `v0`, `v1`, ... are the values of the fields where `is_split` is true."""
    found = {item.name: name(f"v{index}") for index, item in enumerate(fields)}
    doubts = " OR ".join(("NOT is_split", "l = ''", *(doubtful_text(found[item.name], item) for item in fields)))
    values = {item.name: value_of_text(found[item.name], item.type) for item in fields}
    return copy_statement(values, columns, f"SELECT *, ({doubts}) AS doubt FROM {INCOMING}", target)
