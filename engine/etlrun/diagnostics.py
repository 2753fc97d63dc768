"""Diagnostics: one mistake in a spec, where it stands, and how it is shown."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from unicodedata import combining, east_asian_width
from urllib.parse import quote

Severity = Literal["error", "warning"]

CODES: dict[str, str] = {
    "yaml-syntax": "the file is not YAML",
    "yaml-duplicate-key": "a mapping has the same key twice",
    "yaml-not-allowed": "tags, merge keys and unbounded aliases are not read",
    "file-not-found": "a file that the spec or the command names does not exist",
    "file-unreadable": "a file that the spec names cannot be read, or stands outside the project",
    "unknown-key": "a key that this place does not have",
    "missing-key": "a key that must be given",
    "wrong-value": "a value of the wrong form",
    "unknown-kind": "a source, step, check, sink, connection or engine that does not exist",
    "unknown-param": "`$name` that is neither a param nor a variable",
    "missing-param": "a param without a default that was not given by --set",
    "unknown-pipeline": "a pipeline that is not in pipelines/",
    "unknown-relation": "a relation that is neither a source nor a step chain",
    "duplicate-name": "two things share one name",
    "cycle": "relations that are made from each other",
    "bad-name": "a name that some engine or database cannot hold",
    "shared-sink": "two sinks that write to the same table or file",
    "unknown-connection": "a connection that the profile does not declare",
    "unknown-profile": "a profile that the project does not declare",
    "unknown-model": "a model that the profile does not declare",
    "unknown-prompt": "a prompt that is not in prompts/",
    "unknown-mapping": "a mapping that is not in mappings/",
    "unknown-label": "a label that the mapping does not have",
    "unknown-group": "a column group that no pivot named",
    "unknown-column": "a column that the relation does not have",
    "column-exists": "a new column that would shadow one that is there",
    "unknown-type": "a type that does not exist",
    "unknown-function": "a function that the expression language does not have",
    "wrong-arguments": "a function called with the wrong number or kind of arguments",
    "type-mismatch": "a value of the wrong type",
    "not-allowed-here": "an aggregate or window where none can stand",
    "not-grouped": "a column that is neither grouped nor aggregated",
    "syntax": "text that is not a Spark SQL expression",
    "expression-not-allowed": "SQL that the expression language leaves out",
    "no-total-order": "an answer that would depend on the order of rows",
    "python-function": "a Python function that cannot be found",
    "secret-literal": "a password or key written out instead of referred to",
    "secret-shown": "a password or key where others on the machine can read it",
    "unused": "something declared and never used",
    "quoted-param": "`$name` inside quotes, where it stays text",
}


@dataclass(frozen=True, order=True)
class Diagnostic:
    """One mistake. Lines and columns count from 1; `end_column` is exclusive, on the same line."""

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
        "rules": [{"id": code, "shortDescription": {"text": CODES.get(code, code)}} for code in used],
    }
    results = [_as_sarif(diagnostic) for diagnostic in found]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, ensure_ascii=False, indent=2)


def nearest(name: str, choices: Iterable[str]) -> str:
    """A `did you mean` for `name`, or nothing where no choice is near."""
    found = closest(name, choices)
    return f"did you mean `{found}`?" if found is not None else ""


def closest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that `name` most likely stands for; None where none is near."""
    folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


FORMATS = {"text": format_text, "json": format_json, "github": format_github, "sarif": format_sarif}


def shown_width(text: str) -> int:
    """How many columns of a terminal `text` takes: none for a combining mark, two for a wide letter."""
    return sum(0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1 for character in text)


def _as_text(diagnostic: Diagnostic) -> str:
    kind = "warning: " if diagnostic.severity == "warning" else ""
    place = f"{_harmless(diagnostic.file)}:{diagnostic.line}:{diagnostic.column}"
    lines = [f"{place}: {kind}{diagnostic.code}: {_harmless(diagnostic.message)}"]
    if diagnostic.source.strip():
        gutter = f"{diagnostic.line:>5} | "
        source = _harmless(diagnostic.source)
        before, word = source[: diagnostic.column - 1], source[diagnostic.column - 1 : diagnostic.end_column - 1]
        # A tab keeps the caret in place only where a tab stands below it.
        padding = "".join("\t" if character == "\t" else " " * shown_width(character) for character in before)
        lines += [gutter + source, " " * len(gutter) + padding + "^" * max(1, shown_width(word))]
    if diagnostic.fix:
        lines.append(f"    = {_harmless(diagnostic.fix)}")
    return "\n".join(lines)


def _harmless(text: str) -> str:
    """Text for a terminal, with a mark for each character that could move its cursor or turn its text around."""
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
