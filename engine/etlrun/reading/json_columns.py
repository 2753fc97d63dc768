"""Columns that are read from inside a JSON text: their paths and types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etlrun.language.columns import STRING, Column, Columns
from etlrun.reading.json_paths import Path, PathError, read_path
from etlrun.reading.records import Field
from etlrun.reading.source import DeclaredColumn
from etlrun.reading.spellings import holds
from etlrun.spec.fields import key
from etlrun.spec.scope import At, Scope


@dataclass(frozen=True)
class JsonColumn(DeclaredColumn):
    """A value inside a JSON text: its type, where it stands, and what it means. `not null` after the type refuses texts without it."""

    raw: bool = key(
        "`true`: the column is the JSON text of the value at `path`, whatever its type; without `path`, of the whole "
        "record",
        default=False,
    )

    def json_path(self, name: str) -> Path:
        """The keys and positions that lead to the value. Raises PathError."""
        return read_path(self.path) if self.path else () if self.raw else (name,)

    def field(self, name: str, column: Column, record: Path = ()) -> Field:
        """How the value is read, below the object at `record`."""
        return Field(name, (*record, *self.json_path(name)), column.type, self.is_required, self.raw)

    def verify(self, column: Column, at: tuple[str | int, ...], scope: Scope) -> None:
        """Report a type that JSON values cannot have, and a path that is not valid."""
        if holds(column.type, "binary"):
            scope.error(at, "type-mismatch", f"a JSON value cannot be read as {column.type}", "declare it as string")
        if self.raw and column.type != STRING:
            message = f"`{column.name}` is the JSON text of a value, but {column.type} is declared"
            scope.error(at, "type-mismatch", message, "declare it as string, or remove `raw`")
        verify_path(self.path, (*at, "path"), scope)


def verify_path(text: str, at: At, scope: Scope) -> None:
    """Report a path that is not valid."""
    try:
        read_path(text)
    except PathError as error:
        scope.error(at, "wrong-value", str(error), error.fix)


def json_fields(declared: Mapping[str, JsonColumn], columns: Columns, record: str = "") -> tuple[Field, ...]:
    """How the declared columns are read, each below the object at `record`."""
    below = read_path(record)
    found = ((name, item, columns.get(name)) for name, item in declared.items())
    return tuple(item.field(name, column, below) for name, item, column in found if column is not None)
