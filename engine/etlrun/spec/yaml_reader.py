"""A strict YAML 1.2 reader that keeps the position of every value.

Plain scalars follow the YAML 1.2 core schema (`no`, `on` and `2022-04` are text, `012` is twelve); tags and merge keys are
refused, a duplicate key is an error, aliases and depth are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from etlrun.diagnostics import Diagnostic, SpecError
from etlrun.spec.located import Document, Keys, Span
from etlrun.spec.yaml_wording import SYNTAX, explain_line

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_NODES = 100_000
SMALLER = "divide it into several files; of a source, declare only the columns that are used"
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_document(path: Path, shown: str = "") -> Document:
    """Read the YAML file at `path`. Raises SpecError for a file that is missing, unreadable or not valid YAML."""
    return parse_document(read_text(path, shown), shown or str(path))


def read_text(path: Path, shown: str = "") -> str:
    """The text of a file of the project. Raises SpecError for one that is missing, too large or not UTF-8."""
    shown = shown or str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            message = f"the file is larger than {MAX_BYTES:,} bytes"
            raise SpecError([_about_file(shown, "yaml-not-allowed", message, SMALLER)])
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SpecError([_about_file(shown, "file-not-found", f"there is no file `{shown}`")]) from None
    except UnicodeDecodeError as error:
        raise SpecError([_not_utf8(path, shown, error.start)]) from error
    except OSError as error:
        raise SpecError([_about_file(shown, "file-unreadable", f"cannot read `{shown}`: {error.strerror}")]) from error


def _not_utf8(path: Path, shown: str, byte: int) -> Diagnostic:
    message = f"the file is not UTF-8 (byte {byte})"
    if path.suffix != ".csv":
        return _about_file(shown, "yaml-syntax", message, "save it as UTF-8")
    fix = "save it as UTF-8: in Excel as `CSV UTF-8`, in LibreOffice with the character set `Unicode (UTF-8)`"
    return _about_file(shown, "file-unreadable", message, fix)


def parse_document(text: str, file: str) -> Document:
    """Read YAML text. Raises SpecError with every mistake that the reader can separate."""
    document = Document(file, text)
    reader = _Reader(document)
    try:
        document.value = reader.read_all(yaml.parse(text, Loader=Loader))
    except _Stop as stop:
        raise SpecError(reader.problems) from stop
    except yaml.YAMLError as error:
        raise SpecError([*reader.problems, _syntax_error(document, error)]) from error
    if reader.problems:
        raise SpecError(reader.problems)
    return document


def _about_file(file: str, code: str, message: str, fix: str = "") -> Diagnostic:
    return Diagnostic(file, 1, 1, 2, code, message, fix)


class _Stop(yaml.YAMLError):
    """Raised in the reader after it has recorded a problem behind which nothing can be read."""


@dataclass
class _Reader:
    """Builds plain values from parser events, filing spans as it goes."""

    document: Document
    problems: list[Diagnostic] = field(default_factory=list)
    anchors: dict[str, list[yaml.Event]] = field(default_factory=dict)
    open_anchors: set[str] = field(default_factory=set)
    unfolding: yaml.Event | None = None  # the alias that is being read, where one is
    nodes: int = 0

    def read_all(self, events: Iterator[yaml.Event]) -> Any:
        value: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse(event, "a file can have only one document", "remove the `---` between them")
                following = next(events)
                if not isinstance(following, yaml.DocumentEndEvent):
                    value = self.read(following, events, ())
        return value

    def read(self, event: yaml.Event, events: Iterator[yaml.Event], where: Keys) -> Any:
        self.nodes += 1
        if len(where) > MAX_DEPTH or self.nodes > MAX_NODES:
            message, fix = (
                (f"more than {MAX_DEPTH} levels", "nest fewer values inside each other")
                if len(where) > MAX_DEPTH
                else (f"more than {MAX_NODES:,} values after its aliases are expanded", SMALLER)
            )
            self.refuse(self.unfolding or event, f"the file has {message}", fix)
            raise _Stop
        if isinstance(event, yaml.AliasEvent):
            return self.replay(event, where)
        tag = getattr(event, "tag", None)
        if tag and not (tag == "!" and isinstance(event, yaml.ScalarEvent)):
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(event, f"the tag `{shown}` is not supported", "remove the tag; quote a value to make it text")
        if getattr(event, "anchor", None):
            return self.record(event, events, where)
        if isinstance(event, yaml.ScalarEvent):
            return self.read_scalar(event, where)
        if isinstance(event, yaml.SequenceStartEvent):
            return self.read_sequence(event, events, where)
        return self.read_mapping(event, events, where)

    def read_scalar(self, event: yaml.ScalarEvent, where: Keys) -> Any:
        self.file_span(where, event, event)
        self.document.scalars[where] = event.value
        return event.value if event.style else resolve_plain(event.value)

    def read_sequence(self, start: yaml.Event, events: Iterator[yaml.Event], where: Keys) -> list[Any]:
        items: list[Any] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                self.file_span(where, start, event)
                break
            items.append(self.read(event, events, (*where, len(items))))
        return items

    def read_mapping(self, start: yaml.Event, events: Iterator[yaml.Event], where: Keys) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                self.file_span(where, start, event)
                break
            self.read_entry(event, events, where, result)
        return result

    def read_entry(self, event: yaml.Event, events: Iterator[yaml.Event], where: Keys, result: dict[str, Any]) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse(event, "a key must be plain text")
            raise _Stop
        key = str(event.value)
        inside = (*where, key)
        span = _span(event, event)
        if key == "<<" and not event.style:
            self.refuse(event, "merge keys (`<<`) are not supported", "write all keys here")
        if key in result:
            first = self.document.at_span(self.document.keys[inside], "", "").line
            message = f"`{key}` is defined twice (first in line {first})"
            self.problems.append(self.document.at_span(span, "yaml-duplicate-key", message, "remove one of them"))
        self.document.keys[inside] = span
        result[key] = self.read(next(events), events, inside)

    def record(self, event: yaml.Event, events: Iterator[yaml.Event], where: Keys) -> Any:
        """Read an anchored value and keep its events for the aliases that follow."""
        name = str(event.anchor)  # type: ignore[attr-defined]
        event.anchor = None  # type: ignore[attr-defined]
        kept = [event]
        depth = 1 if isinstance(event, (yaml.SequenceStartEvent, yaml.MappingStartEvent)) else 0
        while depth:
            kept.append(next(events))
            depth += isinstance(kept[-1], (yaml.SequenceStartEvent, yaml.MappingStartEvent))
            depth -= isinstance(kept[-1], (yaml.SequenceEndEvent, yaml.MappingEndEvent))
        self.open_anchors.add(name)
        replay = iter(kept)
        value = self.read(next(replay), replay, where)
        self.open_anchors.discard(name)
        self.anchors[name] = kept
        return value

    def replay(self, event: yaml.AliasEvent, where: Keys) -> Any:
        name = str(event.anchor)
        kept = self.anchors.get(name)
        if kept is None or name in self.open_anchors:
            detail = "to itself" if name in self.open_anchors else "to nothing"
            self.refuse(
                event,
                f"the alias `*{name}` refers {detail}",
                f"define it first with `&{name}`; or, if it is an expression that begins with `*`, put it in quotes",
            )
            raise _Stop
        events, outer = iter(kept), self.unfolding
        self.unfolding = outer or event
        value = self.read(next(events), events, where)
        self.unfolding = outer
        return value

    def file_span(self, where: Keys, start: yaml.Event, end: yaml.Event) -> None:
        self.document.values[where] = _span(start, end)

    def refuse(self, event: yaml.Event, message: str, fix: str = "") -> None:
        self.problems.append(self.document.at_span(_span(event, event), "yaml-not-allowed", message, fix))


def _span(start: yaml.Event, end: yaml.Event) -> Span:
    """From the start of one event to the end of another; the parser marks every event."""
    assert start.start_mark is not None and end.end_mark is not None
    return Span(start.start_mark.index, end.end_mark.index)


_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: dict[str, bool | None] = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "null": None,
    "Null": None,
    "NULL": None,
    "~": None,
    "": None,
}


def resolve_plain(text: str) -> str | int | float | bool | None:
    """The value of an unquoted scalar under the YAML 1.2 core schema (hexadecimal, octal and .inf stay text)."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text) if len(text) < 40 else text
    if _FLOAT.match(text):
        return float(text)
    return text


def _syntax_error(document: Document, error: yaml.YAMLError) -> Diagnostic:
    problem = str(getattr(error, "problem", "") or error)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if "end of stream" in problem:
        mark = getattr(error, "context_mark", None) or mark  # where the quote was opened
    start = mark.index if mark is not None else getattr(error, "position", 0) or 0
    start = min(start, max(0, len(document.text) - 1))
    span = Span(start, start + 1)
    if document.text[start : start + 1] == "\t":
        return document.at_span(span, "yaml-syntax", "a tab cannot indent YAML", "indent with spaces")
    line = document.text[document.text.rfind("\n", 0, start) + 1 :].partition("\n")[0]
    explained = explain_line(line, problem)
    if explained is not None:
        return document.at_span(span, "yaml-syntax", *explained)
    for found, message, fix in SYNTAX:
        if found in problem:
            return document.at_span(span, "yaml-syntax", message, fix)
    return document.at_span(span, "yaml-syntax", "this is not YAML", "check quotes and indentation")
