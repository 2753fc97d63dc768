"""Columns and their types: every relation declares them, and every pass of the compiler uses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

INTEGERS = ("tinyint", "smallint", "int", "bigint")
FRACTIONS = ("float", "double")
LABEL = "{label}"  # in the name of a column: it stands for one column per label; the labels are known only during a run
NESTED = ("array", "struct", "map")
SCALARS = ("boolean", *INTEGERS, *FRACTIONS, "decimal", "string", "binary", "date", "timestamp", "timestamptz")


@dataclass(frozen=True)
class Type:
    """A column's type, in Spark's vocabulary.

    `timestamp` has no time zone, so that both engines give the same time. `timestamptz` is an instant: engines, files of the run and
    Arrow store it as the clock time in UTC, so that no session's time zone can change it. `null` is the type of a bare NULL.
    """

    name: str
    precision: int = 0
    scale: int = 0
    element: Type | None = None  # of an array
    fields: tuple[tuple[str, Type], ...] = ()  # of a struct
    entry: tuple[Type, Type] | None = None  # of a map: the types of its keys and of its values

    def __deepcopy__(self, memo: object) -> Type:
        """Return itself, which is immutable: trees that carry types are copied often."""
        return self

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "array":
            return f"array<{self.element}>"
        if self.name == "struct":
            return "struct<" + ", ".join(f"{written_name(name)}: {kind}" for name, kind in self.fields) + ">"
        if self.entry is not None:
            return f"map<{self.entry[0]}, {self.entry[1]}>"
        return self.name

    @property
    def is_integer(self) -> bool:
        return self.name in INTEGERS

    @property
    def is_numeric(self) -> bool:
        return self.name in INTEGERS or self.name in FRACTIONS or self.name == "decimal"

    @property
    def holds_instants(self) -> bool:
        """Whether it is an instant or contains instants."""
        return any(kind == TIMESTAMPTZ or kind.holds_instants for kind in self.inner)

    @property
    def is_orderable(self) -> bool:
        return self.name in SCALARS or self.name == "null"

    @property
    def is_groupable(self) -> bool:
        """Whether its values are equal on one engine exactly if they are on the others."""
        return self.is_orderable or (self.element is not None and self.element.is_orderable)

    @property
    def is_nested(self) -> bool:
        """Whether its values contain other values: an array, a struct or a map."""
        return self.name in NESTED

    @property
    def inner(self) -> tuple[Type, ...]:
        """The types of the values inside a value of this type."""
        return (*filter(None, [self.element]), *(kind for _, kind in self.fields), *(self.entry or ()))


BOOLEAN, TINYINT, SMALLINT, INT, BIGINT = (Type(name) for name in ("boolean", "tinyint", "smallint", "int", "bigint"))
FLOAT, DOUBLE, STRING, BINARY, DATE, TIMESTAMP = (
    Type(name) for name in ("float", "double", "string", "binary", "date", "timestamp")
)
TIMESTAMPTZ = Type("timestamptz")
MOMENTS = (DATE, TIMESTAMP, TIMESTAMPTZ)
NULL = Type("null")


def decimal(precision: int, scale: int) -> Type:
    return Type("decimal", precision, scale)


def array(element: Type) -> Type:
    return Type("array", element=element)


def struct(*fields: tuple[str, Type]) -> Type:
    return Type("struct", fields=tuple(fields))


def mapping(key: Type, value: Type) -> Type:
    return Type("map", entry=(key, value))


def written_name(name: str) -> str:
    """A name as it is written in a type or an expression: in backticks if it is not a plain word."""
    return name if re.fullmatch(r"[^\W\d]\w*", name) else "`" + name.replace("`", "``") + "`"


@dataclass(frozen=True)
class Column:
    """One column of a relation.

    `domain` lists every value that the column can have, as text, if that is declared (a calendar, a mapping's labels). `misspelled` is a
    misspelled name that was already reported: later steps may use either name.
    """

    name: str
    type: Type
    nullable: bool = True
    description: str = ""
    domain: tuple[str, ...] | None = None
    misspelled: str = ""


@dataclass(frozen=True)
class Group:
    """A named set of columns, one per label: `pivot` makes it; `argmax`, `labels` and `sum(group)` use it."""

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    domain: tuple[str, ...] | None  # the labels, if they do not depend on the rows


@dataclass(frozen=True)
class Columns:
    """The ordered columns of a relation, and its column groups. Names are compared without case, as in Spark."""

    items: tuple[Column, ...]
    groups: tuple[Group, ...] = ()
    unique: tuple[str, ...] | None = (
        None  # columns whose values are unique in each row, if that is known; () if there is only one row
    )

    @cached_property
    def _index(self) -> dict[str, Column]:
        misspelled = {column.misspelled.lower(): column for column in self.items if column.misspelled}
        return misspelled | {column.name.lower(): column for column in reversed(self.items)}

    def __iter__(self) -> Iterator[Column]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._index

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.items)

    @cached_property
    def awaits_labels(self) -> bool:
        """Whether one of them stands for columns of labels that are known only during a run."""
        return any(LABEL in column.name for column in self.items)

    def of_label(self, name: str) -> Column | None:
        """The column that a label may get under this name, if the labels are known only during a run."""
        for column in self.items:
            before, label, after = column.name.lower().partition(LABEL)
            if label and name.lower().startswith(before) and name.lower().endswith(after):
                return replace(column, name=name)
        return None

    def get(self, name: str) -> Column | None:
        return self._index.get(name.lower())

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups if group.name.lower() == name.lower()), None)

    def with_column(self, column: Column) -> Columns:
        """Add `column` at the end, or replace the column of the same name."""
        if column.name not in self:
            longer = replace(self, items=(*self.items, column))
            # Otherwise built again for each column.
            longer.__dict__["_index"] = self._index | {column.name.lower(): column}
            return longer
        items = tuple(column if old.name.lower() == column.name.lower() else old for old in self.items)
        touched = column.name.lower() in {name.lower() for name in self.unique or ()}
        return Columns(items, self.groups, None if touched else self.unique)

    def with_group(self, group: Group) -> Columns:
        return replace(self, groups=(*self.groups, group))

    def with_unique(self, names: Iterable[str] | None) -> Columns:
        return replace(self, unique=None if names is None else tuple(names))

    @property
    def telling(self) -> tuple[str, ...]:
        """The columns that identify a row: the known key, or all columns."""
        return self.names if self.unique is None else self.unique

    def keep(self, names: Iterable[str]) -> Columns:
        """Only the columns in `names`, in that order; a group or the known key stays while all of its columns do."""
        items = tuple(column for name in names if (column := self.get(name)))
        kept = {column.name.lower() for column in items}
        groups = tuple(group for group in self.groups if all(name.lower() in kept for name in group.columns))
        unique = self.unique if all(name.lower() in kept for name in self.unique or ()) else None
        return Columns(items, groups, unique)

    def renamed(self, names: Mapping[str, str]) -> Columns:
        """The same columns, groups and key under other names; `names` maps an old name, in lower case, to the new one."""

        def new(name: str) -> str:
            return names.get(name.lower(), name)

        items = tuple(replace(item, name=new(item.name), misspelled=new(item.misspelled)) for item in self.items)
        groups = tuple(replace(group, columns=tuple(new(name) for name in group.columns)) for group in self.groups)
        unique = None if self.unique is None else tuple(new(name) for name in self.unique)
        return Columns(items, groups, unique)
