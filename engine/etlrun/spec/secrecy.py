"""Secrets in a project file: where one is written out or would be shown, and which lines of the file nobody is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from etlrun.diagnostics import Diagnostic
from etlrun.spec.located import Document, Keys

ENVIRONMENT = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SECRET_KEYS = re.compile(r"(?i)(password|passwd|secret|token(?!s)|api_?key|credential)")
_SECRET_OPTION = re.compile(r"(?i)-D([\w.]*(?:password|passwd|secret|token|api_?key|credential)[\w.]*)=")


def secret_mistakes(document: Document) -> Iterator[Diagnostic]:
    """Secrets that the project file writes out instead of referring to them, or puts where others can read them."""
    for where, text in document.scalars.items():
        if where[:1] == ("profiles",):
            yield from _in_scalar(document, where, text)


def _in_scalar(document: Document, where: Keys, text: str) -> Iterator[Diagnostic]:
    name = str(where[-1])
    inside_url = re.search(r"://[^/@\s:]+:([^@\s]+)@", text)
    if (_SECRET_KEYS.search(name) and text and "${" not in text) or (inside_url and "${" not in inside_url.group(1)):
        yield document.diagnose(where, "secret-literal", f"`{name}` holds a secret written out", "write ${NAME} and set NAME in the environment")
    option = _SECRET_OPTION.search(text) if name.endswith("JavaOptions") else None
    if option:
        message = f"`{name}` would show `{option.group(1)}` to everybody on the machine: Java's options are its command line"
        yield document.diagnose(where, "secret-shown", message, "let Java take it from a file or a key store")


# Generous, since a line that is not shown costs little: a name that sounds like one of a secret's, misspelt ones included, with a value
# that is not just a reference; and a user part, or such a name in a query.
_NAME = r"(?i:pas+w|pass|pwd|passphrase|secret|token(?!s)|key|credential|\bsas\b)"
_SECRET_LINE = re.compile(_NAME + r"""[^\s:=]*\s*[:=]\s*(?!["']?\$\{\w+\}["']?\s*(?:[,}\]#]|$))\S|://[^/\s]*@""")
_SECRET_BELOW = re.compile(_NAME + r"[^\s:=]*\s*:\s*[|>]?[-+]?\s*$")


def hide_lines(diagnostics: Iterable[Diagnostic], text: str) -> list[Diagnostic]:
    """Diagnostics of a project file, without the line where one may hold a secret, and without the value it would name."""
    lines = ["", *text.split("\n")]
    return [_hidden(found) if _holds_secret(lines, found.line) else found for found in diagnostics]


def _holds_secret(lines: list[str], number: int) -> bool:
    here, above = lines[number : number + 1], lines[number - 1 : number]
    return any(_SECRET_LINE.search(line) for line in here) or any(_SECRET_BELOW.search(line) for line in above)


def _hidden(found: Diagnostic) -> Diagnostic:
    return replace(found, source="", message=re.sub(r", not `.*`$", "", found.message, flags=re.DOTALL))
