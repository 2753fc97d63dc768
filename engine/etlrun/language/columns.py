"""Columns and their types: what every relation declares and every pass reasons about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

INTEGERS = ("tinyint", "smallint", "int", "bigint")
FRACTIONS = ("float", "double")
DEEPEST = 20  # levels of a nested type
NESTED = ("array", "struct", "map")
SCALARS = ("boolean", *INTEGERS, *FRACTIONS, "decimal", "string", "binary", "date", "timestamp", "timestamptz")
MAP_KEYS = ("string", *INTEGERS, "date")  # the types that the keys of a map may have
SPELLINGS = {
    "bool": "boolean",
    "integer": "int",
    "long": "bigint",
    "short": "smallint",
    "byte": "tinyint",
    "real": "float",
    "text": "string",
    "varchar": "string",
    "char": "string",
    "numeric": "decimal",
    "dec": "decimal",
    "timestamp_ntz": "timestamp",
    "datetime": "timestamp",
    "timestamp_ltz": "timestamptz",
    "timestamp_tz": "timestamptz",
}


class TypeTextError(ValueError):
    """A text that names no type; `str()` says why, `name` is the word at fault."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Type:
    """A column's type, in Spark's vocabulary.

    `timestamp` has no time zone, so that both engines give the same clock. `timestamptz` is an instant: engines, files of the run and
    Arrow hold it as its clock in UTC, so that no session's time zone can change it. `null` is the type of a bare NULL.
    """

    name: str
    precision: int = 0
    scale: int = 0
    element: Type | None = None  # of an array
    fields: tuple[tuple[str, Type], ...] = ()  # of a struct
    entry: tuple[Type, Type] | None = None  # of a map: the types of its keys and of its values

    def __deepcopy__(self, memo: object) -> Type:
        """Itself: trees that carry types are copied often."""
        return self

    def __str__(self) -> str:
        if self.name == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.name == "array":
            return f"array<{self.element}>"
        if self.name == "struct":
            return "struct<" + ", ".join(f"{_field_text(name)}: {kind}" for name, kind in self.fields) + ">"
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
        """Whether there are instants inside it."""
        return any(kind == TIMESTAMPTZ or kind.holds_instants for kind in self.inner)

    @property
    def is_orderable(self) -> bool:
        return self.name in SCALARS or self.name == "null"

    @property
    def is_groupable(self) -> bool:
        """Whether every engine finds the same of its values equal."""
        return self.is_orderable or (self.element is not None and self.element.is_orderable)

    @property
    def is_nested(self) -> bool:
        """Whether its values hold other values: an array, a struct or a map."""
        return self.name in NESTED

    @property
    def inner(self) -> tuple[Type, ...]:
        """The types of the values that a value of this type holds."""
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


def _field_text(name: str) -> str:
    """The name of a field as it stands in a type: in backticks where it is no plain word."""
    return name if re.fullmatch(r"[^\W\d]\w*", name) else "`" + name.replace("`", "``") + "`"


def parse_type(text: str) -> Type:
    """Read a type such as `bigint`, `decimal(18,2)`, `array<string>`, `struct<a: int, b: string>` or `map<string, int>`.

    Raises TypeTextError, naming the word that is no type.
    """
    reader = _TypeReader(text)
    found = reader.read()
    if reader.rest():
        raise TypeTextError(f"`{reader.rest()}` follows the type `{found}`", reader.rest())
    return found


@dataclass(frozen=True)
class Column:
    """One column of a relation.

    `domain` lists every value the column can hold, as text, where that is declared (a calendar, a mapping's labels). `misspelt` is the name by
    which a mistake called it: what follows may use either name.
    """

    name: str
    type: Type
    nullable: bool = True
    description: str = ""
    domain: tuple[str, ...] | None = None
    misspelt: str = ""


@dataclass(frozen=True)
class Group:
    """A named set of columns, one per label: what `pivot` makes and `argmax`, `labels` and `sum(group)` use."""

    name: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """The ordered columns of a relation, and the column groups among them. Names compare without case, as in Spark."""

    items: tuple[Column, ...]
    groups: tuple[Group, ...] = ()
    unique: tuple[str, ...] | None = None  # columns whose values no two rows share, where that is known; () for one row

    @cached_property
    def _index(self) -> dict[str, Column]:
        misspelt = {column.misspelt.lower(): column for column in self.items if column.misspelt}
        return misspelt | {column.name.lower(): column for column in reversed(self.items)}

    def __iter__(self) -> Iterator[Column]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._index

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.items)

    def get(self, name: str) -> Column | None:
        return self._index.get(name.lower())

    def group(self, name: str) -> Group | None:
        return next((group for group in self.groups if group.name.lower() == name.lower()), None)

    def with_column(self, column: Column) -> Columns:
        """Add `column` at the end, or put it in the place of the column of that name."""
        if column.name not in self:
            longer = replace(self, items=(*self.items, column))
            longer.__dict__["_index"] = self._index | {column.name.lower(): column}  # else made anew for each column
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
        """The columns that tell rows apart: the known key, or all; rows that agree in all of them are equal."""
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

        items = tuple(replace(item, name=new(item.name), misspelt=new(item.misspelt)) for item in self.items)
        groups = tuple(replace(group, columns=tuple(new(name) for name in group.columns)) for group in self.groups)
        unique = None if self.unique is None else tuple(new(name) for name in self.unique)
        return Columns(items, groups, unique)


class _TypeReader:
    """A reader of type text, one token at a time: a sign, a name in backticks, or words."""

    def __init__(self, text: str) -> None:
        self.tokens = re.findall(r"`(?:[^`]|``)+`|[<>(),:]|[^\s<>(),:`]+(?:[ \t]+[^\s<>(),:`]+)*|\S", text)
        self.at = 0
        self.depth = 0

    def rest(self) -> str:
        return " ".join(self.tokens[self.at :])

    def take(self, expected: str = "") -> str:
        token = self.tokens[self.at] if self.at < len(self.tokens) else ""
        if expected and token != expected:
            raise TypeTextError(f"a `{expected}` is missing " + (f"before `{token}`" if token else "at the end"), token)
        self.at += 1
        return token

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def read(self) -> Type:
        word = self.take()
        name = SPELLINGS.get(word.lower(), word.lower())
        if name in NESTED:
            return self.read_nested(name)
        if self.depth and re.search(r"(?i)\snot\s+null\Z", word):
            raise TypeTextError("`not null` stands behind the type of a column, and not inside it", word)
        if name not in SCALARS:
            raise TypeTextError(f"`{word}` is not a type", word)
        if self.depth and name == "timestamptz":
            raise TypeTextError("a timestamptz is a column of its own: inside others it would lose its zone", word)
        if name == "decimal":
            return self.read_decimal()
        return Type(name)

    def read_nested(self, name: str) -> Type:
        if self.depth == DEEPEST:
            raise TypeTextError(f"types are nested more than {DEEPEST} deep", name)
        self.depth += 1
        self.take("<")
        read = {"array": self.read_array, "struct": self.read_struct, "map": self.read_map}[name]
        found = read()
        self.take(">")
        self.depth -= 1
        if found.holds_instants:
            raise TypeTextError("a timestamptz stands in a column of its own, inside no other value", "timestamptz")
        return found

    def read_array(self) -> Type:
        return array(self.read())

    def read_map(self) -> Type:
        word = self.peek()
        key = self.read()
        if key.name not in MAP_KEYS:
            raise TypeTextError(f"the keys of a map are not {key}: they are {', '.join(MAP_KEYS)}", word)
        self.take(",")
        return mapping(key, self.read())

    def read_struct(self) -> Type:
        fields: list[tuple[str, Type]] = []
        while True:
            name = self.field_name()
            if any(name.lower() == other.lower() for other, _ in fields):
                raise TypeTextError(f"the struct has two fields `{name}`", name)
            if self.peek() == ":":
                self.take()
            fields.append((name, self.read()))
            if self.peek() != ",":
                return struct(*fields)
            self.take()

    def field_name(self) -> str:
        token = self.take()
        if token.startswith("`") and len(token) > 2:
            return token[1:-1].replace("``", "`")
        if not token or token in "<>(),:`":
            shown = f"`{token}`" if token else "the end"
            raise TypeTextError(f"the name of a field is missing before {shown}", token)
        if self.peek() == ":":
            return token
        name, _, rest = token.partition(" ")
        if not rest:
            raise TypeTextError(f"the type of the field `{name}` is missing: write `{name}: string`", token)
        self.at -= 1
        self.tokens[self.at] = rest.strip()  # `sku string`, without the colon that YAML has in quotes only
        return name

    def read_decimal(self) -> Type:
        if self.peek() != "(":
            return decimal(10, 0)
        self.take("(")
        precision = self.number()
        scale = 0
        if self.peek() == ",":
            self.take(",")
            scale = self.number()
        self.take(")")
        if not 1 <= precision <= 38 or scale > precision:
            raise TypeTextError(
                f"decimal({precision},{scale}) does not fit: at most 38 digits, scale within them", "decimal"
            )
        return decimal(precision, scale)

    def number(self) -> int:
        token = self.take()
        if not token.isdigit():
            raise TypeTextError(f"expected a number of digits, not `{token}`", token)
        return int(token)
