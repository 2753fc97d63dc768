"""Names and texts as MySQL writes them, in a session whose SQL mode has backslash escapes and no ANSI quotes."""

from __future__ import annotations

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\0": "\\0"})


def name(text: str) -> str:
    """A quoted identifier."""
    return "`" + text.replace("`", "``") + "`"


def table_name(text: str) -> str:
    """The quoted name of a table, of another database where it has two parts."""
    return ".".join(map(name, text.split(".")))


def names(texts: tuple[str, ...]) -> str:
    """Quoted identifiers with commas between."""
    return ", ".join(name(text) for text in texts)


def text(value: str) -> str:
    """A quoted string."""
    return "'" + value.translate(_ESCAPES) + "'"
