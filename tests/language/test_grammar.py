"""The grammar is closed: whatever the installed sqlglot can parse has a row in our table, or is refused at its place."""

from __future__ import annotations

import inspect

import pytest
from sqlglot import exp

from etlrun.language import duckdb_rules
from etlrun.language.columns import Column, Columns
from etlrun.language.dialects import duckdb_sql, spark_sql
from etlrun.language.expressions import ExpressionError, parse, parse_select
from etlrun.language.grammar import EXPRESSIONS, GRAMMAR, QUERIES, QUERY, VALUE, VALUES, misfits
from etlrun.language.queries import check_query
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import RULES

TYPES = sorted(
    {kind for _, kind in inspect.getmembers(exp, inspect.isclass) if issubclass(kind, exp.Expression)},
    key=lambda kind: kind.__name__,
)
KINDS = {"k": "int", "v": "bigint", "s": "string", "a": "array<string>", "x": "double"}
ROWS = Columns(tuple(Column(name, parse_type(kind)) for name, kind in KINDS.items()))
PEOPLE = Columns((Column("k", parse_type("int")), Column("city", parse_type("string"))), unique=("k",))


def refusals(sql: str) -> list[str]:
    """Each mistake of a query: the words that the caret goes under, and what is said of them."""
    try:
        check_query(parse_select(sql), {"n": ROWS, "p": PEOPLE}, sql)
    except ExpressionError as error:
        return [f"{sql[problem.start : problem.end]}: {problem.message}" for problem in error.problems]
    return []


def test_a_type_of_node_without_a_row_is_refused_wherever_it_stands() -> None:
    held = {kind for row in GRAMMAR.values() for slot in row.values() for kind in slot.nodes}
    assert held <= set(GRAMMAR)
    unknown = [kind for kind in TYPES if kind not in GRAMMAR]
    assert len(unknown) > 900
    assert [kind for kind in unknown if not list(misfits(exp.Paren(this=kind()), "text", VALUE))] == []
    assert [kind for kind in unknown if not list(misfits(kind(), "text", QUERY))] == []


def test_an_argument_that_its_row_does_not_name_is_refused() -> None:
    for kind, row in GRAMMAR.items():
        for name in {*kind.arg_types, "an_argument_of_tomorrow"} - row.keys():
            for value in (True, "text", 1, exp.Literal.number(1), [exp.Literal.number(1)]):
                holder = exp.Paren(this=kind(**{name: value}))
                assert list(misfits(holder, "text", VALUE)), f"{kind.__name__}.{name}"


def test_every_row_names_arguments_that_sqlglot_has() -> None:
    assert {
        (kind.__name__, name) for kind, row in GRAMMAR.items() for name in row if name not in kind.arg_types
    } == set()


def test_every_value_has_a_rule_and_nothing_else_has() -> None:
    made_plain = {exp.RawString, exp.Parameter}  # by the parser's last pass, and by the params
    assert set(RULES) == set(VALUES) - made_plain
    assert set(VALUES) <= set(EXPRESSIONS)
    assert set(duckdb_rules.RULES) <= set(EXPRESSIONS) | set(QUERIES)


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        (
            "select k from n order by k limit (select unicode(content) from read_text('/secret'))",
            "unicode(content) from read_text('/secret'): LIMIT takes a literal number of rows",
        ),
        ("select k from n order by k limit -1", "1: LIMIT takes a literal number of rows"),
        ("select k from n order by k limit null", "limit: LIMIT takes a literal number of rows"),
        ("select k from n order by k limit all", "limit: LIMIT takes a literal number of rows"),
        ("select k from n order by k limit k", "k: LIMIT takes a literal number of rows"),
        ("select k from n order by k limit 1.5", "1.5: LIMIT takes a literal number of rows"),
        ("select k from n order by k limit 2147483648", "2147483648: LIMIT takes a literal number of rows"),
        ("select k from n order by k limit 50 percent", "percent: LIMIT takes a number of rows, not a share"),
        ("select k from n order by k fetch first 5 rows only", "5: FETCH is not supported"),
        ("select k from n order by k limit 5 offset (select 1)", "offset: OFFSET is not supported"),
        ("select * except (t) from n", "t: there is no column `t` in this `*`"),
        ("select n.* exclude (k, t) from n", "t: there is no column `t` in this `*`"),
        ("select * replace (1 as s) from n", "* replace (1 as s): `* replace` is not supported"),
        ("select * rename (s as t) from n", "* rename (s as t): `* rename` is not supported"),
        ("select * like 'a%' from n", "*: `*` is allowed only in count(*), and alone in the list of a SELECT"),
        ("select k from n union by name select k from p", "by name: BY NAME is not supported"),
        ("with t as materialized (select 1 as x) select x from t", "materialized: MATERIALIZED is not supported"),
        ("select k from (select k from n order by k limit (select 1))", "1: LIMIT takes a literal number of rows"),
        ("select x.* from n", "*: there is no relation `x` here"),
        ("select * from n qualify k", "k: a condition is expected here, but this is int"),
        ("select k from n where k between symmetric 2 and 1", "symmetric: SYMMETRIC is not supported"),
        ("select `read_text`('x') as t from n", "`read_text`: write the name of a function without quotes"),
    ],
)
def test_what_the_grammar_leaves_out_is_refused_at_its_words(sql: str, refused: str) -> None:
    assert refusals(sql) == [refused]


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ("select n.k from n, p as n", "p: two relations have the name `n` here"),
        ("select k from n join p using (k) join p using (k)", "p: two relations have the name `p` here"),
        ("with t as (select 1 as x), T as (select 2 as y) select x from t", "T: a relation `T` already exists"),
        ("select q.k from n as q, (select k from p)", "k: this subquery has no name"),
        ("select k from n having k > 1", "k: `k` is neither grouped nor aggregated"),
        (
            "select k, max(v) as v from n group by k, v having v > 1",
            "v: `v` is a column of the result and of what is read",
        ),
        (
            "select k, count(*) as c from n group by k order by v",
            "v: after GROUP BY, ORDER BY accepts only columns of the result and expressions of GROUP BY",
        ),
        ("select distinct k from n order by v", "v: after DISTINCT, ORDER BY accepts only columns of the result"),
        ("select k from n order by 2", "2: this value of ORDER BY is equal in all rows"),
        ("select k, count(*) as c from n group by 3", "3: this value of GROUP BY is equal in all rows"),
        ("select k, count(*) as c from n group by 2", "count: GROUP BY accepts only values of single rows"),
        ("select -k as k from n order by k + 1", "k: `k` is a column of the result and of what is read"),
        (
            "select k from n union all select k from p order by v",
            "v: after UNION, ORDER BY accepts only columns of the result",
        ),
        ("select a from n order by a", "a: array<string> has no order"),
        (
            "select k, sum(v) over (partition by k) as z from n group by k",
            "v: `v` is neither grouped nor aggregated",
        ),
        (
            "select sum(rank() over (order by k)) as z from n",
            "rank() over (order by k: a window is not allowed inside an aggregate",
        ),
        (
            "select max(sum(v) over ()) over () as z from n",
            "sum(v: a window is not allowed inside another window",
        ),
        (
            "select sum(k) over (order by k rows between -1 preceding and current row) as z from p",
            "1: a frame needs literal numbers of rows, `unbounded` or `current row`",
        ),
        (
            "select sum(k) over (order by k groups between 1 preceding and current row) as z from p",
            "1: a frame must be `rows` or `range`",
        ),
        (
            "select array(1, 2)[null] as z from n",
            "select array(1, 2)[null] as z from n: a position is an integer, but this is null",
        ),
        ("select 1e400 as z from n", "1e400: 1e400 does not fit into double"),
        ("select 1e-400 as z from n", "1e-400: 1e-400 does not fit into double"),
        (
            "select sum(k) over (order by k rows between 1 preceding and 1) as z from p",
            "sum(k) over (order by k rows between 1 preceding and 1: the start and the end of a frame must be literal numbers of rows, "
            "`unbounded` or `current row`, with the start first",
        ),
        ("select 1e- k as z from n", "1e: 1e is not a number"),
        ("select from n", "n: this SELECT has no columns"),
        ("select 3 as a from n group by", "3 as a from n: GROUP BY has no columns"),
        ("select k in () as z from n", "k in () as z: `in` takes a list of values"),
        ("(select k from n) as q union all select k from p", "q: `q` is the name of a subquery that is not in FROM"),
        ("select null as z from n", "z: `z` is null in every row, so it has no type"),
        ("select max(null) as z from n", "max: `max(NULL)` is null in every row, so it has no type"),
        ("select array(null) as z from n", "array: `array(NULL)` is null in every row, so it has no type"),
        (
            "select nullif(null, 1) as z from n",
            "nullif(null, 1: `nullif(NULL, 1)` is null in every row, so it has no type",
        ),
    ],
)
def test_what_engines_refuse_or_read_differently_is_refused(sql: str, refused: str) -> None:
    assert refused in refusals(sql)


TIES = "rows can tie here, so the result can differ in every run"


@pytest.mark.parametrize(
    "sql",
    [
        "select k, s from n order by k limit 5",
        "select city from (select city, max(k) as k from p group by city) q order by k limit 5",
        "select k, s from n union all select k, city from p order by k limit 5",
        "select lag(s) over (order by k) as z from n",
        "select row_number() over (partition by k order by v) as z from n",
        "select sum(v) over (order by k rows 2 preceding) as z from n",
        "select sum(v) over (order by k rows between unbounded preceding and current row) as z from n",
        "select first_value(s) over (order by k) as z from n",
        "select k, v, row_number() over (partition by k order by v) as z from n group by k, v, s",
        "select p.k, row_number() over (order by p.k) as z from p join n on p.k = n.k",
        "select p.k, city, v from p left join n on n.k = p.k order by p.k limit 1",
        "select x.k, y.k as k2 from p x full join p y using (k) order by x.k limit 1",
    ],
)
def test_a_row_is_not_picked_by_chance(sql: str) -> None:
    assert [refusal.partition(": ")[2] for refusal in refusals(sql)] == [TIES]


@pytest.mark.parametrize(
    "sql",
    [
        "select k, s from n order by k, s limit 5",
        "select k, city from p order by k limit 5",
        "select city from p order by k limit 5",
        "select k as key, city from p order by key limit 5",
        "select count(*) as c from n limit 1",
        "select k, count(*) as c from n group by k order by count(*) desc, k limit 5",
        "select distinct s from n order by s limit 5",
        "select k, null as c from p union all select k, city from p order by k, c limit 5",
        "select lag(city) over (order by k) as z from p",
        "select k, row_number() over (order by k, v, s) as z from (select k, v, s from n) q",
        "select rank() over (order by k) as z from n",
        "select sum(v) over (order by k) as z from n",
        "select max(v) over (order by k rows between unbounded preceding and unbounded following) as z from n",
        "select k, count(*) as c, lag(count(*)) over (order by k) as z from n group by k",
        "select q.k, city, row_number() over (order by q.k) as z from (select distinct k from n) q join p on p.k = q.k",
        "select q.k, row_number() over (order by q.k) as z from (select k from p) q left join p using (k)",
        "select k, row_number() over (order by k) as z from p x join p y using (k)",
    ],
)
def test_an_order_that_a_key_makes_total_is_one(sql: str) -> None:
    assert refusals(sql) == []


@pytest.mark.parametrize(
    "text", ["max(null)", "coalesce(null, null)", "array(null)", "case when k > 1 then null end", "-null"]
)
def test_an_expression_of_nulls_has_no_type(text: str) -> None:
    assert refusals(f"select {text} as z from n")
    assert refusals(f"select upper({text}) as z from n")


@pytest.mark.parametrize("operands", [2, 3, 5, 600, 2000])
@pytest.mark.parametrize("word", ["and", "or"])
def test_a_chain_of_conditions_may_be_long(operands: int, word: str) -> None:
    conditions = f" {word} ".join(f"k <> {number}" for number in range(operands))
    assert refusals(f"select k from n where {conditions}") == []
    sql = duckdb_sql(check_query(parse_select(f"select k from n where {conditions}"), {"n": ROWS})[0])
    assert sql.count("<>") == operands
    assert "((" not in sql


def test_a_chain_of_conditions_keeps_its_order() -> None:
    conditions = " and ".join(f"k <> {number}" for number in range(100))
    assert [node.expression.name for node in parse(conditions).find_all(exp.NEQ, bfs=False)] == [
        str(number) for number in range(100)
    ]


@pytest.mark.parametrize("function", ["concat", "coalesce", "greatest", "array"])
def test_a_call_may_have_many_arguments(function: str) -> None:
    arguments = ", ".join(["s"] * 600)
    query, _ = check_query(parse_select(f"select {function}({arguments}) as z from n"), {"n": ROWS}, "text")
    assert duckdb_sql(query).count('"s"') == 600
    assert spark_sql(query).count("`s`") == 600


def test_an_element_is_taken_from_the_array_that_is_written() -> None:
    tree = parse("array(1, 2)[0]")
    assert [node.name for node in tree.this.expressions] == ["1", "2"]
    assert [node.name for node in tree.expressions] == ["0"]


def test_a_parsed_expression_is_a_value() -> None:
    for text in ("*", "select 1", "(select 1)", "k as z", "n.*"):
        with pytest.raises(ExpressionError):
            parse(text)
