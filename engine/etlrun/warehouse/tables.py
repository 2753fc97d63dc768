"""Tables as a server describes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from etlrun.language.columns import DATE, DOUBLE, FLOAT, INTEGERS, TIMESTAMP, Column, Columns, Type


class StoredColumn(Protocol):
    """A column of an existing table. `written` is its type as the server writes it."""

    @property
    def name(self) -> str: ...
    @property
    def written(self) -> str: ...
    @property
    def is_nullable(self) -> bool: ...
    @property
    def type(self) -> Type | None:
        """The type of its values in a relation; None if relations have no such type."""


C_co = TypeVar("C_co", bound=StoredColumn, covariant=True)


@dataclass(frozen=True)
class Definition(Generic[C_co]):
    """A table or view as the server describes it; `key` is the primary key, and `is_new` says that this publish has just created it."""

    table: str
    is_view: bool
    columns: tuple[C_co, ...]
    key: tuple[str, ...] = ()
    is_new: bool = field(default=False, kw_only=True)

    @property
    def is_table(self) -> bool:
        return not self.is_view

    def column(self, wanted: str) -> C_co | None:
        return next((column for column in self.columns if column.name.lower() == wanted.lower()), None)

    def relation(self) -> Columns:
        """The columns whose types a relation can have."""
        known = ((column, column.type) for column in self.columns)
        return Columns(tuple(Column(each.name, kind, each.is_nullable) for each, kind in known if kind is not None))


def loss_of(old: Type | None, new: Type) -> str:
    """The comment after a statement that changes the type of a column; empty if the new type has every value of the old one."""
    return "" if old is not None and keeps_all(old, new) else " /* may cut or round values that are there */"


def keeps_all(old: Type, new: Type) -> bool:
    """Whether the second type has every value of the first."""
    if old == new:
        return True
    if new.name in INTEGERS:
        return old.name in INTEGERS and INTEGERS.index(old.name) <= INTEGERS.index(new.name)
    if new.name == "decimal":
        scale, digits = (
            (old.scale, old.precision - old.scale) if old.name == "decimal" else (0, DIGITS.get(old.name, 99))
        )
        return scale <= new.scale and digits <= new.precision - new.scale
    return (old, new) in ((FLOAT, DOUBLE), (DATE, TIMESTAMP))


DIGITS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 19}  # of the largest value of an integer


@dataclass(frozen=True)
class OwnTable:
    """A table for etlrun's own use: its columns, which are never null, as `kind` or `text(length)`."""

    name: str
    columns: tuple[tuple[str, int | None], ...]  # a text of so many characters, or an integer
    key: tuple[str, ...]
    purpose: str

    @property
    def names(self) -> str:
        return ", ".join(name for name, _ in self.columns)


def declared(columns: Iterator[tuple[str, str]]) -> str:
    """Columns and their types for CREATE TABLE."""
    return ", ".join(f"{name} {kind} NOT NULL" for name, kind in columns)
