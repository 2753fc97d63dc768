"""Maps declared types to MySQL's, and decides which existing columns can store them.

A text is TEXT, and VARCHAR where the column is part of the key: 255 characters, or less where several share the 3072 bytes that
an index may have. All text is utf8mb4 with the collation utf8mb4_bin: in others `nhật ký` and `NHAT KY` are the same key. An existing
table may also use MySQL's utf8mb4_0900_bin or MariaDB's utf8mb4_nopad_bin, in which a space at the end counts. A `float`
becomes DOUBLE, because MySQL shows only six digits of a FLOAT. A `timestamp` becomes DATETIME(6), which knows no time zone;
a `timestamptz` too, as its clock in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.dialects import mysql

from etlrun.language.columns import (
    BIGINT,
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    INTEGERS,
    MOMENTS,
    SMALLINT,
    STRING,
    TIMESTAMP,
    TIMESTAMPTZ,
    TINYINT,
    Type,
    decimal,
)

CHARSET, COLLATION = "utf8mb4", "utf8mb4_bin"
WITH_SPACES = ("utf8mb4_0900_bin", "utf8mb4_nopad_bin")  # exact, and a space at the end counts
INDEX_BYTES = 3072
LONGEST_KEY = 255
MOST_SCALE = 30
TEXTS = {"tinytext": 255, "text": 65_535, "mediumtext": 16_777_215, "longtext": 4_294_967_295}
BLOBS = {"tinyblob": 255, "blob": 65_535, "mediumblob": 16_777_215, "longblob": 4_294_967_295}
_BYTES = {
    "boolean": 1,
    "tinyint": 1,
    "smallint": 2,
    "int": 4,
    "bigint": 8,
    "float": 8,
    "double": 8,
    "decimal": 17,
    "date": 3,
    "timestamp": 8,
    "timestamptz": 8,
}
_READ = {
    "smallint": SMALLINT,
    "mediumint": INT,
    "int": INT,
    "bigint": BIGINT,
    "year": INT,
    "float": FLOAT,
    "double": DOUBLE,
    "date": DATE,
    "datetime": TIMESTAMP,
    "timestamp": TIMESTAMPTZ,
    "char": STRING,
    "varchar": STRING,
    "enum": STRING,
    "set": STRING,
    "json": STRING,
    "binary": BINARY,
    "varbinary": BINARY,
    **dict.fromkeys(TEXTS, STRING),
    **dict.fromkeys(BLOBS, BINARY),
}
_UNSIGNED = {TINYINT: SMALLINT, SMALLINT: INT, INT: BIGINT, BIGINT: decimal(20, 0)}


@dataclass(frozen=True)
class MysqlColumn:
    """A column of an existing table. `kind` is MySQL's name of the type, `written` the type in full, `limit` its length in characters or bytes."""

    name: str
    kind: str
    written: str
    is_nullable: bool
    has_default: bool
    is_generated: bool
    limit: int | None
    collation: str
    precision: int
    scale: int
    fraction: int
    zero_default: str = ""  # a default that is not a date, which strict mode refuses

    @property
    def is_unsigned(self) -> bool:
        return "unsigned" in self.written

    @property
    def type(self) -> Type | None:
        """The type of its values in a relation; None if etlrun has no such type."""
        if self.kind == "tinyint":
            found: Type | None = BOOLEAN if self.written.startswith("tinyint(1)") else TINYINT
        elif self.kind == "decimal":
            return decimal(self.precision, self.scale) if self.precision <= 38 else None
        else:
            found = _READ.get(self.kind)
        return _UNSIGNED.get(found, found) if self.is_unsigned and found is not None else found

    def takes(self, wanted: Type, *, is_exact: bool) -> bool:
        """Whether every value of `wanted` is stored unchanged. `is_exact` columns identify rows, so different texts must not be equal there."""
        if self.is_generated or self.kind == "year":  # the server reads 22 as 2022 there
            return False
        if wanted == STRING:
            is_text = self.kind == "varchar" or self.kind in TEXTS
            return (
                is_text
                and self.collation.startswith(CHARSET)
                and (self.collation in (COLLATION, *WITH_SPACES) or not is_exact)
            )
        if wanted == BINARY:
            return self.kind == "varbinary" or self.kind in BLOBS
        if wanted in (TIMESTAMP, TIMESTAMPTZ):
            return self.kind == "datetime" and self.fraction == 6
        if self.is_unsigned or self.type is None:
            return False
        if wanted.name in INTEGERS and self.type.name in INTEGERS:
            return INTEGERS.index(self.type.name) >= INTEGERS.index(wanted.name)
        if wanted.name == self.type.name == "decimal":
            return self.type.scale == wanted.scale and self.type.precision >= wanted.precision
        return self.type == wanted or (wanted == FLOAT and self.type == DOUBLE)

    def fits_into(self, wanted: Type, length: int) -> bool:
        """Whether a column of type `wanted`, with `length` characters unless it is 0, can store every value of this one."""
        mine = TINYINT if self.kind == "tinyint" and not self.is_unsigned else self.type
        if wanted == STRING:
            longest = {**TEXTS, **BLOBS}.get(self.kind) or 4 * (self.limit or 0)
            return mine == STRING and (self.limit or longest) <= (length or TEXTS["text"] // 4)
        if wanted == BINARY:
            return mine == BINARY
        if wanted == BOOLEAN:
            return mine == TINYINT
        if wanted in (TIMESTAMP, TIMESTAMPTZ):
            return mine in MOMENTS
        if wanted.name in INTEGERS:
            return mine is not None and mine.name in INTEGERS[: INTEGERS.index(wanted.name) + 1]
        if wanted.name == "decimal" and mine is not None and mine.name == "decimal":
            return mine.scale <= wanted.scale and mine.precision - mine.scale <= wanted.precision - wanted.scale
        if wanted in (FLOAT, DOUBLE):
            return mine in (TINYINT, SMALLINT, INT, FLOAT, DOUBLE)
        return mine == wanted


def key_length(types: tuple[Type, ...]) -> int:
    """How many characters each text column of a key with these types may have."""
    texts = sum(1 for kind in types if kind.name in ("string", "binary"))
    rest = INDEX_BYTES - sum(_BYTES.get(kind.name, 0) for kind in types)
    return min(LONGEST_KEY, rest // (4 * max(1, texts)))


def mysql_type(kind: Type, length: int = 0) -> Any:
    """The SQLAlchemy type of a column; `length` is the most characters of a text."""
    if kind == STRING:
        held: dict[str, Any] = {"charset": CHARSET, "collation": COLLATION}
        return mysql.VARCHAR(length, **held) if length else mysql.TEXT(**held)
    if kind == BINARY:
        return mysql.VARBINARY(length) if length else mysql.LONGBLOB()
    if kind.name == "decimal":
        return mysql.DECIMAL(kind.precision, kind.scale)
    return {
        "boolean": mysql.TINYINT(display_width=1),
        "tinyint": mysql.TINYINT(),
        "smallint": mysql.SMALLINT(),
        "int": mysql.INTEGER(),
        "bigint": mysql.BIGINT(),
        "float": mysql.DOUBLE(),
        "double": mysql.DOUBLE(),
        "date": mysql.DATE(),
        "timestamp": mysql.DATETIME(fsp=6),
        "timestamptz": mysql.DATETIME(fsp=6),
    }[kind.name]
