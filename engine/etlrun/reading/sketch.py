"""A look at a data file, and the pipeline that reads it: what a person starts to edit."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from etlrun.failures import RunFailure
from etlrun.language.type_texts import parse_type
from etlrun.reading.compression import open_text, without_ending
from etlrun.reading.elements import frame_elements
from etlrun.reading.framing import FramingError, Records
from etlrun.reading.lines import raw_lines
from etlrun.reading.record_values import BrokenRecordError, JsonNumber
from etlrun.reading.records import Field, parse_object, read_texts
from etlrun.spec.scope import is_column_name

LINES = 5_000  # of a text file that are looked at
DAY = re.compile(r"(?<!\d)(20\d{2})(-?)(\d{2})\2(\d{2})(?!\d)")
SEPARATORS = (",", ";", "\t", "|")
GUESSES = ("bigint", "double", "boolean", "date", "timestamp")


@dataclass(frozen=True)
class Sketch:
    """What a file looks like: its kind, path and month, where its records stand, and its columns, each with its path."""

    kind: str
    path: str
    month: str
    record: str
    columns: tuple[tuple[str, str, str], ...]
    is_array: bool = False
    separator: str = ","
    has_header: bool = True


def sketch_source(file: Path, root: Path) -> Sketch:
    """Look at `file`, whose path is written relative to the project's folder `root`. Raises RunFailure for a file that says nothing."""
    kind = _kind_of(file)
    record, columns = {"parquet": _parquet, "csv": _csv, "json": _json}[kind](file)
    if not columns:
        raise RunFailure("source", "empty-file", f"{file} has no columns", "name a file with rows")
    path, month = _template(file, root, kind)
    separator = _separator(file) if kind == "csv" else ","
    named = with_unique_names(columns)
    has_header = kind != "csv" or named == tuple(columns)
    return Sketch(kind, path, month, record, named, kind == "json" and _is_array(file), separator, has_header)


def with_unique_names(columns: Iterable[tuple[str, str, str]]) -> tuple[tuple[str, str, str], ...]:
    """The columns with names that a relation may have, in which case does not count: of equal ones the later have a number."""
    named: list[tuple[str, str, str]] = []
    taken: set[str] = set()
    for place, (column, kind, path) in enumerate(columns, 1):
        wanted = column if is_column_name(column) else f"column_{place}"
        numbered = (f"{wanted[:50]}_{number}" for number in count(2))
        found = next(name for name in chain((wanted,), numbered) if name.lower() not in taken)
        taken.add(found.lower())
        named.append((found, kind, path))
    return tuple(named)


def write_pipeline(name: str, sketch: Sketch, connection: str, schema: str) -> str:
    """The text of a pipeline that reads what was sketched and publishes it; editors find its schema at the path `schema`, unless it is empty."""
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"pipeline: {name}", f"description: {json.dumps(f'The rows of {sketch.path}.', ensure_ascii=False)}", ""]
    if sketch.month:
        lines += ["params:", f"  month: {{type: month, default: {sketch.month}}}", ""]
    lines += ["sources:", "  rows:", f"    {sketch.kind}:", f"      path: {_scalar(sketch.path)}"]
    lines += ["      dates: $month"] if sketch.month else []
    lines += [f"      separator: {json.dumps(sketch.separator)}"] if sketch.separator != "," else []
    lines += ["      format: array"] if sketch.is_array else []
    lines += (
        []
        if sketch.has_header
        else ["      header: no", "      skip_lines: 1        # the header: its names cannot be used"]
    )
    lines += [f"      record: {_scalar(sketch.record)}"] if sketch.record else []
    lines += ["      columns:"]
    for column, kind, path in sketch.columns:
        is_renamed = path != column and sketch.has_header
        value = f"{{path: {_scalar(path)}, type: {_scalar(kind)}}}" if is_renamed else _scalar(kind)
        lines.append(f"        {_scalar(column)}: {value}")
    lists = [column for column, kind, _ in sketch.columns if kind.startswith(("array", "struct"))]
    lines += ["", "steps:", f"  {name}:", "    - from: rows        # next: filter, derive, aggregate, ..."]
    lines += (
        [
            f"    - drop: [{', '.join(map(_scalar, lists))}]        # a table holds no lists: `explode` them, or make them text"
        ]
        if lists
        else []
    )
    lines += ["", "checks:", f"  {name}:", "    - row_count: {min: 1}", ""]
    lines += ["sinks:", f"  {name}:", f"    table: {{from: {name}, connection: {connection}, write: replace}}", ""]
    return "\n".join(lines)


def _kind_of(file: Path) -> str:
    name = (
        without_ending(file.name)
        if not file.is_dir()
        else next((found.name for found in sorted(file.glob("*.parquet"))), "")
    )
    kinds = {".parquet": "parquet", ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
    kind = kinds.get(Path(name).suffix.lower())
    if kind is None:
        raise RunFailure(
            "usage",
            "unknown-format",
            f"the name of {file} is not that of a CSV, JSON or Parquet file",
            "its name must end in .csv, .json or .parquet",
        )
    return kind


def _template(file: Path, root: Path, kind: str) -> tuple[str, str]:
    absolute = file.resolve()
    path = absolute.relative_to(root.resolve()) if absolute.is_relative_to(root.resolve()) else absolute
    found = DAY.search(path.name)
    if not found:
        return str(path), ""
    dash = found.group(2)
    name = f"{path.name[: found.start()]}{{date:yyyy{dash}MM{dash}dd}}{path.name[found.end() :]}"
    return str(path.with_name(name)), f"{found.group(1)}-{found.group(3)}"


def _parquet(file: Path) -> tuple[str, list[tuple[str, str, str]]]:
    import pyarrow.parquet as pq

    from etlrun.language.arrow import type_of_arrow

    first = sorted(file.glob("*.parquet"))[0] if file.is_dir() else file
    kinds = ((field.name, type_of_arrow(field.type)) for field in pq.ParquetFile(first).schema_arrow)
    return "", [(name, str(kind), name) for name, kind in kinds if kind is not None and name]


def _csv(file: Path) -> tuple[str, list[tuple[str, str, str]]]:
    rows = csv.reader(io.StringIO(_beginning(file, LINES)), delimiter=_separator(file))
    header = next(rows, [])
    values: list[list[str]] = [[] for _ in header]
    for row in rows:
        for index, value in enumerate(row[: len(header)]):
            if value:
                values[index].append(value)
    return "", [(name, _guess(found), name) for name, found in zip(header, values, strict=True)]


def _beginning(file: Path, lines: int) -> str:
    return "\n".join(raw.decode("utf-8", errors="replace") for raw in islice(raw_lines(str(file)), lines)).removeprefix(
        "\ufeff"
    )


def _separator(file: Path) -> str:
    """What stands between the values of a CSV file: what parts its first line into the most of them."""
    header = _beginning(file, 1)
    return max(SEPARATORS, key=lambda separator: len(next(csv.reader([header], delimiter=separator), [])))


def _guess(values: list[str]) -> str:
    """The narrowest type that every text fits; text with leading zeros stays text."""
    if not values or any(re.fullmatch(r"0\d+", value) for value in values):
        return "string"
    for guess in GUESSES:
        field = Field("value", ("value",), parse_type(guess), False)
        try:
            for value in values:
                read_texts([value], [field])
        except BrokenRecordError:
            continue
        return guess
    return "string"


def _json(file: Path) -> tuple[str, list[tuple[str, str, str]]]:
    kinds: dict[tuple[str, ...], set[str]] = {}
    for raw in islice(_elements(file) if _is_array(file) else raw_lines(str(file)), LINES):
        try:
            found = parse_object(raw.decode("utf-8", errors="replace"))
        except BrokenRecordError:
            continue
        for path, kind in _leaves(found, ()):
            kinds.setdefault(path, set()).add(kind)
    record = _common_object(kinds)
    inside = [path for path in kinds if path[: len(record)] == record] if record else list(kinds)
    columns = [(path[-1], _shared(kinds[path]), _written(path[len(record) :])) for path in inside]
    return _written(record), _unlike([column for column in columns if column[2]])


def _written(path: tuple[str, ...]) -> str:
    """A path as a specification has it; nothing where a key cannot be written."""
    if any(not key or "'" in key for key in path):
        return ""
    return "".join(f"['{key}']" if set(key) & set(".[]$") else f".{key}" for key in path).removeprefix(".")


def _is_array(file: Path) -> bool:
    """Whether the text starts with `[`: no line of an object does."""
    first = next((raw.strip() for raw in raw_lines(str(file)) if raw.strip()), b"")
    return first.startswith(b"[")


def _elements(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            for found in frame_elements(open_text(stream, str(file))):
                if isinstance(found, Records):
                    yield from (text.encode() for text in found.texts.to_pylist())
    except FramingError as error:
        raise RunFailure("source", "wrong-format", f"{file}:{error.line}: {error}", error.fix) from error


def _leaves(value: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, inner in value.items():
        path = (*above, name)
        if isinstance(inner, dict):
            yield from _leaves(inner, path)
        elif isinstance(inner, list):
            yield path, "array<string>"
        elif isinstance(inner, JsonNumber):
            yield path, "bigint" if re.fullmatch(r"-?\d{1,18}", inner) else "double"
        else:
            yield path, "null" if inner is None else "boolean" if isinstance(inner, bool) else "string"


def _common_object(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The object that holds the columns, where the others only wrap it: `_source` of a search index."""
    outer = {path[:1] for path in paths if len(path) > 1}
    wrapping = all(path[0].startswith("_") for path in paths if len(path) == 1)
    return next(iter(outer)) if len(outer) == 1 and wrapping else ()


def _shared(kinds: set[str]) -> str:
    known = kinds - {"null"}
    if known <= {"bigint", "double"} and known:
        return "double" if "double" in known else "bigint"
    return known.pop() if len(known) == 1 else "string"


def _unlike(columns: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The columns with a name of their own each: the path's keys joined, where two end alike."""
    names = [name.lower() for name, _, _ in columns]
    return [
        (path.replace(".", "_") if names.count(name.lower()) > 1 else name, kind, path) for name, kind, path in columns
    ]


def _scalar(text: str) -> str:
    """A YAML scalar, quoted where it must be."""
    plain = re.fullmatch(r"[A-Za-z_./$][\w ./${}:-]*", text) and ": " not in text and not text.endswith((":", " "))
    words = ("true", "false", "null", "yes", "no", "on", "off")
    needs_quotes = not plain or text.lower() in words or text.startswith("{")
    return json.dumps(text, ensure_ascii=False) if needs_quotes else text
