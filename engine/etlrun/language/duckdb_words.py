"""Names, texts and types as DuckDB writes them, for statements that are not built as trees."""

from __future__ import annotations

from sqlglot import exp

from etlrun.language.columns import Type
from etlrun.language.expressions import data_type


def name(text: str) -> str:
    """A quoted identifier."""
    return exp.to_identifier(text, quoted=True).sql(dialect="duckdb")


def text(value: str) -> str:
    """A quoted string."""
    return exp.Literal.string(value).sql(dialect="duckdb")


def type_name(kind: Type) -> str:
    """A type's name."""
    return data_type(kind).sql(dialect="duckdb")
