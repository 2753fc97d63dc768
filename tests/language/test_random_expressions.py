"""Random expressions over random rows: both engines give the declared type and the same values, or both fail."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from both_engines import Engines
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

COLUMNS = {
    "k": "int",
    "g": "int",
    "n": "int",
    "s": "string",
    "t": "string",
    "b": "boolean",
    "p": "decimal(10,2)",
    "x": "double",
    "d": "date",
    "z": "timestamp",
}
# {I} whole number, {S} text, {B} condition, {P} decimal, {X} double, {D} date, {Z} timestamp, {L} small literal, {R} pattern
TEMPLATES: dict[str, tuple[str, ...]] = {
    "I": (
        "n",
        "{L}",
        "n",
        "k",
        "length({S})",
        "instr({S}, {S})",
        "year({D})",
        "month({D})",
        "dayofweek({D})",
        "weekofyear({D})",
        "hour({Z})",
        "datediff({D}, {D})",
        "size(split({S}, ','))",
        "{I} + {I}",
        "{I} - {I}",
        "{I} * {L}",
        "{I} % {L}",
        "pmod({I}, {L})",
        "abs({I})",
        "bit_count({I})",
        "{I} & {I}",
        "-({I})",
        "if({B}, {I}, {I})",
        "coalesce({I}, {I})",
        "greatest({I}, {I})",
        "least({I}, {I}, {L})",
        "case when {B} then {I} when {B} then {I} end",
        "nullif({I}, {L})",
        "ascii({S})",
        "cast({P} as int)",
        "try_cast({S} as int)",
        "octet_length({S})",
        "cast({B} as int)",
        "regexp_count({S}, {R})",
        "shiftright({I}, {L})",
    ),
    "S": (
        "s",
        "t",
        "s",
        "'a,b'",
        "''",
        "upper({S})",
        "lower({S})",
        "trim({S})",
        "substring({S}, {I}, {L})",
        "left({S}, {L})",
        "right({S}, {L})",
        "replace({S}, {S}, {S})",
        "concat({S}, {S})",
        "{S} || {S}",
        "concat_ws('-', {S}, {S})",
        "reverse({S})",
        "lpad({S}, {L}, '*')",
        "rpad({S}, {L})",
        "split_part({S}, ',', {L})",
        "translate({S}, 'ab ', 'x')",
        "regexp_replace({S}, {R}, '#')",
        "regexp_extract({S}, {R}, 1)",
        "date_format({D}, 'yyyy/MM/dd E')",
        "cast({I} as string)",
        "cast({P} as string)",
        "cast({D} as string)",
        "cast({Z} as string)",
        "cast({B} as string)",
        "if({B}, {S}, {S})",
        "coalesce({S}, {S})",
        "nullif({S}, {S})",
        "greatest({S}, {S})",
        "md5({S})",
        "array_join(sort_array(split({S}, ',')), '|')",
        "array_join(array_distinct(split({S}, {R})), '|')",
        "try_element_at(split({S}, ','), {L})",
    ),
    "B": (
        "b",
        "{I} < {I}",
        "{I} = {P}",
        "{S} < {S}",
        "{S} = {S}",
        "{D} >= {D}",
        "{P} <= {P}",
        "{X} > {X}",
        "{Z} > {D}",
        "{S} like '%a_'",
        "{S} rlike {R}",
        "{B} and {B}",
        "{B} or {B}",
        "not ({B})",
        "({S}) is null",
        "{I} in ({L}, {I}, null)",
        "{I} between {I} and {I}",
        "{S} <=> {S}",
        "contains({S}, {S})",
        "startswith({S}, {S})",
        "isnan({X})",
        "({B}) is not true",
        "array_contains(split({S}, ','), {S})",
        "try_cast({S} as date) is null",
    ),
    "P": (
        "p",
        "1.50",
        "{L}.25",
        "p + {P}",
        "p - {I}",
        "p * {L}",
        "p % 0.7",
        "round({P}, 1)",
        "abs({P})",
        "coalesce(p, {L})",
        "cast({I} as decimal(12,2))",
        "greatest(p, {I})",
        "try_cast({S} as decimal(10,3))",
        "if({B}, p, {L})",
        "floor(p)",
        "cast(cast(x as decimal(20,3)) as decimal(18,3))",
    ),
    "X": (
        "x",
        "{X} + {X}",
        "{X} * {L}",
        "{I} / {L}",
        "{P} / {L}",
        "sqrt({I})",
        "round({X}, {L})",
        "cast({I} as double)",
        "greatest({X}, {X})",
        "-({X})",
        "sign({X})",
        "{X} - {I}",
        "try_cast({S} as double)",
        "coalesce({X}, {I})",
        "cast({P} as double)",
    ),
    "D": (
        "d",
        "date'2024-02-29'",
        "date_add({D}, {L})",
        "date_sub({D}, {L})",
        "add_months({D}, {L})",
        "last_day({D})",
        "trunc({D}, 'month')",
        "trunc({D}, 'week')",
        "cast({Z} as date)",
        "greatest({D}, {D})",
        "if({B}, {D}, {D})",
        "try_to_date({S})",
        "try_to_date({S}, 'yyyyMMdd')",
    ),
    "Z": (
        "z",
        "date_trunc('hour', {Z})",
        "date_trunc('week', {Z})",
        "cast({D} as timestamp)",
        "coalesce({Z}, {D})",
        "try_cast({S} as timestamp)",
        "timestamp_seconds({I})",
    ),
    "A": (
        "count({I})",
        "count(distinct {S})",
        "count_if({B})",
        "sum({I})",
        "sum(p)",
        "avg({I})",
        "avg(p)",
        "min({S})",
        "max({X})",
        "max({D})",
        "min_by({S}, {I})",
        "max_by({I}, {S})",
        "bool_and({B})",
        "bool_or({B})",
        "bit_or({I})",
        "bit_xor({I})",
        "array_join(sort_array(collect_set({S})), '|')",
        "size(collect_list({D}))",
        "sum(if({B}, {I}, 0))",
        "sum({I}) filter (where {B})",
        "count(distinct {S}, {B})",
    ),
    "W": (
        "sum({I}) over w",
        "row_number() over w",
        "lag({S}, {L}) over w",
        "lead({D}) over w",
        "rank() over (partition by g order by {S} desc)",
        "max({S}) over (partition by {B})",
        "ntile({L}) over w",
        "first_value({P}) over w",
        "avg({I}) over w",
        "dense_rank() over (order by {I})",
        "sum(k) over (partition by g order by k rows between {L} preceding and current row)",
    ),
}
LITERALS, PATTERNS = (
    st.integers(1, 7).map(str),
    st.sampled_from(["'([a-c]+)'", "'(,|;)'", r"r'(\d)\d*'", r"r'(\s+)'", "'(ế|🍥|.)'", "'(a)|b$'"]),
)
DEPTH = 3
ALONE = re.compile(r"(?:\w+|date)?'[^']*'|[\w.]+|\w+\([^()]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*)*\)")


@st.composite
def expression(draw: st.DrawFn, kind: str, depth: int = DEPTH) -> str:
    """An expression of a kind; its parts are in parentheses only where an operator needs them, as people write."""
    shallow = [text for text in TEMPLATES[kind] if "{" not in text or text == "{L}"]
    template = draw(st.sampled_from(shallow if depth == 0 and shallow else TEMPLATES[kind]))

    def part(found: re.Match[str]) -> str:
        if found.group(1) == "L":
            return draw(LITERALS)
        if found.group(1) == "R":
            return draw(PATTERNS)
        inner = draw(expression(found.group(1), max(0, depth - 1)))
        is_argument = template[: found.start()].endswith(("(", ", ")) and template[found.end() :].startswith(
            (")", ",", " as ")
        )
        return inner if is_argument or ALONE.fullmatch(inner) else f"({inner})"

    return re.sub(r"\{(\w)\}", part, template).replace("over w", "over (partition by g order by k)")


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, values, values, st.none())


TEXTS = st.one_of(
    st.text("ab,; 1éẾ🍥ßİ\u0301\n'\\%", max_size=8),
    st.sampled_from(["12", " 7", "1.5", "2024-02-29", "20220401", "2022-04-01 10:00:00.5", "-3e2", "true"]),
)
ROW = st.tuples(
    maybe(st.integers(1, 2)),
    maybe(st.integers(-100, 100)),
    maybe(TEXTS),
    maybe(TEXTS),
    maybe(st.booleans()),
    maybe(st.decimals("-999.99", "999.99", places=2).map(Decimal)),
    maybe(st.floats(-1e6, 1e6) | st.sampled_from([0.5, 2.675, float("nan"), float("inf")])),
    maybe(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 12, 31))),
    maybe(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 12, 31))),
)
ROWS = st.lists(ROW, min_size=1, max_size=12).map(lambda rows: [(number, *row) for number, row in enumerate(rows)])
SCALARS = st.lists(st.sampled_from("ISBPXDZ").flatmap(expression), min_size=10, max_size=40, unique=True)
ON_CI = settings(
    max_examples=6,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.explicit],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as found:
        yield found


@ON_CI
@given(rows=ROWS, expressions=SCALARS)
def test_scalar_expressions(spark: Any, connection: Any, rows: Any, expressions: list[str]) -> None:
    assert Engines(spark, connection, COLUMNS, rows).unlike(expressions) == []


@ON_CI
@given(rows=ROWS, expressions=st.lists(expression("A", 2), min_size=10, max_size=20, unique=True))
def test_aggregates_of_groups(spark: Any, connection: Any, rows: Any, expressions: list[str]) -> None:
    assert Engines(spark, connection, COLUMNS, rows).unlike(expressions, "from rows group by g order by g_") == []


@ON_CI
@given(rows=ROWS, expressions=st.lists(expression("W", 2), min_size=10, max_size=20, unique=True))
def test_windows(spark: Any, connection: Any, rows: Any, expressions: list[str]) -> None:
    assert Engines(spark, connection, COLUMNS, rows).unlike(expressions) == []
