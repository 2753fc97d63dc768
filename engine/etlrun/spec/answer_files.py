"""CSV files of keys with their answers: the titles of a catalogue, the overrides that people write, a golden set.

The first column holds the keys and may have any name (keys of several columns: the first columns, named as the prompt names them); the
others are named like the outputs they answer. The columns that
`etlrun llm review` adds for a person to read are ignored, and so are its lines without an answer.

Files that a spreadsheet has saved can be read, too: with `;` or tabs between cells, with a first line `sep=;`, or in UTF-16.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.spec import yaml_reader
from etlrun.spec.normal_form import PART, normal_form, readable
from etlrun.spec.outputs import NotAllowed, Output, Value, read_text, refusal
from etlrun.spec.paths import refuse_outside

REVIEW = ("rows", "row_points", "user_points", "status", "source")  # columns that tell a person about a key
SEPARATORS = ",;\t"  # what spreadsheets put between cells, by the country they are set to
SEPARATOR_LINE = re.compile(r'\s*"?sep=([^\w"\s]|\t)"?[;,\t]*\s*\Z', re.IGNORECASE)  # the first line, for Excel
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)  # what "Unicode Text" of Excel begins with


@dataclass(frozen=True)
class Answered:
    """A key with its answer, and its line in the file; `was_shown` if `etlrun llm review` wrote the line, with its number of rows."""

    key: str
    answer: Mapping[str, Value]
    line: int
    was_shown: bool = False


def read_answers(
    path: Path, shown: str, outputs: Sequence[Output], keys: tuple[str, ...] = ("key",)
) -> tuple[Answered, ...]:
    """The keys of a CSV file, each with an answer for every output. Raises SpecError with every mistake, each in its line."""
    text = _utf16_text(path) or yaml_reader.read_text(path, shown)
    reader = _Reader(text, shown, outputs, keys)
    found = tuple(reader.rows())
    if reader.problems:
        raise SpecError(reader.problems)
    return found


def overrides_path(root: Path, prompt: str) -> Path:
    """The path of the answers that people wrote for a prompt."""
    return root / "overrides" / f"{prompt}.csv"


def read_overrides(
    root: Path, prompt: str, shown: str, outputs: Sequence[Output], keys: tuple[str, ...] = ("key",)
) -> dict[str, Mapping[str, Value]]:
    """The answers that people wrote, by normal form of the key; empty if there are none."""
    path = overrides_path(root, prompt)
    if not path.is_file():
        return {}
    refuse_outside(root, path, shown)
    return {normal_form(answered.key): answered.answer for answered in read_answers(path, shown, outputs, keys)}


def write_overrides(
    root: Path, prompt: str, outputs: Sequence[Output], keys: tuple[str, ...], new: Sequence[Answered]
) -> None:
    """Add answers of people to the overrides of a prompt, replacing those of the same key. Raises SpecError for mistakes in the existing file."""
    path = overrides_path(root, prompt)
    before = read_answers(path, str(path), outputs, keys) if path.is_file() else ()
    merged = {normal_form(entry.key): entry for entry in (*before, *new)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*keys, *(output.name for output in outputs)])
    for entry in merged.values():
        parts = [part.lstrip("'") for part in entry.key.split(PART)]
        writer.writerow([*parts, *(_written(entry.answer[output.name]) for output in outputs)])
    path.parent.mkdir(exist_ok=True)
    refuse_outside(root, path.parent, str(path.parent))
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        draft.write_text(text.getvalue(), encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def _utf16_text(path: Path) -> str:
    """The text of a file in UTF-16 with its mark; `""` for other files."""
    try:
        with path.open("rb") as file:
            mark = file.read(2)
            if mark not in UTF_16 or path.stat().st_size > yaml_reader.MAX_BYTES:
                return ""
            return (mark + file.read()).decode("utf-16")
    except (OSError, UnicodeDecodeError):
        return ""  # the reader of other files explains it


class _Reader:
    """Reads one CSV file and collects its mistakes."""

    def __init__(self, text: str, file: str, outputs: Sequence[Output], keys: tuple[str, ...]) -> None:
        self.lines = text.splitlines()
        self.file = file
        self.outputs = outputs
        self.keys = keys
        self.problems: list[Diagnostic] = []
        first = self.lines[0] if self.lines else ""
        named = SEPARATOR_LINE.match(first)
        separator = named[1] if named else max(SEPARATORS, key=first.count)
        self.reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        self.is_named = named is not None

    def rows(self) -> Iterator[Answered]:
        try:
            if self.is_named:
                next(self.reader, None)
            header = [name.strip() for name in next(self.reader, [])]
            if self.is_header(header):
                yield from self.answered(header)
        except csv.Error as error:
            self.complain("", f"this is not CSV: {error}", "check the quotes")

    def is_header(self, header: list[str]) -> bool:
        count = len(self.keys)
        if count > 1 and tuple(header[:count]) != self.keys:
            wanted = ",".join(self.keys)
            self.complain(
                "",
                f"the first columns are not {wanted}",
                f"write {wanted} at the beginning of the first line",
                "missing-key",
            )
            return False
        for name in header[count:]:
            if name not in {*(output.name for output in self.outputs), *REVIEW}:
                names = [output.name for output in self.outputs]
                self.complain(
                    name,
                    f"there is no output `{name}`",
                    nearest(name, names) or f"the outputs are {', '.join(names)}",
                    "unknown-column",
                )
        missing = [output.name for output in self.outputs if output.name not in header[count:]]
        if missing:
            quoted = ", ".join(f"`{name}`" for name in missing)
            self.complain(
                "",
                f"no column is called {quoted}",
                "name the columns in the first line: " + ",".join([*self.keys, *missing]),
                "missing-key",
            )
        return not self.problems

    def answered(self, header: list[str]) -> Iterator[Answered]:
        seen: dict[str, int] = {}
        for row in self.reader:
            if not any(cell.strip() for cell in row):
                continue
            if len(row) != len(header):
                self.complain(
                    "",
                    f"{len(header)} cells are expected here, not {len(row)}",
                    'put a cell with a comma into quotes: "a, b"',
                )
                continue
            if set(header) & set(REVIEW) and not any(
                row[header.index(output.name, len(self.keys))].strip() for output in self.outputs
            ):
                continue
            text = PART.join(row[: len(self.keys)])
            folded = normal_form(text)
            if not folded.strip(" |"):
                self.complain("", "the key is empty", "remove the line")
            elif folded in seen:
                self.complain(
                    row[0],
                    f"`{readable(text)}` is defined twice (first in line {seen[folded]})",
                    "remove one of them",
                    "duplicate-name",
                )
            seen.setdefault(folded, self.reader.line_num)
            was_shown = "rows" in header and bool(row[header.index("rows")].strip())
            yield Answered(text, dict(self.values(header, row)), self.reader.line_num, was_shown)

    def values(self, header: list[str], row: list[str]) -> Iterator[tuple[str, Value]]:
        for output in self.outputs:
            cell = row[header.index(output.name, len(self.keys))].strip()
            try:
                yield output.name, read_text(output, cell)
            except NotAllowed as error:
                code, message, fix = refusal(output, cell, error)
                self.complain(cell, message, fix, code)

    def complain(self, cell: str, message: str, fix: str, code: str = "wrong-value") -> None:
        """Add a mistake for the line just read, with a caret under `cell` if it is there."""
        line = max(1, self.reader.line_num)
        source = self.lines[line - 1] if line <= len(self.lines) else ""
        at = source.rfind(cell) if cell else 0
        at = max(0, at)
        self.problems.append(
            Diagnostic(self.file, line, at + 1, at + 1 + max(1, len(cell)), code, message, fix, source=source)
        )
