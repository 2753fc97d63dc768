"""Random typed rows: the edges of every type, ties, nulls, and texts that look like something else."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from random import Random
from typing import Any

from etlrun.language.columns import Column, Columns, Type
from etlrun.language.type_texts import parse_type

# `e` holds quarters, whose sums are exact in any order; `k` numbers the rows.
KINDS = {
    "k": "int",
    "g": "int",
    "y": "tinyint",
    "h": "smallint",
    "n": "int",
    "m": "bigint",
    "f": "float",
    "x": "double",
    "e": "double",
    "p": "decimal(10,2)",
    "q": "decimal(38,10)",
    "w": "decimal(38,0)",
    "v": "decimal(5,5)",
    "s": "string",
    "t": "string",
    "r": "string",
    "b": "boolean",
    "d": "date",
    "z": "timestamp",
    "a": "array<string>",
    "i": "array<int>",
    "j": "array<double>",
    "u": "timestamptz",
    "c": "map<string, bigint>",
    "dm": "map<date, array<string>>",
    "o": "struct<a: int, `b c`: string, d: array<int>, e: timestamp>",
    "ao": "array<struct<a: int, b: timestamp>>",
}
COLUMNS = Columns(tuple(Column(name, parse_type(kind)) for name, kind in KINDS.items()))
TEXTS = [
    "", " ", "a", "A", "ab,c", "a,,b", "hello World", "é", "e\u0301", "ế", "ß", "İ", "ΑΣ", "ﬁ", "🍥", "👩‍👩‍👧", "\n", "\t x ",
    "it's", '"', "\\", "%", "_", "$1", "0", "1", "-0", "00", "12", " 7 ", "1.5", ".5", "1e3", "-3e-2", "nan", "Infinity", "-inf",
    "true", "No", "t", "2024-02-29", "2023-02-29", "20220401", "2022-4-1", "0001-01-01", "9999-12-31", "2022-04-01T20:30:00",
    "2022-04-01 23:59:59.999999", "2022-04-01T20:30Z", "2022-12-31 7:5", "2022", "99999999999999999999", "2147483648", "12:30", "a\u0000b",
    "now", "epoch", "NULL", "x" * 40, '{"a": 1, "b": "x"}', '{"a": "1", "b": [1, null]}', '{"b": {"a": 2}, "A": 7}', '{"a": 1, "a": 2}', "[1, 2]",
    "2022-04-01 20:30:00+07:00",
]  # fmt: skip
MOMENTS = [
    datetime.datetime(1, 1, 1),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999),
    datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
    datetime.datetime(1970, 1, 1),
    datetime.datetime(1582, 10, 4, 12),
    datetime.datetime(2024, 2, 29, 20, 30),
    datetime.datetime(2022, 12, 31, 23, 0, 0, 1),
    datetime.datetime(2021, 1, 3),
]
FLOATS = [0.0, -0.0, 0.5, -2.5, 2.675, 1e20, 1e300, -1e300, 5e-324, float("nan"), float("inf"), float("-inf"), 9007199254740993.0, 1.0, -1.0]  # fmt: skip


def random_rows(random: Random, count: int, columns: Columns = COLUMNS) -> list[tuple[Any, ...]]:
    """Rows of these columns; the column `k` numbers them, `g` makes few groups."""
    special: dict[str, Callable[[int], Any]] = {
        "k": lambda at: at,
        "g": lambda at: random.choice([None, 1, 2, 3]),
        "e": lambda at: random.choice([None, 0.0, -0.0, 0.25, -1.5, 3.75, 100.0]),
    }
    return [
        tuple(
            special[item.name](at) if item.name in special else random_value(random, item.type, nulls=0.15)
            for item in columns
        )
        for at in range(count)
    ]


def random_value(random: Random, kind: Type, nulls: float = 0.0) -> Any:
    """A value of a type: half of the time from its edges."""
    if random.random() < nulls:
        return None
    if kind.element is not None:
        return [random_value(random, kind.element, nulls=0.2) for _ in range(random.choice([0, 1, 1, 2, 3, 4]))]
    if kind.entry is not None:
        key, value = kind.entry
        return {random_value(random, key): random_value(random, value, nulls=0.2) for _ in range(random.randint(0, 3))}
    if kind.fields:
        return {name: random_value(random, inner, nulls=0.2) for name, inner in kind.fields}
    if kind.is_integer:
        return _integer(random, {"tinyint": 7, "smallint": 15, "int": 31, "bigint": 63}[kind.name])
    if kind.name == "decimal":
        return _decimal(random, kind)
    makers: dict[str, Callable[[], Any]] = {
        "boolean": lambda: random.random() < 0.5,
        "double": lambda: random.choice(FLOATS) if random.random() < 0.6 else round(random.uniform(-1000, 1000), 3),
        "float": lambda: random.choice([0.0, -0.0, 0.5, -2.5, 1e30, float("nan"), float("-inf"), 16777217.0, 0.1]),
        "string": lambda: _text(random),
        "date": lambda: _moment(random).date(),
        "timestamp": lambda: _moment(random),
        "timestamptz": lambda: _moment(random),
        "binary": lambda: random.choice([b"", b"a", b"\xff\x00"]),
    }
    return makers[kind.name]()


def _integer(random: Random, bits: int) -> int:
    edges = [0, 0, 1, -1, 2, 3, 7, 2**bits - 1, -(2**bits), 100, -100]
    return random.choice(edges) if random.random() < 0.7 else random.randint(-(2**bits), 2**bits - 1)


def _decimal(random: Random, kind: Type) -> Decimal:
    most = 10**kind.precision - 1
    digits = random.choice([0, 1, -1, 5, 25, -255, 268, most, -most, random.randint(-most, most)])
    return Decimal(f"{max(-most, min(most, digits))}E-{kind.scale}")  # `scaleb` would round to 28 digits


def _text(random: Random) -> str:
    return (
        random.choice(TEXTS)
        if random.random() < 0.8
        else "".join(random.choices("ab, 1é🍥\n-", k=random.randint(0, 6)))
    )


def _moment(random: Random) -> datetime.datetime:
    if random.random() < 0.5:
        return random.choice(MOMENTS)
    return datetime.datetime(random.randint(1990, 2030), random.randint(1, 12), random.randint(1, 28), random.randint(0, 23), random.randint(0, 59), random.randint(0, 59))  # fmt: skip
