"""Names of columns, aliases and relations pass through both engines whatever they are made of, and texts arrive as written."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from etlrun.language.columns import STRING, Column, Columns
from etlrun.language.dialects import duckdb_sql, spark_sql
from etlrun.language.expressions import call, column, literal, parse, parse_select
from etlrun.language.queries import check_query
from etlrun.language.typed import check_expression

NAMES = (
    "plain",
    "two words",
    'double "quote"',
    "back`tick",
    "o'clock",
    "Tiếng Việt",
    "select",
    "a.b",
    "100%",
    "tab\there",
    "$x",
    "back\\slash",
    "ORDER",
    "null",
    "1",
    "_1",
    "🍥",
)
TEXTS = (
    "",
    "a",
    "o'clock",
    'a "b"',
    "back\\slash",
    "\\n",
    "line\nend",
    "tab\t",
    "\\'",
    "%_",
    "ế🍥",
    "--",
    "/* */",
    "${x}",
    "${env:HOME}",
    "$x",
    "\\\\",
    "a\\",
)


def test_a_column_of_any_name_can_be_read_and_named(spark: Any, duck: Any) -> None:
    rows = pa.table({name: ["b", None, "a"] for name in NAMES})
    spark.createDataFrame(rows).createOrReplaceTempView("odd")
    duck.register("odd", rows)
    quoted = ["`" + name.replace("`", "``") + "`" for name in NAMES]
    items = ", ".join(
        f"`an alias`.{name}, upper({name}) as `{index} of {name[1:]}" for index, name in enumerate(quoted)
    )
    sql = f"select {items} from odd as `an alias` where {' and '.join(f'{name} is not null' for name in quoted)} order by {', '.join(quoted)}"
    query, columns = check_query(
        parse_select(sql), {"odd": Columns(tuple(Column(name, STRING) for name in NAMES))}, sql
    )
    wanted = [
        (name, values)
        for index, name in enumerate(NAMES)
        for name, values in ((name, ["a", "b"]), (f"{index} of {name}", ["A", "B"]))
    ]
    assert columns.names == tuple(name for name, _ in wanted)
    for found in (spark.sql(spark_sql(query)).toArrow(), duck.sql(duckdb_sql(query)).to_arrow_table()):
        assert found.to_pydict() == dict(wanted)


def test_a_name_is_found_without_case_and_given_as_declared() -> None:
    seen = Columns((Column("Tên Khách", STRING),))
    tree = check_expression(parse("`TÊN khách`"), (("", seen),))
    assert duckdb_sql(tree) == '"Tên Khách"' and spark_sql(tree) == "`Tên Khách`"


def test_a_text_arrives_as_it_is_written(spark: Any, duck: Any) -> None:
    tree = call("array", *(literal(text) for text in TEXTS))
    typed = check_expression(tree, ())
    assert spark.sql(f"select {spark_sql(typed)} as texts").toArrow().to_pydict() == {"texts": [list(TEXTS)]}
    assert duck.sql(f"select {duckdb_sql(typed)} as texts").to_arrow_table().to_pydict() == {"texts": [list(TEXTS)]}


def test_an_order_says_where_nulls_go_in_both_dialects() -> None:
    seen = {"t": Columns((Column("a", STRING),))}
    for text, detail in (
        ("a", "NULLS FIRST"),
        ("a desc", "DESC NULLS LAST"),
        ("a nulls last", "NULLS LAST"),
        ("a desc nulls first", "DESC NULLS FIRST"),
    ):
        sql = f"select rank() over (order by {text}) as r from t order by {text}"
        query, _ = check_query(parse_select(sql), seen, sql)
        assert spark_sql(query).count(detail) == 2 and duckdb_sql(query).count(detail) == 2


def test_a_column_without_a_relation_beside_others_is_quoted_with_its_alias() -> None:
    assert duckdb_sql(column("a b", "c d")) == '"c d"."a b"'
