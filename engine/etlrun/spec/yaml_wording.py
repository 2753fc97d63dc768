"""Explains errors of the YAML parser: what is wrong, and what to do."""

from __future__ import annotations

import re

SYNTAX = (
    ("cannot start any token", "this character cannot start a value", "put the value in quotes"),
    (
        "mapping values are not allowed",
        "a `:` is not expected here",
        "put the value in quotes, or check the indentation",
    ),
    (
        "did not find expected key",
        "the indentation does not fit, or a key is missing",
        "give all keys of one mapping the same indentation",
    ),
    ("did not find expected '-' indicator", "the list ends here", "indent all `-` of one list equally"),
    (
        "alphabetic or numeric character",
        "a value that begins with `*` or `&` is an alias or an anchor of YAML",
        "remove `select: *`, because a chain keeps all columns anyway; put any other value in quotes",
    ),
    ("could not find expected ':'", "a `:` is missing after this key", "write `key: value`"),
    (
        "did not find expected ',' or",
        "a `,` or the closing bracket is missing",
        "close what was opened with `{` or `[`",
    ),
    (
        "unknown escape character",
        "in double quotes a `\\` begins an escape such as `\\n`, but this is not one",
        "use single quotes, or `/` in a path",
    ),
    ("unexpected end of stream", "this quote is not closed", "close it"),
    ("undefined alias", "the anchor of this alias is not defined", "define the anchor first: `&name value`"),
    ("control characters are not allowed", "the file contains a control character", "remove it"),
)

_QUOTED_START = re.compile(r"""(?P<value>(?P<quote>['"])(?:(?!(?P=quote)).)*(?P=quote)\s+[^\s#,}\]:].*?)\s*$""")
_COMMA_IN_BRACES = re.compile(r"\{[^{}]*\([^()]*,")


def explain_line(line: str, problem: str) -> tuple[str, str] | None:
    """Explain a YAML line with an unquoted expression, and what to do; None for other lines."""
    quoted = _QUOTED_START.search(line)
    if (
        quoted
        and ("expected key" in problem or "block end" in problem or "expected ','" in problem)
        and "{" not in line
    ):
        value = quoted["value"]
        whole = f'"{value}"' if '"' not in value else "'" + value.replace("'", "''") + "'"
        return "the value ends at its closing quote, and more text follows", f"put all of it in quotes: {whole}"
    if "expected ','" in problem and _COMMA_IN_BRACES.search(line):
        return "inside `{...}` a `,` ends the value before it", "put the whole expression in quotes"
    return None
