r"""Rows as text: the lines that LOAD DATA reads, the tuples that INSERT takes, and the text whose checksum is compared.

The checksum of rows is the sum of the CRC-32 of their lines: DuckDB
writes the lines of the stage, the server those of what it stores, and the two sums are equal only if all values are. For DOUBLE,
whose digits servers write in their own ways, the checksum takes the 8 bytes of the number (big-endian, hexadecimal) instead of its
text; the server gives them as part of the binary form of a point. Each value is an SQL expression here, for DuckDB or the server.
"""

from __future__ import annotations

import zlib

import pyarrow as pa

from etlrun.connections._mysql.types import COLLATION
from etlrun.connections._mysql.words import name
from etlrun.language.duckdb_words import text as _duckdb_text
from etlrun.warehouse.stage import StageField
from etlrun.warehouse.text_lines import BARE, FRACTIONS, SPECIALS, bits_of, escaped, line, text_of


def sent_text(field: StageField) -> str:
    """A value as LOAD DATA reads it."""
    return escaped(field, _text(field))


def proof_line(fields: tuple[StageField, ...]) -> str:
    """A row as text for the checksum; the same as the sent text if no column is a float or double."""
    values = (bits_of(_number(each.staged)) if each.type.name in FRACTIONS else sent_text(each) for each in fields)
    return line(list(values))


def server_line(fields: tuple[StageField, ...]) -> str:
    """The row that the server stores, as text for the checksum.

    If the stage has no NULL in a column, a NULL that the server stores is left out of its line; the line then has a tab too few to be equal.
    """
    values = [_served(field) for field in fields]
    return f"CONCAT_WS('\\t', {', '.join([*values[:-1], _ended(values[-1])])})"


def literal(field: StageField) -> str:
    """A value as a literal of MySQL, quoted unless it is an integer: `2022-04-01` without quotes is 2017.

    Joined with `||`, because `concat` takes NULL for an empty text.
    """
    text = _text(field)
    if field.type.name in BARE:
        return f"coalesce({text}, 'NULL')"
    if field.type.name == "binary":
        return f"coalesce('X''' || {text} || '''', 'NULL')"
    if field.type.name == "string":
        for character, written in (
            ("chr(92)", "chr(92) || chr(92)"),
            ("''''", "chr(92) || ''''"),
            ("chr(0)", "chr(92) || '0'"),
        ):
            text = f"replace({text}, {character}, {written})"
    return f"coalesce('''' || {text} || '''', 'NULL')"


def equality(field: StageField) -> str:
    """A condition for the server that a column has the value of the row: `a`=1. An index can answer it.

    Texts are also compared byte by byte: in a collation `abc` and `abc ` are equal. A decimal has no quotes, otherwise the server
    might compare it as DOUBLE.
    """
    column = name(field.name)
    value = f"coalesce({_text(field)}, 'NULL')" if field.type.name == "decimal" else literal(field)
    parts = [_duckdb_text(f"{column}="), value]
    if field.type.name == "string":
        parts += [_duckdb_text(f" AND CAST({column} AS BINARY)=CAST("), value, _duckdb_text(" AS BINARY)")]
    return f"concat({', '.join(parts)})"


def sum_of_crcs(lines: pa.Array) -> int:
    """The sum of the CRC-32 of some lines."""
    return sum(map(zlib.crc32, lines.cast(pa.binary()).to_pylist()))


def _text(field: StageField) -> str:
    return f"CAST({_number(field.staged)} AS VARCHAR)" if field.type.name in FRACTIONS else text_of(field)


def _number(staged: str) -> str:
    """A fraction as DOUBLE. Servers do not keep the sign of zero, and `-0.0 + 0.0` is 0.0."""
    return f"(CAST({staged} AS DOUBLE) + CAST(0 AS DOUBLE))"


def _served(field: StageField) -> str:
    column = name(field.name)
    if field.type.name == "string":
        text = f"{column} COLLATE {COLLATION}"  # otherwise columns of several collations cannot be concatenated
        for character, written, _ in SPECIALS if field.is_special else ():
            text = (
                f"REPLACE({text}, {_mysql_character(character)}, '{''.join(_mysql_escape(part) for part in written)}')"
            )
    elif field.type.name == "binary":
        text = f"HEX({column})"
    elif field.type.name in FRACTIONS:
        text = f"HEX(REVERSE(SUBSTR(ST_AsWKB(POINT({column}, 0)), 6, 8)))"
    elif field.type.name in BARE:
        text = column
    else:
        text = f"CAST({column} AS CHAR)"
    return f"IFNULL({text}, '\\\\N')" if field.has_nulls else text


def _ended(value: str) -> str:
    return f"CONCAT({value}, '\\n')"


def _mysql_character(character: str) -> str:
    return f"_utf8mb4 x'{ord(character):02x}'"


def _mysql_escape(character: str) -> str:
    return "\\\\" if character == "\\" else character
