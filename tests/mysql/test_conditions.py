"""A condition of `replace_where` is fulfilled by the same rows on the server and in the plan, or it is refused."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path

import duckdb
import pytest
from sqlglot import exp

from etlrun.connections._mysql.conditions import CONDITIONS
from etlrun.failures import RunFailure
from etlrun.language.dialects import DUCKDB_SETTINGS, duckdb_sql
from etlrun.language.expressions import ExpressionError

from .loads import Place, columns_of, condition_of, make_load

DECLARED = {
    "id": "int",
    "s": "string",
    "t": "string",
    "n": "int",
    "b": "bigint",
    "d": "decimal(12,2)",
    "w": "decimal(38,0)",
    "f": "double",
    "h": "float",
    "g": "boolean",
    "day": "date",
    "at": "timestamp",
}
COLUMNS = columns_of(DECLARED)
DDL = (
    "CREATE TABLE profile (id INT PRIMARY KEY, s VARCHAR(40) COLLATE utf8mb4_bin, t TEXT COLLATE utf8mb4_bin, n INT, b BIGINT, d DECIMAL(12,2), "
    "w DECIMAL(38,0), f DOUBLE, h DOUBLE, g TINYINT(1), day DATE, at DATETIME(6), KEY (s), KEY (n), KEY (d), KEY (day), KEY (at)) ENGINE=InnoDB CHARSET utf8mb4"
)
TEXTS = [
    "abc",
    "abc ",
    "abc  ",
    "ABC",
    "ábc",
    "a\u0301bc",
    "abc\t",
    "abc\0",
    "abc\x1f",
    "abd",
    "ab",
    "ab~",
    "",
    " ",
    "\t",
]
TEXTS += [
    "1",
    "01",
    "1.0",
    "1e0",
    "12x",
    "2022-04",
    "2022-04-01",
    "NULL",
    "it's",
    "a\\b",
    "a%",
    "ß",
    "ss",
    "😀",
    "\ue000",
    "\ud7ff",
    "true",
]
WHOLE = [0, 1, -1, 12, 2147483647, -2147483648, 202204]
WIDE = [*WHOLE, 9007199254740992, 9007199254740993, 9007199254740994, 9223372036854775807, -9223372036854775808]
DECIMALS = [
    Decimal(text) for text in ("0.00", "0.10", "0.01", "1.00", "-1.00", "9999999999.99", "9999999999.98", "12.00")
]
WIDEST = [
    Decimal(text)
    for text in ("0", "1", "9007199254740993", "9007199254740992", "9" * 38, "9" * 37 + "8", "-" + "9" * 38)
]
FRACTIONS = [0.0, -0.0, 0.1, 0.1 + 0.2, 0.3, 1.0, -1.0, 1e300, 5e-324, 9007199254740992.0, 12.0]
DAYS = [date(1, 1, 1), date(2022, 3, 31), date(2022, 4, 1), date(2022, 4, 30), date(2024, 2, 29), date(9999, 12, 31)]
MOMENTS = [
    datetime(2022, 4, 1),
    datetime(2022, 4, 1, 0, 0, 0, 1),
    datetime(2022, 4, 1, 20, 30),
    datetime(2022, 4, 30, 23, 59, 59, 999999),
]
VALUES = {
    "s": TEXTS,
    "t": TEXTS,
    "n": WHOLE,
    "b": WIDE,
    "d": DECIMALS,
    "w": WIDEST,
    "f": FRACTIONS,
    "h": [0.5, 1.0, -2.0],
    "g": [True, False],
}
VALUES |= {"day": DAYS, "at": MOMENTS}
SIGNS = ("=", "<>", "<", "<=", ">", ">=", "<=>")


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def written(value: object) -> list[str]:
    """The ways in which a condition may write a value."""
    if isinstance(value, str):
        return [quoted(value)]
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, Decimal):
        return [str(value), f"cast('{value}' as decimal(38,2))"]
    if isinstance(value, float):
        return [repr(value) if "e" in repr(value) else f"{value}e0", repr(value)]
    if isinstance(value, datetime):
        text = value.isoformat(" ", "microseconds")
        return [f"'{text}'", f"timestamp '{text}'"]
    if isinstance(value, date):
        return [f"'{value.isoformat()}'", f"date '{value.isoformat()}'"]
    return [str(value), f"{value}.0"]


def a_value(chance: random.Random, column: str) -> str:
    kind = column if chance.random() < 0.85 else chance.choice([*VALUES])  # of another type, now and then
    return "null" if chance.random() < 0.02 else chance.choice(written(chance.choice(VALUES[kind])))


def a_comparison(chance: random.Random) -> str:
    column = chance.choice([*VALUES])
    value = a_value(chance, column)
    sign = chance.choice(SIGNS)
    shapes: list[Callable[[], str]] = [
        lambda: f"{column} {sign} {value}",
        lambda: f"{value} {sign} {column}",
        lambda: f"{column} {sign} {chance.choice([*VALUES])}",
        lambda: (
            f"{column} {chance.choice(['', 'not '])}in ({', '.join(a_value(chance, column) for _ in range(chance.randint(1, 4)))})"
        ),
        lambda: f"{column} {chance.choice(['', 'not '])}between {value} and {a_value(chance, column)}",
        lambda: f"{column} is {chance.choice(['', 'not '])}null",
        lambda: (
            f"{chance.choice(['year', 'month', 'day'])}({chance.choice(['day', 'at', 's'])}) {sign} {chance.choice([2022, 4, 1, 30])}"
        ),
        lambda: f"{column} like {chance.choice(['abc%', 'a_c', '%'])!r}",
        lambda: chance.choice(
            ["g", "not g", "g is true", "g is not false", "g = (n = 1)", "(s = 'abc') is null", "true"]
        ),
    ]
    return chance.choices(shapes, [6, 3, 1, 2, 2, 1, 1, 0.2, 1])[0]()


def a_condition(chance: random.Random, depth: int = 2) -> str:
    if depth == 0 or chance.random() < 0.4:
        return a_comparison(chance)
    left, right = a_condition(chance, depth - 1), a_condition(chance, depth - 1)
    return chance.choice([f"({left}) and ({right})", f"({left}) or {right}", f"not ({left})"])


def rows_of(chance: random.Random, count: int) -> list[tuple[object, ...]]:
    columns = [[*values, None] for values in VALUES.values()]
    return [(number, *(chance.choice(values) for values in columns)) for number in range(count)]


@pytest.fixture
def plan(place: Place, tmp_path: Path) -> duckdb.DuckDBPyConnection:
    """The rows of the table on the server, for DuckDB."""
    place.run(DDL)
    chance = random.Random(15)
    load = make_load(tmp_path, rows_of(chance, 400), DECLARED, key=("id",), parts=1)
    place.warehouse().publish(load)
    connection = duckdb.connect(config=DUCKDB_SETTINGS)
    connection.execute(f"CREATE TABLE profile AS SELECT * FROM read_parquet('{load.files[0]}')")
    return connection


def lowered(text: str) -> tuple[exp.Expr, str] | None:
    """A condition, and its text for the server; None for one that is refused."""
    try:
        tree = condition_of(text, COLUMNS)
        assert tree is not None
        return tree, CONDITIONS.write(tree)
    except (ExpressionError, RunFailure):
        return None


def found_in_plan(plan: duckdb.DuckDBPyConnection, tree: exp.Expr) -> list[tuple[int]]:
    return plan.execute(f"SELECT id FROM profile WHERE {duckdb_sql(tree)} ORDER BY id").fetchall()


def test_every_text_compares_with_every_text_as_in_the_plan(place: Place, plan: duckdb.DuckDBPyConnection) -> None:
    with place.server.connect(place.database) as connection, connection.cursor() as cursor:
        for column, sign, value in product(("s", "t"), SIGNS, TEXTS):
            found = lowered(f"{column} {sign} {quoted(value)}")
            assert found is not None
            cursor.execute(f"SELECT id FROM profile WHERE {found[1]} ORDER BY id")
            assert [*cursor.fetchall()] == found_in_plan(plan, found[0])


@pytest.mark.parametrize(
    "text",
    [
        "upper(s) = 'A'",
        "s like 'a%'",
        "h = 0.5",
        "f = b",
        "f = 0.12345678901234567",
        "n + 1 = 2",
        "s = cast(null as string)",
        "case when g then true else false end",
        "cast(s as int) = 1",
        "year(day) * 100 + month(day) = 202204",
        "concat(s, 'x') = 'abcx'",
        "hour(at) = 20",
    ],
)
def test_what_the_server_might_evaluate_otherwise_is_refused(text: str) -> None:
    tree = condition_of(text, COLUMNS)
    assert tree is not None
    with pytest.raises(RunFailure, match="the server might not evaluate") as failure:
        CONDITIONS.write(tree)
    assert failure.value.code == "condition"


@pytest.mark.parametrize(
    "condition",
    [
        "s = 'abc'",
        "s >= 'abc' and s < 'abd'",
        "s in ('abc', 'abd')",
        "n = 1",
        "day >= '2022-04-01' and day < '2022-05-01'",
    ],
)
def test_an_index_answers_what_it_can(place: Place, plan: duckdb.DuckDBPyConnection, condition: str) -> None:
    found = lowered(condition)
    assert found is not None
    ((*_, keys, _length, _ref, _rows, _extra),) = [
        row[:5] + row[6:] if len(row) > 10 else row
        for row in place.run(f"EXPLAIN SELECT id FROM profile FORCE INDEX (s, n, day) WHERE {found[1]}")
    ]
    assert keys in ("s", "n", "day")


def test_a_condition_does_not_replace_rows_that_differ_in_blanks(place: Place, tmp_path: Path) -> None:
    declared = {"id": "int", "month": "string"}
    old = [(1, "abc"), (2, "abc "), (3, "abc\t"), (4, "ABC")]
    warehouse = place.warehouse()
    warehouse.publish(make_load(tmp_path, old, declared, key=("id",), run_id="20220501T000000Z-a"))
    new = make_load(tmp_path, [(9, "abc")], declared, key=("id",), where="month = 'abc'", run_id="20220502T000000Z-b")
    warehouse.publish(new)
    assert place.rows() == [(2, "abc "), (3, "abc\t"), (4, "ABC"), (9, "abc")]
