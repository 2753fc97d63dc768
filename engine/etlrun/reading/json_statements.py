"""The statements with which DuckDB reads JSON lines: typed values where they are certain, the raw line for the exact reader where not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, parquet_in, text
from etlrun.reading.lookalikes import look_of
from etlrun.reading.records import MAX_NESTING, Field
from etlrun.reading.rows import FILE, INCOMING, LINE, RAW, constant_name, typed_rows
from etlrun.reading.screening import TAME
from etlrun.reading.spellings import doubtful, leaf_shape, unsure_json, value_of


def strict_statement(columns: Columns, fields: Sequence[Field]) -> str:
    """One pass over all records. A record in which a declared key is missing or repeated is left to the second pass."""
    parsed = f"TRY(json_transform_strict(l, {_shape_text(fields)}))"
    return _rows(f"SELECT * FROM {INCOMING}", parsed, "false", columns, fields)


def patient_statement(left: Path, columns: Columns, fields: Sequence[Field]) -> str:
    """One pass over the records in `left`, which the strict statement did not read. It reads those whose only flaw is a missing key."""
    constants = (f"{name(item.name)} AS {constant_name(item)}" for item in columns.items[len(fields) :])
    of_record = (f"{name(RAW)} AS l", f"{name(LINE)} AS line", f"{name(FILE)} AS file", f"false AS {TAME}")
    records = f"SELECT {', '.join((*of_record, *constants))} FROM {parquet_in(left)} WHERE {name(RAW)} IS NOT NULL"
    parsed = f"TRY(json_transform(l, {_shape_text(fields)}))"
    return _rows(records, parsed, " OR ".join(_more_than_absent(fields)), columns, fields)


def _rows(records: str, parsed: str, open_: str, columns: Columns, fields: Sequence[Field]) -> str:
    """The typed rows. The UNNEST keeps DuckDB from parsing a record again for every use of it."""
    leaves = ", ".join(f"{_member(item.keys)} AS {name(f'v{index}')}" for index, item in enumerate(fields))
    typed = ", ".join(
        f"{value_of(name(f'v{index}'), item.type)} AS {name(f't{index}')}" for index, item in enumerate(fields)
    )
    doubts = " OR ".join(doubtful(name(f"v{index}"), name(f"t{index}"), item) for index, item in enumerate(fields))
    unsure = f"CASE WHEN {TAME} THEN false ELSE regexp_matches(l, {text('|'.join(unsure_json(fields)))}) END"
    doubt = f"(u IS NULL OR {unsure} OR {_NESTS} OR {doubts} OR {open_})"
    found = f"SELECT {leaves}, * FROM (SELECT *, unnest([{parsed}]) AS u FROM ({records}))"
    values = {item.name: name(f"t{index}") for index, item in enumerate(fields)}
    return typed_rows(values, columns, f"SELECT *, {doubt} AS doubt FROM (SELECT *, {typed} FROM ({found}))")


# Whether a record may nest too deeply; a short one cannot.
_NESTS = f"CASE WHEN strlen(l) > {2 * MAX_NESTING} THEN strlen(l) - strlen(replace(replace(l, '{{', ''), '[', '')) > {MAX_NESTING} ELSE false END"


def _more_than_absent(fields: Sequence[Field]) -> Iterator[str]:
    """What a line with missing keys must not contain, because DuckDB's lenient reader would ignore it."""
    yield "NOT starts_with(ltrim(l), '{')"
    yield "contains(l, '\\u')"  # a key could be written with escapes
    for path in dict.fromkeys(item.keys[:-1] for item in fields if len(item.keys) > 1):
        yield f"{_member(path)} IS NULL"
    for index, item in enumerate(fields):
        key = json.dumps(item.keys[-1], ensure_ascii=False)
        line = "lower(l)" if key.isascii() else "nfc_normalize(lower(l))"
        yield f"(contains({line}, {text(look_of(key))}) AND {name(f'v{index}')} IS NULL)"
        yield f"(len(l) - len(replace(l, {text(key)}, '')) > {len(key)})"


def _member(path: Sequence[str]) -> str:
    return ".".join(("u", *(name(part) for part in path)))


def _shape_text(fields: Sequence[Field]) -> str:
    shape: dict[str, Any] = {}
    for item in fields:
        inside = shape
        for part in item.keys[:-1]:
            inside = inside.setdefault(part, {})
        inside[item.keys[-1]] = leaf_shape(item.type)
    return text(json.dumps(shape, ensure_ascii=False))
