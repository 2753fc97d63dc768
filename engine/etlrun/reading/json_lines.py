"""Reads JSON files into Parquet: one object per line, one array per file, or one document per file."""

from __future__ import annotations

from collections.abc import Sequence

from etlrun.contracts.source import ReadRequest, ReadResult
from etlrun.language.columns import Columns, Type
from etlrun.reading.framing import Framer, frame_lines
from etlrun.reading.json_paths import Path
from etlrun.reading.json_statements import patient_statement, strict_statement
from etlrun.reading.judged_lines import read_lines
from etlrun.reading.records import Field, read_text
from etlrun.reading.screening import Screen
from etlrun.reading.spellings import holds, unsure_json
from etlrun.reading.tame_files import LineRules
from etlrun.reading.text_files import Form
from etlrun.reading.text_reader import text_reader


def read_json(order: ReadRequest, columns: Columns, fields: Sequence[Field], framer: Framer) -> ReadResult:
    """Read the files of `order` into Parquet below its folder; `framer` says what a record is.

    Raises RunFailure for a file that is cut, damaged or not readable.
    """
    if any(map(_needs_the_judge, fields)) or _overlap(fields):
        return read_lines(order, columns, lambda text: read_text(text, fields), framer)
    unsure = unsure_json(fields)
    form = Form(
        framer,
        lambda text: read_text(text, fields),
        strict_statement(columns, fields),
        Screen(unsure),
        None
        if any(holds(item.type, "struct") for item in fields)
        else lambda left: patient_statement(left, columns, fields),
        rules=LineRules(patterns=unsure) if framer is frame_lines else None,
    )
    with text_reader(order, columns) as reader:
        reader.read(order.inventory.files, form)
        return reader.read_result()


def _needs_the_judge(item: Field) -> bool:
    """Whether only the exact reader can read a column: DuckDB does not report duplicate keys of a map, and its shapes have no array positions."""
    return item.raw or not item.path or holds(item.type, "map") or any(isinstance(part, int) for part in item.path)


def _overlap(fields: Sequence[Field]) -> bool:
    """Whether a value is read both whole and in parts, or as two types, or keys differ only in case. DuckDB's JSON shapes cannot express this."""
    known: dict[Path, Type] = {}
    for item in fields:
        if known.setdefault(item.path, item.type) != item.type:
            return True
    beginnings = {path[:length] for path in known for length in range(1, len(path) + 1)}
    if len({tuple(str(part).casefold() for part in path) for path in beginnings}) < len(beginnings):
        return True
    return any(path[:length] in known for path in known for length in range(len(path)))
