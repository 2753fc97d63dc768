"""Writes a first pipeline for a file that was inspected, for the user to edit."""

from __future__ import annotations

import json
import re

from etlrun.diagnostics import counted
from etlrun.reading.sketch import Sketch, SketchColumn


def write_pipeline(name: str, sketch: Sketch, connection: str, schema: str) -> str:
    """The text of a pipeline that reads the inspected file and publishes it. `schema` is the path of the JSON Schema for editors; it may be empty."""
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"pipeline: {name}", f"description: {_quoted(f'The rows of {sketch.path}.')}", ""]
    if sketch.month:
        lines += ["params:", f"  month: {{type: month, default: {sketch.month}}}", ""]
    lines += ["sources:", "  rows:", f"    {sketch.kind}:", f"      path: {_value(sketch.path)}"]
    lines += ["      dates: $month"] if sketch.month else []
    note = f"        # {counted(sketch.missing, 'day')} of {sketch.month} have no file; by default they stop the run"
    lines += [f"      missing: warn{note}"] if sketch.missing else []
    lines += [f"      separator: {_quoted(sketch.separator)}"] if sketch.separator != "," else []
    guess = (
        "        # look at the letters with accents: this is a guess" if sketch.encoding.startswith("windows") else ""
    )
    lines += [f"      encoding: {sketch.encoding}{guess}"] if sketch.encoding != "utf-8" else []
    lines += [f"      format: {sketch.form}"] if sketch.form != "lines" else []
    lines += (
        []
        if sketch.has_header
        else ["      header: no", "      skip_lines: 1        # the header: its names cannot be used"]
    )
    lines += [f"      record: {_value(sketch.record)}"] if sketch.record else []
    if sketch.partitions:
        lines += [f"      partitions: {{{', '.join(f'{_scalar(name)}: {kind}' for name, kind in sketch.partitions)}}}"]
    lines += ["      columns:"]
    lines += [f"        {_scalar(column.name)}: {_declared(column, sketch)}" for column in sketch.columns]
    lines += [f"        # {_quoted(column)} is left out: its type cannot be read" for column in sketch.unread]
    lines += ["", "steps:", f"  {name}:", "    - from: rows        # next: filter, derive, aggregate, ..."]
    lines += [f"    - {step}" for step in _flattening(sketch.columns)]
    lines += ["", "checks:", f"  {name}:", "    - row_count: {min: 1}", ""]
    lines += ["sinks:", f"  {name}:", f"    table: {{from: {name}, connection: {connection}, write: replace}}", ""]
    return "\n".join(lines)


def _declared(column: SketchColumn, sketch: Sketch) -> str:
    """The declaration of a column in its source."""
    if not column.type:
        return f"{{path: {_value(column.path)}, type: string, raw: true}}        # its JSON text"
    is_renamed = column.path != column.name and sketch.has_header
    return f"{{path: {_value(column.path)}, type: {_value(column.type)}}}" if is_renamed else _value(column.type)


def _flattening(columns: tuple[SketchColumn, ...]) -> list[str]:
    """The steps that turn columns with lists or objects into a flat table.

    If there are no other columns, the table has one row for each element of a list.
    """
    nested = [column.name for column in columns if column.is_nested]
    if len(nested) < len(columns):
        dropped = f"drop: [{', '.join(map(_value, nested))}]"
        return [f"{dropped}        # a table holds no lists: `explode` them, or make them text"] if nested else []
    found = next(((column.name, fields) for column in columns if (fields := column.element_fields())), None)
    if found is None:
        members = {name: value for column in columns for name, value in column.members().items()}
        return [_selection(members)] if members else []
    array, fields = found
    return [f"explode: {{column: {_value(array)}, empty: drop}}", _selection(fields)]


def _selection(fields: dict[str, str]) -> str:
    return f"select: {{{', '.join(f'{_scalar(name)}: {_scalar(value)}' for name, value in fields.items())}}}"


def _value(text: str) -> str:
    """A YAML scalar in which `$name` is no param."""
    return _scalar(re.sub(r"\$(?=[A-Za-z_{])", "$$", text))


def _scalar(text: str) -> str:
    """A YAML scalar, quoted if necessary."""
    plain = re.fullmatch(r"[A-Za-z_./$][\w ./${}:-]*", text) and ": " not in text and not text.endswith((":", " "))
    words = ("true", "false", "null", "yes", "no", "on", "off")
    needs_quotes = not plain or text.lower() in words or text.startswith("{")
    return _quoted(text) if needs_quotes else text


def _quoted(text: str) -> str:
    """A YAML scalar in double quotes; characters that YAML does not allow in a file are escaped."""
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


_NOT_IN_YAML = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
