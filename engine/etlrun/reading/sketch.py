"""Inspects a data file for `etlrun new`: its format, its columns and their types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.language.columns import written_name
from etlrun.language.type_texts import parse_type
from etlrun.reading.compression import without_ending
from etlrun.reading.elements import frame_elements, frame_objects
from etlrun.reading.footers import open_footer
from etlrun.reading.json_shapes import JsonShape
from etlrun.reading.partition_folders import partition_folders
from etlrun.reading.quoting import split_record
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import Field, parse_object, read_texts
from etlrun.reading.sketched_text import LINES, SketchedText, sketched_text
from etlrun.spec.dates import DATE_COLUMN, day_path, days_of
from etlrun.spec.scope import is_column_name

DAY = re.compile(r"(?<!\d)(20\d{2})(-?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
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
            return {self.name: written_name(self.name)}
        fields = (name for name, kind in element.fields if not kind.is_nested and is_column_name(name))
        return {name: f"{written_name(self.name)}.{written_name(name)}" for name in fields}

    def members(self) -> dict[str, str]:
        """A name and an expression for each field of a struct that is not a list or object; empty for other types."""
        fields = parse_type(self.type).fields if self.is_nested else ()
        plain = (name for name, kind in fields if not kind.is_nested and is_column_name(f"{self.name}_{name}"))
        return {f"{self.name}_{name}": f"{written_name(self.name)}.{written_name(name)}" for name in plain}


@dataclass(frozen=True)
class Sketch:
    """What a file looks like: its kind, the columns, which object of a record holds them, and the path and month of a source that reads it."""

    kind: str
    columns: tuple[SketchColumn, ...]
    record: str = ""
    form: str = "lines"  # of a JSON file
    separator: str = ","
    encoding: str = "utf-8"
    has_header: bool = True
    unread: tuple[str, ...] = ()  # columns of a type that cannot be read
    partitions: tuple[tuple[str, str], ...] = ()  # the name and type of each column that is in the names of folders
    path: str = ""
    month: str = ""
    missing: int = 0  # days of the month without a file


def sketch_source(file: Path, root: Path) -> Sketch:
    """Inspect `file`; its path is written relative to the project's folder `root`. Raises RunFailure if the columns cannot be found."""
    asked, file = file, _first_file(file)
    found = _content(file)
    folder, values = partition_folders(_shown_path(file, root).parent, root)
    path, month = (str(folder / _any_name(file)), "") if values else _template(_shown_path(asked, root))
    inside = tuple(column for column in found.columns if column.name.lower() not in map(str.lower, values))
    if not inside and found.unread:
        message = f"{file}: `{found.unread[0]}` and all other columns have types that cannot be read"
        raise RunFailure("source", "wrong-columns", message, "write them with other types, such as string or double")
    if not inside:
        raise RunFailure("source", "empty-file", f"{file} has no columns", "name a file with rows")
    named = with_unique_names(inside)
    return replace(
        found,
        columns=with_unique_names(named, [DATE_COLUMN] if month else []),
        has_header=found.kind != "csv" or named == inside,
        partitions=tuple((name, _guess(texts)) for name, texts in values.items()),
        path=path,
        month=month,
        missing=sum(not (root / day_path(path, day)).exists() for day in days_of(month)) if month else 0,
    )


def with_unique_names(columns: Iterable[SketchColumn], others: Iterable[str] = ()) -> tuple[SketchColumn, ...]:
    """Make names unique without regard to case, as a relation needs: later equal names, and those of `others`, get a number."""
    named: list[SketchColumn] = []
    taken = {name.lower() for name in others}
    for place, column in enumerate(columns, 1):
        wanted = column.name if is_column_name(column.name) else f"column_{place}"
        numbered = (f"{wanted[:50]}_{number}" for number in count(2))
        found = next(name for name in chain((wanted,), numbered) if name.lower() not in taken)
        taken.add(found.lower())
        named.append(replace(column, name=found))
    return tuple(named)


def _content(file: Path) -> Sketch:
    """What the content of a file shows, without its path."""
    kind = _kind_of(file)
    if kind == "parquet":
        return _parquet(file)
    text = sketched_text(file)
    return _csv(text) if kind == "csv" else _json(text)


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


def _parquet(file: Path) -> Sketch:
    from etlrun.language.arrow import type_of_arrow

    footer = open_footer(str(file), str(file))
    leaves = map(footer.schema.column, range(footer.metadata.num_columns))
    instants = {leaf.path for leaf in leaves if leaf.physical_type == "INT96"}
    types = {field.name: type_of_arrow(field.type) for field in footer.schema_arrow if field.name}
    columns = (
        SketchColumn(name, "timestamptz" if name in instants else str(kind), name)
        for name, kind in types.items()
        if kind is not None
    )
    return Sketch("parquet", tuple(columns), unread=tuple(name for name, kind in types.items() if kind is None))


def _csv(text: SketchedText) -> Sketch:
    separator = _separator(text)
    records = islice(text.records(separator), LINES)
    try:
        header = split_record(next(records, ""), separator)
    except BrokenRecordError as error:
        fix = "end all lines of the file in the same way, and close the quotes of the header"
        raise RunFailure("source", "wrong-format", f"{text.path}: the header cannot be read: {error}", fix) from error
    values: list[list[str]] = [[] for _ in header]
    for record in records:
        for found, value in zip(values, _split(record, separator), strict=False):
            found += [value] if value else []
    columns = (SketchColumn(name, _guess(found), name) for name, found in zip(header, values, strict=True))
    return Sketch("csv", tuple(columns) if any(header) else (), separator=separator, encoding=text.encoding)


def _separator(text: SketchedText) -> str:
    """The separator of a CSV file: the one that splits its first line into the most values."""
    return max(SEPARATORS, key=lambda separator: len(_split(next(text.records(separator), ""), separator)))


def _split(record: str, separator: str) -> list[str]:
    """The values of a record; none if it is broken."""
    try:
        return split_record(record, separator)
    except BrokenRecordError:
        return []


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


def _json(text: SketchedText) -> Sketch:
    form = _form(text)
    shapes: dict[tuple[str, ...], JsonShape] = {}
    reasons: list[str] = []
    for line in _records(text, form):
        try:
            found = parse_object(line)
        except BrokenRecordError as error:
            reasons.append(str(error))
            continue
        for path, value in _leaves(found, ()):
            shapes.setdefault(path, JsonShape()).see(value)
    if reasons and not shapes:
        message = f"none of {counted(len(reasons), 'record')} can be read ({reasons[0]})"
        raise RunFailure("source", "wrong-format", message, "write one object in each line, or one array in the file")
    types = _types(shapes)
    record = _common_object(types)
    inside = [path for path in types if path[: len(record)] == record] if record else list(types)
    columns = [SketchColumn(_named(path), types[path], _written(path[len(record) :])) for path in inside]
    known = _unlike([column for column in columns if column.path])
    is_flat = any(not column.is_nested or column.element_fields() for column in known)
    columns = known if is_flat else [replace(column, type="") for column in known]
    return Sketch("json", tuple(columns), _written(record), form, encoding=text.encoding)


def _types(shapes: dict[tuple[str, ...], JsonShape]) -> dict[tuple[str, ...], str]:
    """The type at each path. A place that holds objects in some records and other values in others is one column without a type."""
    outer = {path[:length] for path in shapes for length in range(1, len(path))}
    mixed = {path for path in outer if path in shapes and shapes[path].has_values}
    return {
        path: "" if path in mixed else shape.type_text()
        for path, shape in shapes.items()
        if path in mixed or path not in outer
        if not any(path[:length] in mixed for length in range(1, len(path)))
    }


def _records(text: SketchedText, form: str) -> Iterator[str]:
    if form == "document":
        return iter([text.whole()])
    if form == "lines":
        return islice(text.lines(), LINES)
    return islice(text.elements(frame_objects if form == "objects" else frame_elements), LINES)


def _written(path: tuple[str, ...]) -> str:
    """A path as it is written in a specification; empty if a key cannot be written."""
    if any(not key or "'" in key for key in path):
        return ""
    return "".join(f"['{key}']" if set(key) & set(".[]$") else f".{key}" for key in path).removeprefix(".")


def _named(path: tuple[str, ...]) -> str:
    """The name of a column: the last key. The objects `{"$oid": ...}` that MongoDB exports have the name of what holds them."""
    return next((key for key in reversed(path) if not key.startswith("$")), path[-1])


def _form(text: SketchedText) -> str:
    """The `format` of a JSON file: an array starts with `[`, as no line of an object does; the first line of a document is no object."""
    lines = [line for line in islice(text.lines(), LINES) if line.strip()]
    first = lines[0].strip() if lines else ""
    if first.startswith("["):
        return "array"
    if not first.startswith("{") or any(map(_is_object, lines)):
        return "lines"
    if _is_object(text.whole()):
        return "document"
    return "objects" if _is_object(next(text.elements(frame_objects), "")) else "lines"


def _is_object(text: str) -> bool:
    try:
        parse_object(text)
    except BrokenRecordError:
        return False
    return True


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
