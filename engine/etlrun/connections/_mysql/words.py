"""Quotes names and texts for MySQL, in a session with backslash escapes and without ANSI quotes."""

from __future__ import annotations

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0"})


def name(text: str) -> str:
    """A quoted identifier."""
    return "`" + text.replace("`", "``") + "`"


def table_name(text: str) -> str:
    """The quoted name of a table; with two parts, of another database."""
    return ".".join(map(name, text.split(".")))


def names(texts: tuple[str, ...]) -> str:
    """Quoted identifiers, separated by commas."""
    return ", ".join(name(text) for text in texts)


def text(value: str) -> str:
    """A quoted string."""
    return "'" + value.translate(_ESCAPES) + "'"
