"""Encodes rows as lines for COPY, and as text for the fingerprint: 48 bits of the MD5 of a row, as an integer.

DuckDB writes the lines of the stage, the server those of what it stores. For fractions the fingerprint takes the 8 bytes of the number.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from etlrun.connections._postgres.words import name
from etlrun.warehouse.stage import Encoding, StageField
from etlrun.warehouse.text_lines import FRACTIONS, SPECIALS, bits_of, escaped, line, text_of


def encoding(fields: tuple[StageField, ...]) -> Encoding:
    """How rows of the stage are encoded."""
    proved = line([_proved(each) for each in fields])
    return Encoding((line([_sent(each) for each in fields]),), f"CAST('0x' || md5({proved})[1:12] AS BIGINT)", _sum)


def fingerprint(fields: tuple[StageField, ...]) -> str:
    """The fingerprint of a row that the server stores.

    If the stage has no NULL in a column, a NULL that the server stores is left out of its line; the line then has a tab too few to be equal.
    """
    values = ", ".join(_served(each) for each in fields)
    return f"('x' || left(md5(concat_ws(E'\\t', {values}) || E'\\n'), 12))::bit(48)::bigint"


def literal(field: StageField) -> str:
    """A DuckDB expression that writes a value as a quoted text, to which PostgreSQL gives the type of the compared column."""
    plain = _number_text(field) if field.type.name in FRACTIONS else text_of(field)
    value = f"'\\x' || {plain}" if field.type.name == "binary" else f"replace({plain}, '''', '''''')"
    return f"coalesce('''' || {value} || '''', 'NULL')"


def _sent(field: StageField) -> str:
    if field.type.name in FRACTIONS:
        return _number_text(field)
    if field.type.name == "binary":
        return f"'\\\\x' || {text_of(field)}"
    return escaped(field, text_of(field))


def _proved(field: StageField) -> str:
    if field.type.name in FRACTIONS:
        return f"lower({bits_of(_number(field))})"
    if field.type.name == "binary":
        return f"lower({text_of(field)})"
    return escaped(field, text_of(field))


def _number(field: StageField) -> str:
    """A float as DOUBLE, with a single form of NaN."""
    number = f"CAST({field.staged} AS DOUBLE)"
    return f"CASE WHEN isnan({number}) THEN CAST('nan' AS DOUBLE) ELSE {number} END"


def _number_text(field: StageField) -> str:
    return f"CASE WHEN isnan({field.staged}) THEN 'NaN' ELSE CAST({field.staged} AS VARCHAR) END"


def _served(field: StageField) -> str:
    column = name(field.name)
    if field.type.name == "string":
        text = column
        for character, written, _ in SPECIALS if field.is_special else ():
            if character != "\0":  # which PostgreSQL cannot store
                text = f"replace({text}, chr({ord(character)}), '{written}')"
    elif field.type.name == "boolean":
        text = f"{column}::int::text"
    elif field.type.name == "binary":
        text = f"encode({column}, 'hex')"
    elif field.type.name in FRACTIONS:
        text = f"encode(float8send({column}::float8), 'hex')"
    elif field.type.name in ("timestamp", "timestamptz"):
        text = f"to_char({column}, 'YYYY-MM-DD HH24:MI:SS.US')"
    elif field.has_nulls:
        text = f"{column}::text"
    else:
        text = column  # concat_ws writes the same text, in less time
    return f"coalesce({text}, '\\N')" if field.has_nulls else text


def _sum(numbers: pa.Array) -> int:
    return int(pc.sum(numbers).as_py())
