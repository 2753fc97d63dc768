"""What a SELECT gives: names and types of its columns, which column a name means, and the same rows on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import duckdb
import pytest
from both_engines import Engines
from edge_rows import COLUMNS
from operator_cases import CASTS, OPERATORS
from scalar_cases import SCALARS

from etlrun.language.arrow import type_of_arrow
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import duckdb_sql, spark_sql
from etlrun.language.expressions import ExpressionError, parse_select
from etlrun.language.queries import check_query
from etlrun.language.type_texts import parse_type

HERE = Columns((Column("k", parse_type("int")), Column("n", parse_type("int")), Column("s", parse_type("string"))))
THERE = Columns((Column("k", parse_type("int")), Column("v", parse_type("bigint"))))
INSTANTS = (
    "to_utc_timestamp(z, 'UTC') > '2024-01-01 03:10:00Z'",
    "to_utc_timestamp(z, 'UTC') between '2024-01-01 03:10:00Z' and '2024-02-01 03:10:00+07:00'",
    "to_utc_timestamp(z, 'UTC') >= cast('2024-01-01 03:10:00Z' as timestamptz)",
    "coalesce(to_utc_timestamp(z, 'UTC'), '2024-01-01 03:10:00Z')",
    "to_utc_timestamp(z, 'UTC') in ('2024-01-01 03:10:00Z')",
    "try_cast('2024-01-01 03:10:00Z' as timestamptz)",
)
ROWS = [(1, 10, "a"), (2, None, "b"), (None, 30, "c"), (2, 40, None)]


def columns_of(sql: str) -> list[tuple[str, str]]:
    _, columns = check_query(parse_select(sql), {"here": HERE, "there": THERE}, sql)
    return [(column.name, str(column.type)) for column in columns]


@pytest.fixture(scope="module")
def engines(spark: Any) -> Iterator[Engines]:
    with duckdb.connect() as connection:
        yield Engines(spark, connection, {"k": "int", "n": "int", "s": "string"}, ROWS)


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("select * from here", [("k", "int"), ("n", "int"), ("s", "string")]),
        ("select k, v from here join there using (k)", [("k", "int"), ("v", "bigint")]),
        (
            "select * from here full join there using (k)",
            [("k", "int"), ("n", "int"), ("s", "string"), ("v", "bigint")],
        ),
        (
            "select h.*, v from here h left join there t on h.k = t.k",
            [("k", "int"), ("n", "int"), ("s", "string"), ("v", "bigint")],
        ),
        ("select K as Key, count(*) as rows from here group by k", [("Key", "int"), ("rows", "bigint")]),
        ("with big as (select k, sum(n) as n from here group by k) select n from big", [("n", "bigint")]),
        ("select n from here union all select v from there", [("n", "bigint")]),
        ("select k from here left semi join there using (k)", [("k", "int")]),
        ("select x.n + 1 as m from (select n from here) x", [("m", "int")]),
        ("select s, sum(n) filter (where k > 1) as t from here group by s", [("s", "string"), ("t", "bigint")]),
    ],
)
def test_a_query_gives_named_and_typed_columns(sql: str, columns: list[tuple[str, str]]) -> None:
    assert columns_of(sql) == columns


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select k from here join there on here.k = there.k", "`k` is a column of both `here` and `there`"),
        ("select n from here join there using (n)", "there is no column `n` on both sides"),
        (
            "select k, n.v from here join there n using (k)",
            "`n` is the name of a relation and of a column here, so USING is ambiguous",
        ),
        ("select n from here where sum(n) > 1", "an aggregate is not allowed in WHERE"),
        ("select n from here where rank() over (order by n) = 1", "a window function is not allowed in WHERE"),
        ("select n from here h(n)", "`h` renames the columns of a relation"),
        ("select n from here tablesample (5 rows)", "TABLESAMPLE is not supported in a `sql` step"),
        ("select n, count(*) as c from here group by k", "`n` is neither grouped nor aggregated"),
        ("select n from here where null", "`null` alone has no type"),
        ("select count(*) as c from here having null", "`null` alone has no type"),
        ("select h.n from here h join there t on null", "`null` alone has no type"),
        ("select count(*) filter (where null) as c from here", "`null` alone has no type"),
        ("select sum(n) as n from here group by sum(n)", "GROUP BY accepts only values of single rows"),
        (
            "select count(*) as c from here group by k, n order by k limit 1",
            "rows can tie here, so the result can differ in every run",
        ),
    ],
)
def test_a_query_that_engines_would_read_differently_is_refused(sql: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        columns_of(sql)
    assert message in [problem.message for problem in caught.value.problems]


@pytest.mark.parametrize("join", ["left join", "right join", "full join", "join"])
def test_a_merged_column_is_the_same_on_both_engines(join: str, engines: Engines) -> None:
    tail = f"from rows x {join} (select k + 1 as k, s as s2 from rows) y using (k) order by k, n, x.s, s2"
    assert engines.differences(["k", "n", "x.s", "s2"], tail) == []


@pytest.mark.parametrize(
    "sql",
    [
        "select k, n from rows union all select n, null as x from rows order by n, k limit 3",
        "select k, cast(n as bigint) as n from rows union all select k, cast(1.5 as decimal(10,2)) as d from rows",
        "select k, s from rows except select k, s from rows where k = 2",
        "select k from rows intersect select k from rows where n > 5",
        "(select k from rows order by k limit 2) union all select n from rows",
        "select k, count(*) as c from rows group by k having max(n) > 5 or k is null order by count(*) desc, k limit 2",
        "select k, sum(sum(n)) over (order by k) as z from rows group by k",
        "select k, n, sum(n) over (order by k, n, s rows between 1 preceding and current row) as z from rows",
        "select k, n, lag(n) over (partition by k order by n, s) as z from rows",
        "select k, n from rows order by n + k, k, n limit 2",
        "select distinct k from rows order by k desc limit 2",
        "select count(*) as c from rows group by k order by k desc limit 2",
        "select max(n) as m from rows group by k, upper(s) order by upper(s), k limit 3",
        "select count(*) as c from rows group by k order by k nulls last",
        "select count(*) between count_if(n > 1) and 3 as b, max(n > 1) between every(n > 1) and some(n > 1) as c from rows group by k",
        "with a as (select k, n from rows), b as (select k, max(n) as m from a group by k) select a.k, n, m from a join b using (k)",
        "select x.k, y.n from rows x left semi join rows y0 on x.k = y0.k join rows y on x.k = y.k",
        "select 1 as one from rows having count(*) > 3",
        "select max(n) as m from rows limit 0",
        "select upper(k2) as k from (select cast(k as string) as k2 from rows) q group by k2",
    ],
)
def test_a_query_gives_the_same_rows_on_both_engines(sql: str, engines: Engines) -> None:
    given, columns = check_query(parse_select(sql), {"rows": engines.columns}, sql)
    spark = engines.spark.sql(spark_sql(given)).toArrow()
    duck = engines.duck.sql(duckdb_sql(given)).to_arrow_table()
    assert sorted(map(repr, spark.to_pylist())) == sorted(map(repr, duck.to_pylist()))
    for table in (spark, duck):
        assert [type_of_arrow(column.type) for column in table.columns] == [column.type for column in columns]


@pytest.mark.parametrize(
    "sql",
    [
        "select x, count(*) as c from zeros group by x",
        "select -x as y, max(k) as m from zeros group by -x having -x < 1 order by y",
        "select max(k) as m from zeros group by x order by x limit 1",
        "select distinct x from zeros",
        "select x from zeros union select -x as x from zeros",
        "select x from zeros intersect select 0D as x from zeros",
    ],
)
def test_negative_zero_is_shown_as_zero_where_both_are_one_row(sql: str, spark: Any, duck: Any) -> None:
    engines = Engines(spark, duck, {"k": "int", "x": "double"}, [(1, -0.0), (2, 0.0), (3, -0.0), (4, 1.5)])
    zeros = f"with zeros as (select k, x from rows) {sql}"
    query, _ = check_query(parse_select(zeros), {"rows": engines.columns}, zeros)
    found = [engines.spark.sql(spark_sql(query)).toArrow(), engines.duck.sql(duckdb_sql(query)).to_arrow_table()]
    one, other = (sorted(map(repr, table.to_pylist())) for table in found)
    assert one == other
    assert "-0.0" not in "".join(one)


@pytest.mark.parametrize("cases", [tuple(chain(*SCALARS.values())), (*OPERATORS, *CASTS), INSTANTS])
def test_a_checked_query_is_checked_again_without_a_change(cases: tuple[str, ...]) -> None:
    columns = Columns(tuple(Column(name, parse_type(kind)) for name, kind in COLUMNS.items()))
    for text in cases:
        once, found = check_query(parse_select(f"select {text} as v from rows"), {"rows": columns})
        again, same = check_query(once.copy(), {"rows": columns})
        assert (duckdb_sql(again), spark_sql(again), same) == (duckdb_sql(once), spark_sql(once), found), text
