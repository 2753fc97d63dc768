"""Names and texts as PostgreSQL writes them, in a session with standard_conforming_strings."""

from __future__ import annotations


def name(text: str) -> str:
    """A quoted identifier."""
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> str:
    """A quoted string."""
    return "'" + value.replace("'", "''") + "'"


def table_name(text: str) -> str:
    """The quoted name of a table, of another schema where it has two parts."""
    return ".".join(map(name, text.split(".")))
