r"""Rows as lines of text for LOAD DATA and COPY, written by DuckDB from the stage.

A line holds the values of a row with a tab between and a line feed at the end. NULL is `\N`, and in texts backslash, tab, line
feed, carriage return and NUL are written `\\ \t \n \r \0`. Each value is an SQL expression here.
"""

from __future__ import annotations

import pyarrow as pa

from etlrun.warehouse.stage import StageField

SPECIALS = (("\\", "\\\\", 92), ("\t", "\\t", 9), ("\n", "\\n", 10), ("\r", "\\r", 13), ("\0", "\\0", 0))
FRACTIONS = ("float", "double")
BARE = ("boolean", "tinyint", "smallint", "int", "bigint")


def has_special(staged: str) -> str:
    """Whether a text of the stage must be escaped in a line."""
    return " OR ".join(f"contains({staged}, chr({code}))" for _, _, code in SPECIALS)


def line(values: list[str]) -> str:
    """A row of texts as a line."""
    known = (f"coalesce({value}, '\\N')" for value in values)
    return f"concat({', chr(9), '.join(known)}, chr(10))"


def escaped(field: StageField, text: str) -> str:
    """The text of a value, escaped for its line; NULL if it is null."""
    for _, written, code in SPECIALS if field.is_special else ():
        text = f"replace({text}, chr({code}), chr(92) || {_character(written[1])})"
    return text


def text_of(field: StageField) -> str:
    """A value as text, not yet escaped."""
    staged, kind = field.staged, field.type
    if kind.name == "string":
        return staged
    if kind.name == "boolean":
        return f"CAST(CAST({staged} AS INTEGER) AS VARCHAR)"
    if kind.name == "decimal" and kind.precision == kind.scale:  # DuckDB leaves out the zero before the point
        return f"CAST(CAST({staged} AS DECIMAL({kind.precision + 1}, {kind.scale})) AS VARCHAR)"
    if kind.name in ("timestamp", "timestamptz"):
        return f"strftime({staged}, '%Y-%m-%d %H:%M:%S.%f')"
    if kind.name == "binary":
        return f"hex({staged})"
    return f"CAST({staged} AS VARCHAR)"


def bits_of(number: str) -> str:
    """The 8 bytes of a DOUBLE, the first one first, in hexadecimal."""
    return f"hex(CAST(CAST({number} AS BIT) AS BLOB))"


def bytes_of(column: pa.Array) -> memoryview:
    """The texts of a column, one after the other, without a copy."""
    _, offsets, data = column.buffers()
    ends = memoryview(offsets).cast("i")
    return memoryview(data)[ends[column.offset] : ends[column.offset + len(column)]]


def _character(character: str) -> str:
    return "chr(92)" if character == "\\" else f"'{character}'"
