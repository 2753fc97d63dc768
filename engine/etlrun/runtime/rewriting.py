"""Writes the actual rows of tests into their `expect`, and leaves every other character of the file unchanged."""

from __future__ import annotations

import copy
import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etlrun.compiler.case_rows import ExpectedRow, Row, RowReader
from etlrun.diagnostics import Diagnostic, SpecError
from etlrun.runtime.differences import Difference, Pair, compare_rows
from etlrun.spec.cases import CaseFile
from etlrun.spec.located import Document, Keys
from etlrun.spec.paths import path_inside
from etlrun.spec.project_file import project_file
from etlrun.spec.values import value_text
from etlrun.spec.yaml_reader import parse_document

WIDTH = 140  # of a row on one line; a longer one continues on the next line


class CannotRewriteError(Exception):
    """Rows in a form that cannot be rewritten safely; `str()` names it."""


@dataclass(frozen=True)
class Edit:
    """Replaces the characters `start` to `end` of a text."""

    start: int
    end: int
    text: str


Found = tuple[Keys, Difference]  # with the place of its test in the file


def rewrite_expected(file: CaseFile, differences: Sequence[Found]) -> None:
    """Write the actual rows into a file of tests, after checking that they read back as the same rows. Raises CannotRewriteError."""
    text = rewritten(file.document, differences)
    _verify(file.document, text, differences)
    path = Path(os.path.abspath(file.path))
    root = next((folder for folder in path.parents if project_file(folder)), path.parent)
    if path_inside(root, path) is None:
        raise CannotRewriteError("the file is a link that leads out of the project's folder")
    before = file.path.read_bytes()
    mark = BOM_UTF8 if before.startswith(BOM_UTF8) else b""
    ends = b"\r\n" if b"\r\n" in before else b"\n" if b"\n" in before else b"\r"
    if mark + file.document.text.encode().replace(b"\n", ends) != before:
        raise CannotRewriteError("the file was changed in the meantime, or it has different kinds of line ends")
    file.path.write_bytes(mark + text.encode().replace(b"\n", ends))


def rewritten(document: Document, differences: Iterable[Found]) -> str:
    """The text of a file with the actual rows in `expect`. Raises CannotRewriteError."""
    edits = [edit for where, difference in differences for edit in _Rows(document, where, difference).edits()]
    text = document.text
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end), reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text


def _verify(document: Document, text: str, differences: Sequence[Found]) -> None:
    """Raises CannotRewriteError unless `text` has the actual rows, and is otherwise unchanged."""
    problems: list[Diagnostic] = []
    try:
        after = parse_document(text, document.file)
        places: list[Keys] = [(*where, "expect", difference.relation) for where, difference in differences]
        if _without(document.value, places) != _without(after.value, places):
            raise CannotRewriteError(_UNCERTAIN)
        for place, (_, difference) in zip(places, differences):
            expected = RowReader(after, problems).expected(place, difference.columns)
            at = [difference.columns.names.index(name) for name in expected.columns.names]
            if problems or compare_rows("", expected, [tuple(row[index] for index in at) for row in difference.actual]):
                raise CannotRewriteError(_UNCERTAIN)
    except SpecError as error:
        raise CannotRewriteError(_UNCERTAIN) from error


_UNCERTAIN = "the rows are written in a form that cannot be rewritten safely"


def _without(value: Any, places: Iterable[Keys]) -> Any:
    """A document's value without some places."""
    changed = copy.deepcopy(value)
    for *above, last in places:
        inside = changed
        for part in above:
            inside = inside[part]
        inside[last] = None
    return changed


class _Rows:
    """The rows that a test expects of one relation, as written in the file."""

    def __init__(self, document: Document, test: Keys, difference: Difference) -> None:
        self.document = document
        self.text = document.text
        self.where: Keys = (*test, "expect", difference.relation)
        self.names = difference.columns.names
        self.difference = difference
        self.span = document.values[self.where]

    def edits(self) -> Iterator[Edit]:
        """The edits: different cells are replaced, missing rows are removed, and new rows are added at the end."""
        self._refuse_aliases()
        pairs, missing, new = self._paired()
        has_rows = any(
            key[: len(self.where)] == self.where and len(key) == len(self.where) + 1 for key in self.document.values
        )
        if self._is_flow(self.where) and (missing or new or not has_rows):
            yield self._whole()
            return
        count = len(self._value(self.where))
        if missing and len(missing) == count:
            yield from self._emptied()
            return
        for pair in pairs:
            yield from self._changed(pair)
        yield from (self._removed(row) for row in missing)
        if new:
            yield self._added(new, count)

    def _paired(self) -> tuple[list[Pair], list[ExpectedRow], list[Row]]:
        """Pair missing rows with unexpected ones, so that each replaces another."""
        missing, new = list(self.difference.missing), list(self.difference.unexpected)
        both = min(len(missing), len(new))
        every = tuple(range(len(self.names)))
        pairs = [*self.difference.pairs, *(Pair(row, other, every) for row, other in zip(missing[:both], new[:both]))]
        return pairs, missing[both:], new[both:]

    def _changed(self, pair: Pair) -> Iterator[Edit]:
        where = pair.expected.where
        written = self._value(where)
        by_column = {name.lower(): name for name in written}
        cells = [(self.names[at], by_column.get(self.names[at].lower()), pair.actual[at]) for at in pair.unequal]
        if all(name is not None and self._is_simple((*where, name)) for _, name, _ in cells):
            for _, name, value in cells:
                span = self.document.values[*where, str(name)]
                blank = "" if span.end > span.start or self.text[span.start - 1 : span.start] in (" ", "") else " "
                yield Edit(span.start, span.end, blank + value_text(value))
            return
        start = self.document.values[where].start
        yield Edit(start, self._end(where), self._row(pair.actual, self._column_of(start)))

    def _removed(self, row: ExpectedRow) -> Edit:
        """The edit that removes the lines of a row, including the rest of its last line."""
        start = self.text.rfind("\n", 0, self.document.values[row.where].start) + 1
        end = self.text.find("\n", self._end(row.where))
        return Edit(start, len(self.text) if end < 0 else end + 1, "")

    def _added(self, rows: Sequence[Row], count: int) -> Edit:
        """The edit that adds items after the last one, with the same indentation."""
        last: Keys = (*self.where, count - 1)
        start = self.document.values[last].start
        line = self.text.rfind("\n", 0, start) + 1
        indent = self.text[line : line + len(self.text[line:]) - len(self.text[line:].lstrip(" "))]
        end = self.text.find("\n", self._end(last))
        end = len(self.text) if end < 0 else end
        return Edit(end, end, "".join(f"\n{indent}- {self._row(row, len(indent) + 2)}" for row in rows))

    def _emptied(self) -> Iterator[Edit]:
        """The edit if no row is left: `[]`, in the line of the relation."""
        end = self.document.keys[self.where].end
        colon = self.text.index(":", end) + 1
        yield Edit(colon, colon, " []")
        yield from (
            self._removed(ExpectedRow((), (*self.where, index))) for index in range(len(self._value(self.where)))
        )

    def _whole(self) -> Edit:
        """The edit that rewrites all rows: as items below the relation or, inside braces, in brackets."""
        rows = self._all_rows()
        if any(self._is_flow(self.where[:length]) for length in range(1, len(self.where))):
            column = self._column_of(self.span.start) + 1
            inside = (",\n" + " " * column).join(self._row(row, column) for row in rows)
            return Edit(self.span.start, self.span.end, f"[{inside}]")
        indent = " " * (self._column_of(self.document.keys[self.where].start) + 2)
        items = "".join(f"\n{indent}- {self._row(row, len(indent) + 2)}" for row in rows)
        start = self.text.index(":", self.document.keys[self.where].end) + 1
        return Edit(start if items else self.span.start, self.span.end, items or "[]")

    def _all_rows(self) -> list[Row]:
        """The actual rows: equal ones, different ones, and new ones."""
        changed = {pair.expected.where: pair.actual for pair in self.difference.pairs}
        gone = {row.where for row in self.difference.missing}
        kept = [(*self.where, index) for index in range(len(self._value(self.where)))]
        rows = [changed.get(where) or self._written(where) for where in kept if where not in gone]
        return [*rows, *self.difference.unexpected]

    def _written(self, where: Keys) -> Row:
        """A row of the file, with its values as they are written."""
        by_column = {name.lower(): name for name in self._value(where)}
        found: list[Any] = []
        for name in self.names:
            inside = (*where, by_column.get(name.lower(), name))
            span = self.document.values.get(inside)
            found.append(_AsWritten(self.text[span.start : span.end]) if span and span.end > span.start else None)
        return tuple(found)

    def _row(self, row: Row, column: int) -> str:
        """A row in braces that starts at `column` of its line; a long row continues on the next line."""
        cells = [
            f"{value_text(name)}: {value.text if isinstance(value, _AsWritten) else value_text(value)}"
            for name, value in zip(self.names, row)
        ]
        lines, line = [], "{" if cells else "{}"
        for at, cell in enumerate(cells):
            piece = cell + (", " if at < len(cells) - 1 else "}")
            if len(line) > 1 and column + len(line) + len(piece.rstrip()) > WIDTH:
                lines.append(line.rstrip())
                line = " "
            line += piece
        return ("\n" + " " * column).join([*lines, line])

    # the text around a place

    def _value(self, where: Keys) -> Any:
        value: Any = self.document.value
        for part in where:
            value = value[part]
        return value

    def _is_flow(self, where: Keys) -> bool:
        span = self.document.values.get(where)
        return span is not None and self.text[span.start : span.start + 1] in ("[", "{")

    def _is_simple(self, where: Keys) -> bool:
        """Whether a value has clear ends: a text on one line, or something in brackets."""
        span = self.document.values[where]
        first = self.text[span.start : span.start + 1]
        return first in ("[", "{") or (where in self.document.scalars and first not in ("|", ">"))

    def _end(self, where: Keys) -> int:
        """The end of a value. For the parser, a block ends where the next element begins, so it includes comments."""
        if self._is_flow(where) or where in self.document.scalars:
            span = self.document.values[where]
            return span.end if self._is_simple(where) else len(self.text[: span.end].rstrip())
        inside = [key for key in self.document.values if key[: len(where)] == where and len(key) == len(where) + 1]
        ends = [
            max(self._end(key), self.document.keys[key].end + 1 if key in self.document.keys else 0) for key in inside
        ]
        return max(ends)

    def _column_of(self, offset: int) -> int:
        return offset - (self.text.rfind("\n", 0, offset) + 1)

    def _refuse_aliases(self) -> None:
        """Refuse aliases: their values are elsewhere in the file, where other tests may use them."""
        inside = [key for key in self.document.values if key[: len(self.where)] == self.where]
        outer = self.document.values[self.where[:2]]
        for key in inside:
            span, parent = self.document.values[key], self.document.values[key[:-1]]
            if not (parent.start <= span.start and span.end <= parent.end and outer.start <= span.start <= outer.end):
                raise CannotRewriteError(f"the rows of `{self.where[-1]}` are written with an alias")
        if re.match(r"\s*&", self.text[self.document.keys[self.where].end + 1 : self.span.start + 1]):
            raise CannotRewriteError(f"the rows of `{self.where[-1]}` have an anchor, so they may be used elsewhere")


@dataclass(frozen=True)
class _AsWritten:
    """A value's own text."""

    text: str
