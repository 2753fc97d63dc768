"""The statement by which DuckDB takes separated values: typed values where they are beyond doubt, the record where they are not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, type_name
from etlrun.reading.records import Field
from etlrun.reading.rows import INCOMING, copy_statement
from etlrun.reading.spellings import doubtful_text, value_of_text


def separated_statement(columns: Columns, fields: Sequence[Field], lacking: Collection[str], target: Path) -> str:
    """One pass over all records, whose columns `v0`, `v1`, ... are the values of the fields where `is_split` is true.

    The columns `lacking` are null.
    """
    found = {item.name: name(f"v{index}") for index, item in enumerate(fields)}
    doubts = " OR ".join(("NOT is_split", "l = ''", *(doubtful_text(found[item.name], item) for item in fields)))
    absent = {item.name: f"CAST(NULL AS {type_name(item.type)})" for item in columns if item.name in lacking}
    values = {item.name: value_of_text(found[item.name], item.type) for item in fields}
    return copy_statement({**values, **absent}, columns, f"SELECT *, ({doubts}) AS doubt FROM {INCOMING}", target)
