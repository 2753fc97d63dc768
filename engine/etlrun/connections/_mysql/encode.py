r"""Rows as text: the lines that LOAD DATA reads, the tuples that INSERT takes, and the text whose checksum is compared.

A line holds the values of a row with a tab between and a line feed at the end. NULL is `\N`, and in texts backslash, tab, line
feed, carriage return and NUL are written `\\ \t \n \r \0`. The checksum of rows is the sum of the CRC-32 of their lines: DuckDB
writes the lines of the stage, the server those of what it stores, and the two sums are equal only if all values are. For DOUBLE,
whose digits servers write in their own ways, the checksum takes the 8 bytes of the number (big-endian, hexadecimal) instead of its
text; the server gives them as part of the binary form of a point. Each value is an SQL expression here, for DuckDB or the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from etlrun.connections._mysql.types import COLLATION
from etlrun.connections._mysql.words import name
from etlrun.language.columns import Type
from etlrun.language.duckdb_words import text as _duckdb_text

SPECIALS = (("\\", "\\\\", 92), ("\t", "\\t", 9), ("\n", "\\n", 10), ("\r", "\\r", 13), ("\0", "\\0", 0))
FRACTIONS = ("float", "double")
BARE = ("boolean", "tinyint", "smallint", "int", "bigint")


@dataclass(frozen=True)
class Field:
    """A column on its way: its name in the table, its type, and its name in the stage.

    `is_special` says that a text of the stage holds a character that a line escapes, `has_nulls` that one of its values is NULL.
    """

    name: str
    type: Type
    staged: str
    is_special: bool
    has_nulls: bool


def has_special(staged: str) -> str:
    """Whether a text of the stage must be escaped in a line."""
    return " OR ".join(f"contains({staged}, chr({code}))" for _, _, code in SPECIALS)


def line(fields: tuple[Field, ...]) -> str:
    """A row as LOAD DATA reads it."""
    return _line([f"coalesce({_plain(field)}, '\\N')" for field in fields])


def proof_line(fields: tuple[Field, ...]) -> str:
    """A row as the checksum takes it; the same as `line` where no column is a fraction."""
    return _line(
        [
            f"coalesce({_bits(field.staged) if field.type.name in FRACTIONS else _plain(field)}, '\\N')"
            for field in fields
        ]
    )


def server_line(fields: tuple[Field, ...]) -> str:
    """The row that the server stores, as the checksum takes it.

    Where the stage has no NULL, one that the server stores is left out of its line, which then has a tab too few for any line of the stage.
    """
    values = [_served(field) for field in fields]
    return f"CONCAT_WS('\\t', {', '.join([*values[:-1], _ended(values[-1])])})"


def values(fields: tuple[Field, ...]) -> str:
    """A row as INSERT takes it, without the parentheses."""
    return f"concat_ws(',', {', '.join(literal(field) for field in fields)})"


def literal(field: Field) -> str:
    """A value as a literal of MySQL, quoted unless it is a whole number: `2022-04-01` without quotes is 2017.

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


def equality(field: Field) -> str:
    """The condition of the server that a column has the value of the row: `a`=1. An index answers it.

    Texts are compared byte by byte besides: to a collation `abc` and `abc ` are equal. A decimal has no quotes, or the server
    might compare it as DOUBLE.
    """
    column = name(field.name)
    value = f"coalesce({_text(field)}, 'NULL')" if field.type.name == "decimal" else literal(field)
    parts = [_duckdb_text(f"{column}="), value]
    if field.type.name == "string":
        parts += [_duckdb_text(f" AND CAST({column} AS BINARY)=CAST("), value, _duckdb_text(" AS BINARY)")]
    return f"concat({', '.join(parts)})"


def _line(parts: list[str]) -> str:
    return f"concat({', chr(9), '.join(parts)}, chr(10))"


def _plain(field: Field) -> str:
    """A value as its line has it; NULL where it is null."""
    text = _text(field)
    if field.is_special:
        for _, written, code in SPECIALS:
            text = f"replace({text}, chr({code}), chr(92) || {_duckdb_character(written[1])})"
    return text


def _text(field: Field) -> str:
    """A value as text, before anything is escaped."""
    staged, kind = field.staged, field.type
    if kind.name == "string":
        return staged
    if kind.name == "boolean":
        return f"CAST(CAST({staged} AS INTEGER) AS VARCHAR)"
    if kind.name in FRACTIONS:
        return f"CAST({_number(staged)} AS VARCHAR)"
    if kind.name == "decimal" and kind.precision == kind.scale:  # DuckDB leaves out the zero before the point
        return f"CAST(CAST({staged} AS DECIMAL({kind.precision + 1}, {kind.scale})) AS VARCHAR)"
    if kind.name == "timestamp":
        return f"strftime({staged}, '%Y-%m-%d %H:%M:%S.%f')"
    if kind.name == "binary":
        return f"hex({staged})"
    return f"CAST({staged} AS VARCHAR)"


def _bits(staged: str) -> str:
    return f"hex(CAST(CAST({_number(staged)} AS BIT) AS BLOB))"


def _number(staged: str) -> str:
    """A fraction as DOUBLE. Servers do not keep the sign of zero, and `-0.0 + 0.0` is 0.0."""
    return f"(CAST({staged} AS DOUBLE) + CAST(0 AS DOUBLE))"


def _served(field: Field) -> str:
    column = name(field.name)
    if field.type.name == "string":
        text = f"{column} COLLATE {COLLATION}"  # or columns of several collations could not stand in one line
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


def _duckdb_character(character: str) -> str:
    return "chr(92)" if character == "\\" else f"'{character}'"


def _mysql_character(character: str) -> str:
    return f"_utf8mb4 x'{ord(character):02x}'"


def _mysql_escape(character: str) -> str:
    return "\\\\" if character == "\\" else character
