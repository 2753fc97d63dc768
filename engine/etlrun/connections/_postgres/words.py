"""Quotes names and texts, and writes types, for PostgreSQL with standard_conforming_strings."""

from __future__ import annotations

from etlrun.language.columns import Type

_WRITTEN = {
    "boolean": "boolean",
    "tinyint": "smallint",
    "smallint": "smallint",
    "int": "integer",
    "bigint": "bigint",
    "float": "real",
    "double": "double precision",
    "string": 'text COLLATE "C"',
    "binary": "bytea",
    "date": "date",
    "timestamp": "timestamp(6)",
    "timestamptz": "timestamptz(6)",
}


def name(text: str) -> str:
    """A quoted identifier."""
    return '"' + text.replace('"', '""') + '"'


def text(value: str) -> str:
    """A quoted string."""
    return "'" + value.replace("'", "''") + "'"


def table_name(text: str) -> str:
    """The quoted name of a table; with two parts, of another schema."""
    return ".".join(map(name, text.split(".")))


def declared(kind: Type) -> str:
    """A type as in CREATE TABLE."""
    return f"numeric({kind.precision}, {kind.scale})" if kind.name == "decimal" else _WRITTEN[kind.name]
