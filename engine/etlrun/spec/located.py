"""The values of a YAML file with the position of each, from which a diagnostic gets its line, column and caret.

Positions live in a table beside the data, so that values stay plain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from etlrun.diagnostics import Diagnostic, Severity

Keys = tuple[str | int, ...]  # the path of a value in its document: ("steps", "watched", 2, "lookup")


@dataclass(frozen=True)
class Span:
    """A range of a document's text, by offsets; `end` is exclusive. `of` is the document if it is another file."""

    start: int
    end: int
    of: Document | None = field(default=None, repr=False, compare=False)


@dataclass
class Document:
    """A YAML file: its plain value and, beside it, the span of every value and key, and the text of every scalar."""

    file: str
    text: str
    value: Any = None
    values: dict[Keys, Span] = field(default_factory=dict)
    keys: dict[Keys, Span] = field(default_factory=dict)
    scalars: dict[Keys, str] = field(default_factory=dict)
    shared: list[Document] = field(default_factory=list)  # other files of which parts were put in here

    def below(self, where: Keys) -> Document:
        """The value at `where` as a separate document; its positions are still those of the file."""
        found = Document(self.file, self.text, self.value)
        for part in where:
            found.value = found.value[part]
        deep = len(where)
        for mine, theirs in ((self.values, found.values), (self.keys, found.keys)):
            theirs.update({at[deep:]: self._owned(span) for at, span in mine.items() if at[:deep] == where})
        found.scalars = {at[deep:]: text for at, text in self.scalars.items() if at[:deep] == where}
        return found

    def put_positions(self, where: Keys, part: Document) -> None:
        """Give the value at `where` the positions of `part`."""
        _put(self.values, where, part.values)
        _put(self.keys, where, part.keys)
        _put(self.scalars, where, part.scalars)

    def _owned(self, span: Span) -> Span:
        return span if span.of is not None else Span(span.start, span.end, self)

    def diagnose(
        self, where: Keys, code: str, message: str, fix: str = "", *, severity: Severity = "error"
    ) -> Diagnostic:
        """A diagnostic at the value at `where`, or at the nearest place above it."""
        return self.at_span(self.span_of(where), code, message, fix, severity)

    def diagnose_key(
        self, where: Keys, code: str, message: str, fix: str = "", *, severity: Severity = "error"
    ) -> Diagnostic:
        """A diagnostic at the key that leads to `where`."""
        return self.at_span(self.keys.get(where) or self.span_of(where), code, message, fix, severity)

    def diagnose_inside(self, where: Keys, start: int, end: int, code: str, message: str, fix: str = "") -> Diagnostic:
        """A diagnostic at characters `start` to `end` of the scalar at `where`."""
        span = self.span_of(where)
        if where in self.scalars:
            document = span.of or self
            narrow = _narrow(document.text, span, self.scalars[where], start, end)
            span = Span(narrow.start, narrow.end, document)
        return self.at_span(span, code, message, fix)

    def span_of(self, where: Keys) -> Span:
        for length in range(len(where), -1, -1):
            span = self.values.get(where[:length])
            if span:
                return span
        return Span(0, 0)

    def at_span(self, span: Span, code: str, message: str, fix: str = "", severity: Severity = "error") -> Diagnostic:
        if span.of is not None and span.of is not self:
            used = "" if span.of.file == self.file else f" (used by {self.file})"
            return span.of.at_span(span, code, message + used, fix, severity)
        line = self.text.count("\n", 0, span.start) + 1
        line_start = self.text.rfind("\n", 0, span.start) + 1
        line_end = self.text.find("\n", line_start)
        line_end = len(self.text) if line_end < 0 else line_end
        column = span.start - line_start + 1
        end = max(column + 1, min(span.end, line_end) - line_start + 1)
        source = _PASSWORD.sub(_stars, self.text[line_start:line_end].rstrip("\r"))
        return Diagnostic(self.file, line, column, end, code, message, fix, severity, source)


_PASSWORD = re.compile(r"(?<=://)([^/@\s:]*:)([^@\s]+)(?=@)")  # of a URL, which no message shows


def _stars(found: re.Match[str]) -> str:
    return found[1] + "*" * len(found[2])


_Of = TypeVar("_Of")


def _put(table: dict[Keys, _Of], where: Keys, part: Mapping[Keys, _Of]) -> None:
    for at in [at for at in table if at[: len(where)] == where]:
        del table[at]
    table.update({(*where, *at): found for at, found in part.items()})


def _narrow(text: str, span: Span, value: str, start: int, end: int) -> Span:
    """The span of `value[start:end]` in the file, whatever quoting or folding it uses."""
    at = span.start
    if text[at : at + 1] in "|>" and "\n" in text[at : span.end]:
        at = text.index("\n", at) + 1
    offsets: list[int] = []
    for character in value[: max(end, start + 1)]:
        found = text.find(character, at, span.end)
        if found < 0 or text[at:found].strip(" \n\r\t\\'\""):  # a folded line break, or an escape: stay where we are
            found = at
        offsets.append(found)
        at = found + 1
    if start >= len(offsets):
        return span
    return Span(offsets[start], offsets[min(end, len(offsets)) - 1] + 1)
