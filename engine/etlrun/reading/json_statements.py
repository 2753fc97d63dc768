"""The statements by which DuckDB takes JSON lines: typed values where they are beyond doubt, the raw line where they are not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, text
from etlrun.reading.inventory import InputFile
from etlrun.reading.records import Field
from etlrun.reading.rows import FILE, RAW
from etlrun.reading.spellings import doubtful, leaf_shape, value_of

MAX_LINE = 64_000_000
_TRAILING_COMMA = r",\s*[}\]]"  # which DuckDB's reader lets pass


def strict_statement(files: Sequence[InputFile], columns: Columns, fields: Sequence[Field], target: Path) -> str:
    """One pass over all lines of text files; a line in which a declared key is absent or twice stays open."""
    paths = ", ".join(text(file.path) for file in files)
    lines = (
        f"SELECT l, filename AS f FROM read_csv([{paths}], columns = {{l: 'VARCHAR'}}, delim = chr(1), quote = '', escape = '', header = false, "
        f"auto_detect = false, filename = true, max_line_size = {MAX_LINE})"
    )
    return _copy(
        lines, f"TRY(json_transform_strict(l, {_shape_text(fields)}))", "false", files, columns, fields, target
    )


def patient_statement(
    left: Path, files: Sequence[InputFile], columns: Columns, fields: Sequence[Field], target: Path
) -> str:
    """One pass over the lines that the strict statement left open in `left`: those stay open in which more is wrong than an absent key."""
    lines = f"SELECT {name(RAW)} AS l, {name(FILE)} AS f FROM read_parquet({text(str(left / '*.parquet'))}) WHERE {name(RAW)} IS NOT NULL"
    return _copy(
        lines,
        f"TRY(json_transform(l, {_shape_text(fields)}))",
        " OR ".join(_more_than_absent(fields)),
        files,
        columns,
        fields,
        target,
    )


def _copy(
    lines: str,
    parsed: str,
    open_: str,
    files: Sequence[InputFile],
    columns: Columns,
    fields: Sequence[Field],
    target: Path,
) -> str:
    """The UNNEST keeps DuckDB from parsing a line once for every use of it."""
    leaves = ", ".join(f"{_member(item.path)} AS {name(f'v{index}')}" for index, item in enumerate(fields))
    doubts = " OR ".join(doubtful(name(f"v{index}"), item) for index, item in enumerate(fields))
    values = [f"{value_of(name(f'v{index}'), item.type)} AS {name(item.name)}" for index, item in enumerate(fields)]
    if len(columns) > len(fields):
        values.append(f"{name('day')} AS {name(columns.items[-1].name)}")
    doubt = f"(u IS NULL OR regexp_matches(l, {text(_TRAILING_COMMA)}) OR {doubts} OR {open_})"
    days = ", ".join(
        f"({text(file.path)}, {f'DATE {text(str(file.date))}' if file.date else 'NULL::DATE'})" for file in files
    )
    return (
        f"COPY (SELECT {', '.join(values)}, CASE WHEN doubt THEN coalesce(l, '') END AS {name(RAW)}, CASE WHEN doubt THEN f END AS {name(FILE)} "
        f"FROM (SELECT *, {doubt} AS doubt FROM (SELECT {leaves}, l, f, u FROM (SELECT l, f, unnest([{parsed}]) AS u FROM ({lines})))) "
        f"JOIN (VALUES {days}) AS days(f, day) USING (f)) TO {text(str(target))} (FORMAT parquet, PER_THREAD_OUTPUT true, FILE_EXTENSION 'parquet')"
    )


def _more_than_absent(fields: Sequence[Field]) -> Iterator[str]:
    """What must not be the case in a line whose absent keys are nulls; DuckDB's lenient reader would pass over all of it."""
    yield "NOT starts_with(ltrim(l), '{')"
    yield "contains(l, '\\u')"  # a key could be spelled by escapes
    for path in dict.fromkeys(item.path[:-1] for item in fields if len(item.path) > 1):
        yield f"{_member(path)} IS NULL"
    for index, item in enumerate(fields):
        key = json.dumps(item.path[-1], ensure_ascii=False)
        yield f"(contains(lower(l), {text(key.lower())}) AND {name(f'v{index}')} IS NULL)"
        yield f"(len(l) - len(replace(l, {text(key)}, '')) > {len(key)})"


def _member(path: Sequence[str]) -> str:
    return ".".join(("u", *(name(part) for part in path)))


def _shape_text(fields: Sequence[Field]) -> str:
    shape: dict[str, Any] = {}
    for item in fields:
        inside = shape
        for part in item.path[:-1]:
            inside = inside.setdefault(part, {})
        inside[item.path[-1]] = leaf_shape(item.type)
    return text(json.dumps(shape, ensure_ascii=False))
