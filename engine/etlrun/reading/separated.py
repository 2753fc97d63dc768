"""Reads files of separated values (CSV) into Parquet: the header of every file, and its records."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from etlrun.contracts.source import InputFile, ReadRequest, ReadResult
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from etlrun.language.duckdb_words import name, type_name
from etlrun.reading.absences import refuse_absence
from etlrun.reading.encodings import OTHER_ENCODING, why_undecodable
from etlrun.reading.lines import LongLine
from etlrun.reading.lookalikes import look_of
from etlrun.reading.opened import records_in
from etlrun.reading.quoting import RecordFramer, split_record
from etlrun.reading.record_values import BrokenRecordError
from etlrun.reading.records import Field, read_texts
from etlrun.reading.rows import INCOMING, typed_rows
from etlrun.reading.spellings import doubtful_text, value_of_text
from etlrun.reading.splitting import Splitter
from etlrun.reading.tame_files import LineRules
from etlrun.reading.text_files import Form
from etlrun.reading.text_reader import text_reader


@dataclass(frozen=True)
class Separated:
    """The separator, whether a header follows the first `skip` lines, the most lines of a record, and the columns that may be absent."""

    separator: str
    has_header: bool
    max_lines: int
    optional: frozenset[str] = frozenset()
    skip: int = 0

    def framer(self) -> RecordFramer:
        """The framer that splits a file into records, including the header."""
        return RecordFramer(self.separator, self.max_lines, self.skip)


def read_separated(order: ReadRequest, columns: Columns, fields: Sequence[Field], how: Separated) -> ReadResult:
    """Read the files of `order` into Parquet below its folder.

    Raises RunFailure for a file that lacks a declared column, is truncated or cannot be read.
    """
    files = order.inventory.files
    headers = {file.path: _header(file, fields, how) for file in files}
    _refuse_absences(order, fields, headers)
    with text_reader(order, columns) as reader:
        for header, group in groupby(files, key=lambda file: headers[file.path]):
            reader.read(tuple(group), _form(columns, fields, header, how))
        return reader.read_result()


def _form(columns: Columns, fields: Sequence[Field], header: Sequence[str], how: Separated) -> Form:
    places = {found: index for index, found in enumerate(header)}
    names = {item.name: item.keys[-1] if how.has_header else item.name for item in fields}
    present = tuple(item for item in fields if names[item.name] in places)
    positions = [places[names[item.name]] for item in present]
    lacking = {item.name for item in fields} - {item.name for item in present}
    width = len(header)

    def judge(text: str) -> tuple[Any, ...] | None:
        if not text:
            return None
        values = split_record(text, how.separator)
        if len(values) != width:
            kind = "fewer" if len(values) < width else "more"
            where = "the header has" if how.has_header else "columns are declared"
            raise BrokenRecordError(f"{kind} values than {where} ({len(values)} instead of {width})")
        read = read_texts([values[position] or None for position in positions], present)
        if not lacking:
            return read
        found = dict(zip((item.name for item in present), read, strict=True))
        return tuple(found.get(item.name) for item in fields)

    return Form(
        how.framer(),
        judge,
        _statement(columns, present, lacking),
        Splitter(how.separator, width, positions),
        rules=LineRules(meaningful=b'"'),
        skip=how.skip,
        has_header=how.has_header,
        header=tuple(header) if how.has_header else (),
        lacking=tuple(item.keys[-1] for item in fields if item.name in lacking),
    )


def _statement(columns: Columns, fields: Sequence[Field], lacking: Collection[str]) -> str:
    """The statement with which DuckDB reads the values: typed where they are certain, the record for the exact reader where not.

    It is one pass over all records, whose columns `v0`, `v1`, ... are the values of the fields where `is_split` is true.

    The columns `lacking` are null.
    """
    found = [(name(f"v{index}"), name(f"t{index}"), item) for index, item in enumerate(fields)]
    typed = [f"{value_of_text(value, item.type)} AS {result}" for value, result, item in found]
    doubts = " OR ".join(("NOT is_split", "l = ''", *(doubtful_text(*each) for each in found)))
    absent = {item.name: f"CAST(NULL AS {type_name(item.type)})" for item in columns if item.name in lacking}
    values = {**absent, **{item.name: result for _, result, item in found}}
    records = f"SELECT {', '.join(('*', *typed))} FROM {INCOMING}"
    return typed_rows(values, columns, f"SELECT *, ({doubts}) AS doubt FROM ({records})")


def _shown(separator: str) -> str:
    """A separator as YAML writes it."""
    return '"\\t"' if separator == "\t" else f'"{separator}"'


def _header(file: InputFile, fields: Sequence[Field], how: Separated) -> tuple[str, ...]:
    """The names in a file's header. Raises RunFailure if a declared column is not among them."""
    if not how.has_header:
        return tuple(item.name for item in fields)
    if file.part is not None:
        return file.part.header
    names = _names(file, how)
    known = set(names)
    missing = [item for item in fields if item.keys[-1] not in known]
    _refuse_lookalike(file, missing, sorted(known - {item.keys[-1] for item in fields}))
    _refuse_missing(file, [item.name for item in missing if item.name not in how.optional], names)
    double = next((item.keys[-1] for item in fields if names.count(item.keys[-1]) > 1), None)
    if double is not None:
        fix = f"give the columns different names; or name every column here, in the order of the file: `header: no, skip_lines: {how.skip + 1}`"
        raise RunFailure("source", "double-column", f"{file.path}: `{double}` occurs twice in the header", fix)
    return names


def _refuse_lookalike(file: InputFile, missing: Sequence[Field], others: Sequence[str]) -> None:
    """Raises RunFailure for a missing column, optional or not, if one of the `others` in the header looks like it."""
    alike = {look_of(other): other for other in others} if missing else {}
    for item in missing:
        column = item.keys[-1]
        other = alike.get(look_of(column))
        if other is not None:
            how = (
                "in other letter case"
                if other.lower() == column.lower()
                else "with other characters that look the same"
            )
            fix = f"the header spells `{column}` {how}: `path: {json.dumps(other)}`"
            raise RunFailure("source", "missing-column", f"{file.path}: the header has no `{column}`", fix)


def _refuse_missing(file: InputFile, missing: Sequence[str], names: Sequence[str]) -> None:
    if not missing:
        return
    other = next((mark for mark in OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), "")
    if other:
        message = f"{file.path}: the header has only one name, `{names[0][:80]}`"
        fix = f"the file seems to use another separator: `separator: {_shown(other)}`"
        raise RunFailure("source", "missing-column", message, fix)
    found = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
    raise RunFailure(
        "source",
        "missing-column",
        f"{file.path}: the header has no {', '.join(f'`{name}`' for name in missing)}",
        f"it has {found or 'no names at all'}; `path:` sets the name of a column in the file, and `optional: true` allows files without the column",
    )


def _refuse_absences(order: ReadRequest, fields: Sequence[Field], headers: Mapping[str, tuple[str, ...]]) -> None:
    """Raises RunFailure for a column that no file has."""
    known = [frozenset(header) for header in headers.values()]
    for item in fields:
        column = item.keys[-1]
        lacking = sum(column not in names and item.name not in names for names in known)
        refuse_absence(order.name, column, lacking, order.files or len(known))


SHOWN = 50  # at most so many names of a header are shown in a message
OTHER_SEPARATORS = (";", "\t", "|", ",")


def _names(file: InputFile, how: Separated) -> tuple[str, ...]:
    found = next((some for some in records_in(file, how.framer()) if isinstance(some, LongLine) or len(some)), None)
    if found is None:
        return ()
    if isinstance(found, LongLine):
        raise RunFailure(
            "source", "wrong-format", f"{file.path}: its first line is too long", "use the source for its format"
        )
    if found.undecodable and (not len(found.lines) or found.undecodable[0].line < found.lines[0].as_py()):
        reason = why_undecodable(found.undecodable[0].data, file.encoding)
        raise RunFailure("source", "wrong-format", f"{file.path}: the header is {reason}", OTHER_ENCODING)
    try:
        return tuple(split_record(found.texts[0].as_py(), how.separator))
    except BrokenRecordError as error:
        fix = "write the names of the columns into the first line"
        raise RunFailure("source", "wrong-format", f"{file.path}: the header cannot be read: {error}", fix) from error
