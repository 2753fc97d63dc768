"""Parses the text of a type, including nested types."""

from __future__ import annotations

import re

from etlrun.language.columns import INTEGERS, NESTED, SCALARS, Type, array, decimal, mapping, struct

DEEPEST = 20  # levels of a nested type
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
    """A text that is not a type; `str()` is the reason, `name` the wrong word."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def parse_type(text: str) -> Type:
    """Read a type such as `bigint`, `decimal(18,2)`, `array<string>`, `struct<a: int, b: string>` or `map<string, int>`.

    Raises TypeTextError with the word that is not a type.
    """
    reader = _TypeReader(text)
    found = reader.read()
    if reader.rest():
        raise TypeTextError(f"`{reader.rest()}` follows the type `{found}`", reader.rest())
    return found


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
            raise TypeTextError("`not null` must follow the whole type of a column, and cannot be inside it", word)
        if name not in SCALARS:
            raise TypeTextError(f"`{word}` is not a type", word)
        if self.depth and name == "timestamptz":
            raise TypeTextError(
                "a timestamptz cannot be inside an array, a struct or a map: it would lose its time zone", word
            )
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
            raise TypeTextError("use timestamptz only as the type of a whole column", "timestamptz")
        return found

    def read_array(self) -> Type:
        return array(self.read())

    def read_map(self) -> Type:
        word = self.peek()
        key = self.read()
        if key.name not in MAP_KEYS:
            raise TypeTextError(f"the keys of a map cannot be {key}; they can be {', '.join(MAP_KEYS)}", word)
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
                f"decimal({precision},{scale}) is not possible: at most 38 digits, and a scale that is not larger",
                "decimal",
            )
        return decimal(precision, scale)

    def number(self) -> int:
        token = self.take()
        if not token.isdigit():
            raise TypeTextError(f"expected a number of digits, not `{token}`", token)
        return int(token)
