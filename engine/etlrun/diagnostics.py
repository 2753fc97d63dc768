"""Diagnostics: a mistake in a spec or a failure of a run, its place in the spec, and how it is shown."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal
from unicodedata import combining, east_asian_width
from urllib.parse import quote

from etlrun.codes import CODES

Severity = Literal["error", "warning"]


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One mistake or failure. Lines and columns count from 1; `end_column` is exclusive, on the same line.

    A failure that no line of the spec explains has no place: its `file` is empty.
    """

    file: str
    line: int
    column: int
    end_column: int
    code: str
    message: str
    fix: str = ""
    severity: Severity = "error"
    source: str = ""


class SpecError(Exception):
    """A spec that cannot be used; `diagnostics` are all the mistakes of the pass that stopped."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(sorted(set(diagnostics)))
        super().__init__("\n".join(diagnostic.message for diagnostic in self.diagnostics))


def format_text(diagnostics: Iterable[Diagnostic]) -> str:
    """Each diagnostic with its line, a caret under the word at fault, and the fix."""
    return "\n\n".join(_as_text(diagnostic) for diagnostic in diagnostics)


def format_json(diagnostics: Iterable[Diagnostic]) -> str:
    """One JSON array of objects with file, line, column, end_column, code, severity, message and fix."""
    return json.dumps([_as_object(diagnostic) for diagnostic in diagnostics], ensure_ascii=False, indent=2)


def format_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands that GitHub Actions shows beside the changed line."""
    return "\n".join(_as_github(diagnostic) for diagnostic in diagnostics)


def format_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run, as code scanning reads it."""
    found = list(diagnostics)
    used = sorted({diagnostic.code for diagnostic in found})
    driver = {
        "name": "etlrun",
        "rules": [{"id": code, "shortDescription": {"text": CODES[code].summary}} for code in used],
    }
    results = [_as_sarif(diagnostic) for diagnostic in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2)


def counted(count: int, noun: str) -> str:
    """`1 file`, `30 files`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def nearest(name: str, choices: Iterable[str]) -> str:
    """A `did you mean` for `name`, or nothing where no choice is near."""
    found = closest(name, choices)
    return f"did you mean `{found}`?" if found is not None else ""


def shortened(names: Collection[str]) -> str:
    """Names as a list for a message: of many the first ten, and how many more there are."""
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return ", ".join(islice(names, 10)) + more


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that `name` most likely stands for; None where none is near."""
    folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


FORMATS = {"text": format_text, "json": format_json, "github": format_github, "sarif": format_sarif}


def shown_width(text: str) -> int:
    """How many columns of a terminal `text` takes: none for a combining mark, two for a wide letter."""
    return sum(0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1 for character in text)


def harmless(text: str) -> str:
    """Text for a terminal or a log: characters that could steer either, turn text around or hide in it are spelled `\\u001b`.

    Lines and tabs stay.
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else f"\\u{ord(character):04x}"
        for character in text
    )


def _as_text(diagnostic: Diagnostic) -> str:
    kind = "warning: " if diagnostic.severity == "warning" else ""
    place = f"{_harmless(diagnostic.file)}:{diagnostic.line}:{diagnostic.column}: " if diagnostic.file else ""
    lines = [f"{place}{kind}{diagnostic.code}: {_set_in(diagnostic.message)}"]
    if diagnostic.source.strip():
        gutter = f"{diagnostic.line:>5} | "
        source = _harmless(diagnostic.source)
        before, word = source[: diagnostic.column - 1], source[diagnostic.column - 1 : diagnostic.end_column - 1]
        # A tab keeps the caret in place only where a tab stands below it.
        padding = "".join("\t" if character == "\t" else " " * shown_width(character) for character in before)
        lines += [gutter + source, " " * len(gutter) + padding + "^" * max(1, shown_width(word))]
    if diagnostic.fix:
        lines.append(f"    = {_set_in(diagnostic.fix)}")
    return "\n".join(lines)


def _set_in(text: str) -> str:
    """Text whose further lines are indented: a log may take orders at the margin."""
    return harmless(text).replace("\n", "\n    ")


def _harmless(text: str) -> str:
    """Like `harmless`, but each character stays one: a mark stands for it, so that a caret below it keeps its place."""
    return "".join(
        character if character.isprintable() or character == "\t" else "\N{REPLACEMENT CHARACTER}" for character in text
    )


def _as_object(diagnostic: Diagnostic) -> dict[str, str | int]:
    return {
        "file": diagnostic.file,
        "line": diagnostic.line,
        "column": diagnostic.column,
        "end_column": diagnostic.end_column,
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        "fix": diagnostic.fix,
    }


def _as_github(diagnostic: Diagnostic) -> str:
    message = diagnostic.message + (f" ({diagnostic.fix})" if diagnostic.fix else "")
    file = _escaped(diagnostic.file, (":", ","))
    place = f"file={file},line={diagnostic.line},col={diagnostic.column},endColumn={diagnostic.end_column}"
    return f"::{diagnostic.severity} {place},title={diagnostic.code}::{_escaped(message)}"


def _escaped(text: str, more: tuple[str, ...] = ()) -> str:
    """Text of a workflow command: what would end it, and in a property what would end that, by number."""
    for character in ("%", "\r", "\n", *more):
        text = text.replace(character, f"%{ord(character):02X}")
    return _harmless(text)


def _as_sarif(diagnostic: Diagnostic) -> dict[str, object]:
    region = {"startLine": diagnostic.line, "startColumn": diagnostic.column, "endColumn": diagnostic.end_column}
    location = {"physicalLocation": {"artifactLocation": {"uri": quote(diagnostic.file)}, "region": region}}
    text = diagnostic.message + (f". {diagnostic.fix}" if diagnostic.fix else "")
    return {"ruleId": diagnostic.code, "level": diagnostic.severity, "message": {"text": text}, "locations": [location]}
