"""Writes conditions and views in PostgreSQL's SQL. Texts are compared byte by byte, whatever the collation of their column."""

from __future__ import annotations

from etlrun.connections._postgres.words import declared, name, text
from etlrun.language.columns import STRING, Type
from etlrun.warehouse.conditions import ConditionWords, ConditionWriter
from etlrun.warehouse.view_queries import QueryWords, ServerQueries

CONDITIONS = ConditionWriter(
    ConditionWords(
        name,
        text,
        boolean="{}",
        same="IS NOT DISTINCT FROM",
        is_null="IS NULL",
        by_bytes='{} COLLATE "C"',
        as_timestamp="CAST({} AS timestamp)",
        part_of_date="CAST(EXTRACT({} FROM {}) AS int)",
        unstorable="\0",
    )
)


def _cast(value: str, kind: Type) -> str:
    return f"CAST({value} AS {declared(kind)})" if kind != STRING else f"CAST({value} AS text)"


QUERIES = ServerQueries(
    CONDITIONS,
    QueryWords(
        text_column='CAST({} AS text) COLLATE "C"',
        text='CAST({} AS text) COLLATE "C"',
        cast=_cast,
        computes_booleans=True,
        refuses_long_sums=True,
    ),
)
