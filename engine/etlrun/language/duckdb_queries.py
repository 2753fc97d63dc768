"""Writes a view in DuckDB's SQL. It equals the engine's own SQL, because DuckDB's default settings are those of DUCKDB_SETTINGS."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import Columns
from etlrun.language.dialects import duckdb_sql
from etlrun.language.duckdb_words import name, type_name


class DuckdbQueries:
    """Writes the parts of a view for a DuckDB file."""

    def name(self, text: str) -> str:
        return name(text)

    def table(self, table: str, columns: Columns) -> str:
        shown = (f"CAST({name(item.name)} AS {type_name(item.type)}) AS {name(item.name)}" for item in columns)
        return f"SELECT {', '.join(shown)} FROM {'.'.join(map(name, table.split('.')))}"

    def query(self, tree: exp.Query) -> str:
        return duckdb_sql(tree)
