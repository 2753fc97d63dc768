"""Inspects a data file for `etlrun new`: its format, its columns and their types."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from etlrun.failures import RunFailure
from etlrun.language.type_texts import parse_type
from etlrun.reading.compression import open_text, without_ending
from etlrun.reading.elements import frame_elements
from etlrun.reading.framing import FramingError, Records
from etlrun.reading.json_shapes import JsonShape
from etlrun.reading.lines import raw_lines
from etlrun.reading.partition_folders import partition_folders
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import Field, parse_object, read_texts
from etlrun.spec.scope import is_column_name

LINES = 5_000  # of a text file that are inspected
LONGEST_DOCUMENT = 64 << 20  # bytes of a file that is inspected as one record
DAY = re.compile(r"(?<!\d)(20\d{2})(-?)(\d{2})\2(\d{2})(?!\d)")
SEPARATORS = (",", ";", "\t", "|")
GUESSES = ("bigint", "double", "boolean", "date", "timestamp")


@dataclass(frozen=True)
class SketchColumn:
    """A column of a file, and the path of its values. Without a type it is read as JSON text."""

    name: str
    type: str
    path: str

    @property
    def is_nested(self) -> bool:
        return self.type.startswith(("array", "struct", "map"))

    def element_fields(self) -> dict[str, str]:
        """The columns after exploding an array: a name and an expression for each value that is not a list or object; empty for other types."""
        element = parse_type(self.type).element if self.is_nested else None
        if element is None:
            return {}
        if not element.is_nested:
            return {self.name: self.name}
        fields = (name for name, kind in element.fields if not kind.is_nested and is_column_name(name))
        return {name: f"{self.name}.{name}" for name in fields}


@dataclass(frozen=True)
class Sketch:
    """What a file looks like: its kind, path and month, which object of a record holds the columns, and the columns."""

    kind: str
    path: str
    month: str
    record: str
    columns: tuple[SketchColumn, ...]
    form: str = "lines"  # of a JSON file
    separator: str = ","
    has_header: bool = True
    partitions: tuple[tuple[str, str], ...] = ()  # the name and type of each column that is in the names of folders


def sketch_source(file: Path, root: Path) -> Sketch:
    """Inspect `file`; its path is written relative to the project's folder `root`. Raises RunFailure if the columns cannot be found."""
    asked, file = file, _first_file(file)
    kind = _kind_of(file)
    form = _form(file) if kind == "json" else "lines"
    record, columns = _json(file, form) if kind == "json" else ("", {"parquet": _parquet, "csv": _csv}[kind](file))
    folder, values = partition_folders(_shown_path(file, root).parent, root)
    path, month = (str(folder / _any_name(file)), "") if values else _template(_shown_path(asked, root))
    inside = [column for column in columns if column.name.lower() not in map(str.lower, values)]
    if not inside:
        raise RunFailure("source", "empty-file", f"{file} has no columns", "name a file with rows")
    separator = _separator(file) if kind == "csv" else ","
    named = with_unique_names(inside)
    has_header = kind != "csv" or named == tuple(inside)
    partitions = tuple((name, _guess(texts)) for name, texts in values.items())
    return Sketch(kind, path, month, record, named, form, separator, has_header, partitions)


def with_unique_names(columns: Iterable[SketchColumn]) -> tuple[SketchColumn, ...]:
    """Make names unique without regard to case, as a relation needs: later equal names get a number."""
    named: list[SketchColumn] = []
    taken: set[str] = set()
    for place, column in enumerate(columns, 1):
        wanted = column.name if is_column_name(column.name) else f"column_{place}"
        numbered = (f"{wanted[:50]}_{number}" for number in count(2))
        found = next(name for name in chain((wanted,), numbered) if name.lower() not in taken)
        taken.add(found.lower())
        named.append(replace(column, name=found))
    return tuple(named)


def _first_file(path: Path) -> Path:
    """The file itself, or the first Parquet file of a folder or of its partitions."""
    if not path.is_dir():
        return path
    return min(path.glob("*.parquet"), default=None) or min(path.rglob("*=*/*.parquet"), default=path)


def _kind_of(file: Path) -> str:
    name = without_ending(file.name)
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


def _shown_path(file: Path, root: Path) -> Path:
    absolute = file.resolve()
    return absolute.relative_to(root.resolve()) if absolute.is_relative_to(root.resolve()) else absolute


def _any_name(file: Path) -> str:
    """A pattern for the names of all files of this format."""
    plain = without_ending(file.name)
    return f"*{Path(plain).suffix}{file.name.removeprefix(plain)}"


def _template(path: Path) -> tuple[str, str]:
    """The path of a source that reads the file of each day, and the month of `path`; the path as it is if its name has no day."""
    found = DAY.search(path.name)
    if not found:
        return str(path), ""
    dash = found.group(2)
    name = f"{path.name[: found.start()]}{{date:yyyy{dash}MM{dash}dd}}{path.name[found.end() :]}"
    return str(path.with_name(name)), f"{found.group(1)}-{found.group(3)}"


def _parquet(file: Path) -> list[SketchColumn]:
    import pyarrow.parquet as pq

    from etlrun.language.arrow import type_of_arrow

    kinds = ((field.name, type_of_arrow(field.type)) for field in pq.ParquetFile(file).schema_arrow)
    return [SketchColumn(name, str(kind), name) for name, kind in kinds if kind is not None and name]


def _csv(file: Path) -> list[SketchColumn]:
    rows = csv.reader(io.StringIO(_beginning(file, LINES)), delimiter=_separator(file))
    header = next(rows, [])
    values: list[list[str]] = [[] for _ in header]
    for row in rows:
        for index, value in enumerate(row[: len(header)]):
            if value:
                values[index].append(value)
    return [SketchColumn(name, _guess(found), name) for name, found in zip(header, values, strict=True)]


def _beginning(file: Path, lines: int) -> str:
    return "\n".join(raw.decode("utf-8", errors="replace") for raw in islice(raw_lines(str(file)), lines)).removeprefix(
        "\ufeff"
    )


def _separator(file: Path) -> str:
    """The separator of a CSV file: the one that splits its first line into the most values."""
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


def _json(file: Path, form: str) -> tuple[str, list[SketchColumn]]:
    """The object in each record that contains the columns, and the columns."""
    shapes: dict[tuple[str, ...], JsonShape] = {}
    for text in _records(file, form):
        try:
            found = parse_object(text)
        except BrokenRecordError:
            continue
        for path, value in _leaves(found, ()):
            shapes.setdefault(path, JsonShape()).see(value)
    record = _common_object(shapes)
    inside = [path for path in shapes if path[: len(record)] == record] if record else list(shapes)
    columns = [SketchColumn(path[-1], shapes[path].type_text(), _written(path[len(record) :])) for path in inside]
    known = _unlike([column for column in columns if column.path])
    is_flat = any(not column.is_nested or column.element_fields() for column in known)
    return _written(record), known if is_flat else [replace(column, type="") for column in known]


def _records(file: Path, form: str) -> Iterator[str]:
    if form == "document":
        return iter([_text(file)])
    found = _elements(file) if form == "array" else raw_lines(str(file))
    return (raw.decode("utf-8", errors="replace") for raw in islice(found, LINES))


def _written(path: tuple[str, ...]) -> str:
    """A path as it is written in a specification; empty if a key cannot be written."""
    if any(not key or "'" in key for key in path):
        return ""
    return "".join(f"['{key}']" if set(key) & set(".[]$") else f".{key}" for key in path).removeprefix(".")


def _form(file: Path) -> str:
    """The `format` of a JSON file: an array starts with `[`, as no line of an object does; the first line of a document is no object."""
    first = next((raw.strip() for raw in raw_lines(str(file)) if raw.strip()), b"")
    if first.startswith(b"["):
        return "array"
    is_split = first.startswith(b"{") and not _is_object(first.decode("utf-8", "replace"))
    return "document" if is_split and _is_object(_text(file)) else "lines"


def _is_object(text: str) -> bool:
    try:
        parse_object(text)
    except BrokenRecordError:
        return False
    return True


def _text(file: Path) -> str:
    """The text of a file, if it is short enough for one record."""
    with file.open("rb") as stream:
        text = open_text(stream, str(file)).read(LONGEST_DOCUMENT)
    return text.decode("utf-8", errors="replace").removeprefix("\ufeff")


def _elements(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as stream:
            for found in frame_elements(open_text(stream, str(file))):
                if isinstance(found, Records):
                    yield from (text.encode() for text in found.texts.to_pylist())
    except FramingError as error:
        raise RunFailure("source", "wrong-format", f"{file}:{error.line}: {error}", error.fix) from error


def _leaves(value: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in value.items():
        path = (*above, name)
        if isinstance(inner, dict):
            yield from _leaves(inner, path)
        else:
            yield path, inner


def _common_object(paths: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The object that contains the columns, if the outer objects only wrap it, such as `_source` of a search index."""
    outer = {path[:1] for path in paths if len(path) > 1}
    wrapping = all(path[0].startswith("_") for path in paths if len(path) == 1)
    return next(iter(outer)) if len(outer) == 1 and wrapping else ()


def _unlike(columns: list[SketchColumn]) -> list[SketchColumn]:
    """The columns with different names: where two paths end in the same key, the names are all keys of the path, joined."""
    names = [column.name.lower() for column in columns]
    return [
        replace(column, name=column.path.replace(".", "_")) if names.count(column.name.lower()) > 1 else column
        for column in columns
    ]
