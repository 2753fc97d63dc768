"""Writes conditions and views in MySQL's SQL. In a collation `abc` and `abc ` may be equal, so texts are compared as bytes.

Next to that comparison is a second condition that an index can answer; it is true for at least the same rows.
"""

from __future__ import annotations

from etlrun.connections._mysql.words import name, text
from etlrun.language.columns import Type
from etlrun.warehouse.conditions import ConditionWords, ConditionWriter
from etlrun.warehouse.view_queries import QueryWords, ServerQueries

_CASTS = {
    **dict.fromkeys(("tinyint", "smallint", "int", "bigint"), "SIGNED"),
    "string": "CHAR",
    "binary": "BINARY",
    "date": "DATE",
    "timestamp": "DATETIME(6)",
    "timestamptz": "DATETIME(6)",
    "double": "DOUBLE",
    "float": "DOUBLE",
    "boolean": "SIGNED",
}


def _indexed(column: str, sign: str, value: str) -> str:
    """A condition for an index on `column` that includes all rows for which `sign value` holds byte by byte; empty if there is none.

    A collation pads a text with spaces, so a character below the space may sort before the end of a text.
    """
    if sign in ("=", "<=>"):
        return f"{column} {sign} {text(value)}"
    if sign in ("<", "<=") and all(character >= " " for character in value):
        return f"{column} <= {text(value)}"
    if sign in (">", ">=") and value and "!" <= value[-1] < "\ud800":
        return f"{column} >= {text(value[:-1] + chr(ord(value[-1]) - 1))}"
    return ""


CONDITIONS = ConditionWriter(
    ConditionWords(
        name,
        text,
        boolean="({} <> 0)",
        same="<=>",
        is_null="<=> NULL",  # `IS NULL` also finds the date 0000-00-00 of a column that has no nulls
        by_bytes="CAST({} AS BINARY)",
        as_timestamp="CAST({} AS DATETIME(6))",
        part_of_date="{}({})",
        indexed=_indexed,
    )
)


def _cast(value: str, kind: Type) -> str:
    written = f"DECIMAL({kind.precision}, {kind.scale})" if kind.name == "decimal" else _CASTS[kind.name]
    return f"CAST({value} AS {written})"


QUERIES = ServerQueries(
    CONDITIONS,
    QueryWords(
        text_column="CONVERT({} USING utf8mb4) COLLATE utf8mb4_bin",
        text="_utf8mb4{} COLLATE utf8mb4_bin",
        cast=_cast,
        computes_booleans=False,
        refuses_long_sums=False,  # then CAST returns the largest bigint, and a warning
    ),
)
