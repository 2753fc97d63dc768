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
    found = [(name(f"v{index}"), name(f"t{index}"), item) for index, item in enumerate(fields)]
    typed = [f"{value_of_text(value, item.type)} AS {result}" for value, result, item in found]
    doubts = " OR ".join(("NOT is_split", "l = ''", *(doubtful_text(*each) for each in found)))
    absent = {item.name: f"CAST(NULL AS {type_name(item.type)})" for item in columns if item.name in lacking}
    values = {**absent, **{item.name: result for _, result, item in found}}
    records = f"SELECT {', '.join(('*', *typed))} FROM {INCOMING}"
    return copy_statement(values, columns, f"SELECT *, ({doubts}) AS doubt FROM ({records})", target)
