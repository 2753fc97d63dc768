"""Text that would read files, run code, differ from run to run, or exhaust the checker is refused, whatever its form."""

from __future__ import annotations

import pytest
from edge_rows import COLUMNS

from etlrun.language.columns import BOOLEAN, Column, Columns
from etlrun.language.dialects import spark_sql
from etlrun.language.expressions import ExpressionError, parse, parse_ordering, parse_select
from etlrun.language.queries import check_query
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import check_expression

SEEN = Columns(tuple(Column(name, parse_type(kind)) for name, kind in COLUMNS.items()))


@pytest.mark.parametrize(
    "text",
    [
        "reflect('java.lang.System', 'getenv', 'HOME')",
        "java_method('java.lang.Runtime', 'getRuntime')",
        "try_reflect('java.lang.System', 'exit')",
        "`reflect`('java.lang.System', 'getenv', 'HOME')",
        "REFLECT('a', 'b')",
        "upper(reflect('a', 'b'))",
        "raise_error('x')",
        "assert_true(false)",
        "(select * from csv.`/etc/passwd`)",
        "(select value from text.`/etc/passwd`)",
        "exists (select 1 from rows)",
        "n in (select 1)",
        "n = any (select 1)",
        "array(select 1)",
        "read_files('/etc/passwd')",
        "getvariable('x')",
        "getenv('HOME')",
        "read_text('/etc/passwd')",
        "from_json(s, 'a int')",
        "input_file_name()",
        "rand()",
        "uuid()",
        "now()",
        "current_timestamp()",
        "current_date()",
        "current_user()",
        "shuffle(a)",
        "monotonically_increasing_id()",
        "spark_partition_id()",
        "*",
        "rows.*",
        "count(rows.*)",
        "struct(*)",
        "main.upper(s)",
        "system.builtin.upper(s)",
        "catalog.db.reflect('a')",
        "x -> x + 1",
        "filter(a, e -> e > 1)",
        "transform(a, e -> e)",
        "s collate utf8_lcase",
        "interval '1' day",
        "n::string[0]",
        "x'1F'",
        "cast(n as interval)",
        "cast(s as binary)",
        "cast(s as variant)",
        "cast(s as map<string, string>)",
        "s:a.b",
        "a[0:1]",
        "@@version",
        "?",
        ":name",
        "n := 1",
        "upper(s => 'a')",
        "if(b, n)",
        "1; drop table rows",
        "n -- comment\n; select 1",
        "drop table rows",
        "insert into rows values (1)",
        "select 1",
        "explode(a)",
        "lateral view explode(a)",
        "s as t",
        "'a' 'b'",
        "not",
        "n +",
        "(n",
        "n)",
        "case end",
        "case when b then 1",
        "",
        " ",
        "\x00",
        "'open",
        "`open",
        "n is distinct",
        "sum(n) over w",
        "lag(s) respect nulls over (order by n)",
        "upper(distinct s)",
        "sum(n) within group (order by n)",
        "pivot",
        "n between 1",
        "in (1)",
        "tablesample",
        "position('a' in s)",
        "extract(epoch from d)",
        "trim(both 'x' from s)",
        "current_date",
        "s like any ('a', 'b')",
        "s like 'a' escape '!'",
        "is_member('x')",
        "ai_query('m', s)",
        "b -> c",
        "cast(5 as decimal(38,0)) % cast(n as decimal(10,2))",
        "split_part(s, ',', 9223372036854775807)",
        "lag(n, 9223372036854775807) over (order by n)",
        "ntile(2147483648) over (order by n)",
        "mod(s, s)",
        "mod(a, null)",
        "greatest(a, a)",
        "least(null, a)",
        "nullif(a, a)",
    ],
)
def test_it_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_expression(parse(text), (("rows", SEEN),), text)
    assert all(0 <= problem.start < problem.end <= max(1, len(text)) for problem in caught.value.problems)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "n" + ")" * 500,
        "not " * 2000 + "b",
        "-" * 1 + " - " * 1000 + "n",
        "upper(" * 200 + "s" + ")" * 200,
        " + ".join(["n"] * 1000),
        "case when b then " * 100 + "1" + " end" * 100,
        "a" + "[0]" * 300,
        "s || " * 500 + "s",
        "n" + " " * 200_000,
        "[" * 1000,
        "r" + ".r" * 500,
    ],
    ids=range(11),
)
def test_what_is_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        check_expression(parse(text), (("rows", SEEN),), text)


@pytest.mark.parametrize(
    ("pattern", "innermost", "deep"),
    [
        ("upper({})", "s", 12),
        ("round({}, 1)", "x", 18),
        ("repeat({}, 2)", "s", 18),
        ("nullif({}, 1)", "n", 18),
        ("cast(cast({} as timestamp) as string)", "s", 10),
        ("element_at(split({}, ','), 1)", "s", 12),
    ],
)
def test_what_grows_beyond_memory_in_the_words_of_an_engine_is_refused(pattern: str, innermost: str, deep: int) -> None:
    text = innermost
    for _ in range(deep):
        text = pattern.replace("{}", text)
    with pytest.raises(ExpressionError) as caught:
        check_expression(parse(text), (("rows", SEEN),), text)
    assert [problem.fix for problem in caught.value.problems] == [
        "first create columns for its parts, each in its own `derive` step"
    ]


@pytest.mark.parametrize(
    "text", ["trim(" * 30 + "s" + ")" * 30, "upper(upper(upper(s)))", "cast(upper(trim(s)) as date)"]
)
def test_what_stays_small_may_be_deep(text: str) -> None:
    check_expression(parse(text), (("rows", SEEN),), text)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("coalesce(null, null)", "write cast(null as boolean)"),
        ("b and (nullif(null, null))", "write cast(null as boolean)"),
        ("not coalesce(null, null)", "write cast(null as boolean)"),
        ("case when coalesce(null, null) then b end", "write cast(null as boolean)"),
        ("coalesce(null, null) = 1", "write cast(null as string), with the type that you need"),
        ("case n when coalesce(null, null) then b end", "write cast(null as string), with the type that you need"),
    ],
)
def test_a_null_where_a_condition_stands_is_to_be_a_boolean(text: str, fix: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_expression(parse(text), (("rows", SEEN),), text, BOOLEAN)
    assert [problem.fix for problem in caught.value.problems] == [fix]


def test_a_comment_never_reaches_an_engine() -> None:
    text = "select n -- /* x\nfrom /* + hint */ rows -- */"
    query, _ = check_query(parse_select(text), {"rows": SEEN}, text)
    assert spark_sql(query) == "SELECT `n` FROM `rows`"


def test_long_conditions_and_lists_are_not_deep() -> None:
    text = (
        " or ".join(f"n = {number}" for number in range(2000)) + " or n in (" + ", ".join(map(str, range(5000))) + ")"
    )
    check_expression(parse(text), (("rows", SEEN),), text)


@pytest.mark.parametrize(
    "text", ["n, m", "n desc; drop table x", "", " ", "-- n", "/* n */", "n nulls", "(select 1) desc"]
)
def test_an_ordering_is_one_expression(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_expression(parse_ordering(text).this, (("rows", SEEN),), text)
    assert all(0 <= problem.start < problem.end for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "is_desc", "is_nulls_first"),
    [
        ("n desc nulls  first", True, True),
        ("n nulls\nlast", False, False),
        ("concat(s, 'nulls first') desc", True, False),
        ("n desc", True, False),
        ("n", False, True),
    ],
)
def test_where_nulls_go_is_read_as_spark_reads_it(text: str, is_desc: bool, is_nulls_first: bool) -> None:
    found = parse_ordering(text)
    assert (found.args["desc"], found.args["nulls_first"]) == (is_desc, is_nulls_first)


@pytest.mark.parametrize(
    "text",
    [
        "select * from parquet.`/etc/passwd`",
        "select * from `/etc/passwd`",
        "select * from '/etc/passwd'",
        "select * from read_csv('/etc/passwd')",
        "select * from other",
        "select * from a.rows",
        "select n from rows limit 3",
        "select n from rows tablesample (10 percent)",
        "select n from rows union all select s from rows",
        "select reflect('a', 'b') as x from rows",
        "with recursive x as (select 1 as n) select n from x",
        "delete from rows",
        "select n from rows lateral view explode(a) t as e",
        "select n from rows cluster by n",
        "select n from rows where sum(n) > 1",
        "select n from rows where row_number() over (order by n) = 1",
        "select n, sum(m) as m from rows",
        "select sum(n) as n from rows group by sum(n)",
        "select g from rows group by g having row_number() over (order by g) = 1",
        "select x.n from rows x join rows y on x.k = y.k where n > 1",
        "select n from rows natural join rows y",
        "select n from rows, lateral (select 1)",
        "select transform(n) using 'cat' from rows",
        "select n from (select n from rows) x pivot (sum(n) for n in (1))",
        "select /*+ broadcast(rows) */ n from rows",
        "select n from rows qualify sum(n) over (order by current_date) = 1",
        "select n, n from rows",
        "select n from values (1) t(n)",
        "select n from range(10)",
        "table rows",
        "select x.z1 from rows x(z1)",
        "with x(q) as (select n from rows) select n from x",
        "select n from rows x join rows y using (k)",
        "select n from rows for update",
        "select n into x from rows",
        "select distinct on (n) n from rows",
    ],
)
def test_a_statement_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        check_query(parse_select(text), {"rows": SEEN}, text)
