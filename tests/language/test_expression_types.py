"""The type of every kind of expression, and the words under which mistakes are reported; no engine runs here."""

from __future__ import annotations

import pytest
from edge_rows import COLUMNS

from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import ExpressionError, Problem, parse, type_of
from etlrun.language.functions import ROWS
from etlrun.language.type_texts import parse_type
from etlrun.language.typed import check_expression

SEEN = Columns(
    (
        *(Column(name, parse_type(kind)) for name, kind in COLUMNS.items()),
        Column("r", parse_type("struct<one: int, Two: struct<x: string>>")),
        Column("rs", parse_type("array<struct<one: int, two: struct<x: string>>>")),
    )
)


def type_text(text: str) -> str:
    return str(type_of(check_expression(parse(text), (("rows", SEEN),), text)))


def problems(text: str) -> tuple[Problem, ...]:
    with pytest.raises(ExpressionError) as caught:
        check_expression(parse(text), (("rows", SEEN),), text)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("n + m", "bigint"),
        ("y + y", "tinyint"),
        ("n / n", "double"),
        ("p / p", "double"),
        ("n div y", "bigint"),
        ("p + 1", "decimal(11,2)"),
        ("p * p", "decimal(21,4)"),
        ("p % 3", "decimal(3,2)"),
        ("-2147483648", "int"),
        ("2147483648", "bigint"),
        ("1.50", "decimal(3,2)"),
        ("1e3", "double"),
        ("coalesce(n, 1.5)", "decimal(11,1)"),
        ("case when b then y else m end", "bigint"),
        ("sum(n)", "bigint"),
        ("sum(p)", "decimal(20,2)"),
        ("avg(p)", "double"),
        ("round(p, 1)", "decimal(10,1)"),
        ("floor(x)", "bigint"),
        ("max_by(d, n)", "date"),
        ("sort_array(collect_set(s))", "array<string>"),
        ("split(s, ',')[0]", "string"),
        ("a[0]", "string"),
        ("rank() over (order by n)", "int"),
        ("r.two.x", "string"),
        ("rows.r.one + 1", "int"),
        ("d > '2022-01-01'", "boolean"),
        ("datediff(d, '2022-01-01')", "int"),
        ("N", "int"),
        ("`n`", "int"),
        ("greatest(d, z)", "timestamp"),
        ("null", "null"),
        ("count(distinct s, t)", "bigint"),
        ("s rlike 'a'", "boolean"),
        ("date_trunc('day', d)", "timestamp"),
        ("array(1, 2L)", "array<bigint>"),
        ("cast(-128 as tinyint)", "tinyint"),
        ("cast(99.994 as decimal(4,2))", "decimal(4,2)"),
        ("cast(' 12 ' as int)", "int"),
        ("cast('2024' as date)", "date"),
        ("cast('Infinity' as double)", "double"),
        ("try_cast('abc' as int)", "int"),
        ("try_to_date('20241301', 'yyyyMMdd')", "date"),
        ("make_date(2024, 2, 29)", "date"),
    ],
)
def test_an_expression_has_spark_s_type(text: str, kind: str) -> None:
    assert type_text(text) == kind


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("upper(n)", "type-mismatch", "n"),
        ("sum(n / (0))", "wrong-arguments", "0"),
        ("n div 0", "wrong-arguments", "0"),
        ("n % cast(0.0 as decimal(3,1))", "wrong-arguments", "(0.0"),
        ("pmod(n, 0)", "wrong-arguments", "0"),
        ("div(n, 0, 2)", "wrong-arguments", "0"),
        ("uper(s)", "unknown-function", "uper"),
        ("n + s", "type-mismatch", "s"),
        ("d + 1", "type-mismatch", "d"),
        ("n = s", "type-mismatch", "n = s"),
        ("missing > 1", "unknown-column", "missing"),
        ("r.three", "unknown-column", "r.three"),
        ("sequence(0, 100000)", "wrong-arguments", "100000"),
        ("sequence(-1, 1e9)", "type-mismatch", "1e9"),
        ("left(s)", "wrong-arguments", "left"),
        ("lpad(s, 3, t)", "wrong-arguments", "t"),
        ("lpad(s, 3, '')", "wrong-arguments", "''"),
        ("sha2(s, 512)", "wrong-arguments", "512"),
        ("trunc(d, 'day')", "wrong-arguments", "'day'"),
        ("date_format(d, 'YYYY')", "wrong-arguments", "'YYYY'"),
        ("to_date(s, 'dd')", "wrong-arguments", "'dd'"),
        ("to_date('today')", "wrong-arguments", "'today'"),
        ("cast('now' as timestamp)", "type-mismatch", "'now'"),
        ("date 'tomorrow'", "type-mismatch", "'tomorrow'"),
        ("date '2024-13-01'", "type-mismatch", "'2024-13-01'"),
        ("timestamp '2024-02-30 10:00:00'", "type-mismatch", "'2024-02-30 10:00:00'"),
        ("timestamp '2024-02-28 24:00:00'", "type-mismatch", "'2024-02-28 24:00:00'"),
        ("d in (date '2023-02-29')", "type-mismatch", "'2023-02-29'"),
        ("cast(('abc') as int)", "type-mismatch", "'abc'"),
        ("cast('12.5' as int)", "type-mismatch", "'12.5'"),
        ("cast('nan' as decimal(5,2))", "type-mismatch", "'nan' as decimal(5,2"),
        ("cast('maybe' as boolean)", "type-mismatch", "'maybe'"),
        ("cast(-129 as tinyint)", "type-mismatch", "129"),
        ("cast(99.995 as decimal(4,2))", "type-mismatch", "99.995 as decimal(4,2"),
        ("to_date('2024-13-01')", "wrong-arguments", "'2024-13-01'"),
        ("to_date('20241301', 'yyyyMMdd')", "wrong-arguments", "'20241301'"),
        ("to_timestamp('10:61 2024', 'HH:mm yyyy')", "wrong-arguments", "'10:61 2024'"),
        ("make_date(2023, 2, 29)", "wrong-arguments", "2023"),
        ("s rlike '('", "wrong-arguments", "'('"),
        ("s rlike t", "wrong-arguments", "t"),
        ("s like t", "expression-not-allowed", "t"),
        ("s like 'a\\\\b'", "wrong-arguments", r"'a\\b'"),
        ("split(s, 'a*')", "wrong-arguments", "'a*'"),
        ("regexp_extract(s, 'a', 1)", "wrong-arguments", "1"),
        ("cast(x as string)", "type-mismatch", "x"),
        ("cast(d as int)", "type-mismatch", "d"),
        ("cast(s as money)", "unknown-type", "money"),
        ("row_number()", "not-allowed-here", "row_number"),
        ("row_number() over (partition by g)", "no-total-order", "row_number() over (partition by g"),
        ("upper(s) over (order by n)", "not-allowed-here", "upper"),
        ("sum(sum(n))", "not-allowed-here", "sum"),
        ("sum(n) over (rows between 1 preceding and current row)", "no-total-order", "sum(n) over (rows between 1"),
        (
            "sum(n) over (order by n range between 1 preceding and current row)",
            "expression-not-allowed",
            "sum(n) over (order by n range between 1",
        ),
        (
            "rank() over (order by n rows between 1 preceding and current row)",
            "not-allowed-here",
            "rank() over (order by n rows between 1",
        ),
        ("count(distinct n) over (partition by g)", "not-allowed-here", "count"),
        ("max(distinct n)", "not-allowed-here", "max"),
        ("collect_set(s)", "no-total-order", "collect_set"),
        ("a = a", "type-mismatch", "a = a"),
        ("array_contains(i, 'x')", "type-mismatch", "'x'"),
        ("element_at(a, 0)", "wrong-arguments", "0"),
        ("sort_array(array(array(1)))", "type-mismatch", "array(array(1"),
        ("p * cast(p as decimal(38,10))", "type-mismatch", "p * cast(p as"),
        ("99999999999999999999", "type-mismatch", "99999999999999999999"),
        ("d > 'yesterday'", "type-mismatch", "'yesterday'"),
        ("d > '2022-02-30'", "type-mismatch", "'2022-02-30'"),
        ("n and b", "type-mismatch", "n"),
        ("if(s, 1, 2)", "type-mismatch", "s"),
        ("round(x, n)", "wrong-arguments", "n"),
        ("round(x, -2)", "wrong-arguments", "2"),
        ("case when n then 1 end", "type-mismatch", "n"),
        ("n in (select 1)", "expression-not-allowed", "1"),
        ("s || n", "type-mismatch", "n"),
        ("count(n, m)", "wrong-arguments", "count"),
    ],
)
def test_a_mistake_stands_at_its_word(text: str, code: str, word: str) -> None:
    found = problems(text)
    assert (code, word) in [(problem.code, text[problem.start : problem.end]) for problem in found]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uper(s)", "there is no function `uper`; did you mean `upper`?"),
        ("percentile(n, 90)", "`percentile`: a share from 0 to 1 is expected here; write `percentile(x, 0.9)`"),
        ("to_number(s)", "there is no function `to_number`; use cast(x as decimal(10,2)), with the type that you need"),
        (
            "case when b then cast(n as decimal(38,10)) else cast(n as decimal(38,2)) end",
            "decimal(38,10) and decimal(38,2) have no type in common; cast the one with more digits after the decimal point to decimal(38,2), "
            "which rounds it, or both to double",
        ),
        (
            "rs.one",
            "`rs` is an array, which has no field `one`; write `rs[0].one` for the first element; `explode` makes a row of each",
        ),
        ("rs[0].twoo", "`rs[0]` has no field `twoo`; did you mean `two`?"),
        (
            "s in a",
            "`in` takes a list of values; use a `join` step for a relation, and `array_contains(a, x)` for an array",
        ),
        (
            "to_json(r)",
            "there is no function `to_json`; declare a column with `raw: true` in the `json` source: it is the JSON text",
        ),
        ("log(n)", "`log` gives different results on different engines; use `ln`, `log10` or `log2`"),
        ("now()", "`now` can give a different result in every run; declare a param of type timestamp and use $name"),
        (
            "first(s)",
            "`first` can give a different result in every run; use `max_by`, `min_by` or a `top` step, which say which row comes first",
        ),
        ("first_value(s)", "`first_value` needs `over (order by ...)`; use `min_by(value, order)`"),
        ("s ilike 'a'", "`ilike` is not part of the expression language; use lower(x) like '...'"),
        (
            "interval '1' day",
            "an interval is added to a date or timestamp, or taken from one; write `day + interval 3 months`, or `a - b > interval 3 days`; a length of time is a number: timestampdiff('hour', b, a)",
        ),
        (
            "d > interval 3 days",
            "an interval is compared only with a difference of two times; write `a - b > interval 3 days`, or add it to one side: `a > b + interval 3 days`",
        ),
        (
            "d - d > interval 3 months",
            "a month has no fixed number of days; write days, or add it to one side: `a > b + interval 3 months`",
        ),
        (
            "d - d between interval 3 months and interval 90 days",
            "a month has no fixed number of days; write days, or add it to one side: `a > b + interval 3 months`",
        ),
        ("d - d > interval 3 hours", "a date has no hours to add; cast the date to timestamp first"),
        (
            "n - m > interval 3 days",
            "an interval is added to a date or timestamp, not bigint; cast it to date or timestamp",
        ),
        ("d + interval 1 hour", "a date has no hours to add; cast the date to timestamp first"),
        ("n + interval 1 day", "an interval is added to a date or timestamp, not int; cast it to date or timestamp"),
        (
            "d + interval 20000 years",
            "an interval needs an integer up to 10000 here, but this is 20000; write one number and one unit: `interval 3 months`",
        ),
        (
            "d + interval '1' fortnight",
            "`fortnight` is not a unit of an interval; the units are year, quarter, month, week, day, hour, minute, second",
        ),
        ("cast(s as varchar(2))", "`( 2 )` follows the type `string`; leave it out: only `decimal` takes numbers"),
        ("s::char(2)", "`( 2 )` follows the type `string`; leave it out: only `decimal` takes numbers"),
        ("cast(z as timestamp(3))", "`( 3 )` follows the type `timestamp`; leave it out: only `decimal` takes numbers"),
        ("cast(n as int8)", "`int8` is not a type; write `bigint` (8 bytes) or `tinyint`"),
        ("cast(s as time)", "`time` is not a type; write `string`"),
        ("cast(s as datetime2)", "`datetime2` is not a type; write `timestamp`"),
        ("cast(s as datetime64)", "`datetime64` is not a type; write `timestamp`"),
        ("cast(s as money)", "`money` is not a type; write `decimal(19,4)`"),
        (
            "(n, k) = (1, 2)",
            "`n, k` is not part of the expression language; compare one value at a time: `a = 1 and b = 2`, with a subquery `exists (select 1 from t where t.a = s.a and t.b = s.b)`; a list of values is `array(a, b)`",
        ),
        ("n << 2", "`n << 2` is not part of the expression language; use `shiftleft(x, n)`"),
        (
            "s similar to 'a'",
            "`s similar to 'a'` is not part of the expression language; use `rlike` and a regular expression",
        ),
        ("extract(second from z)", "`second` is not a part to extract; use `second(x)`, which is an integer"),
        ("extract(epoch from z)", "`epoch` is not a part to extract; use `unix_seconds(x)`, which is an integer"),
        (
            "extract(days from z - z)",
            "the difference of two times has no parts to extract; count complete days: timestampdiff('day', z, z); of dates: datediff(z, z)",
        ),
        (
            "s rlike r'\\bx'",
            "`rlike`: `\\b` differs between engines, at character 1 of the pattern; "
            "word boundaries differ between engines; write the characters around the word",
        ),
        (
            "split(s, 'a*')",
            "`split`: the pattern can match empty text, which the engines count differently; write `+` instead of `*`",
        ),
        (
            "to_date(s, 'yyyyDDD')",
            "`to_date`: `DDD` differs between engines; the fields are yyyy, MM, dd, HH, mm, ss, SSS, SSSSSS, yy, MMM, M, d, H, m, s",
        ),
    ],
)
def test_a_mistake_says_what_to_do_instead(text: str, message: str) -> None:
    assert message in [f"{problem.message}; {problem.fix}" for problem in problems(text)]


def test_every_mistake_is_reported_at_once() -> None:
    assert [problem.code for problem in problems("uper(s) = lowr(t) and missing > rand()")] == [
        "unknown-function",
        "unknown-function",
        "unknown-column",
        "unknown-function",
    ]


def test_every_function_says_what_it_gives_and_no_name_is_taken_twice() -> None:
    names = [name for row in ROWS for name in (row.name, *row.aliases)]
    assert len(names) == len(set(names)) and all(name == name.lower() for name in names)
    assert [row.name for row in ROWS if not row.doc or row.doc.endswith(".")] == []


MOMENTS = Columns(
    tuple(Column(name, parse_type(kind)) for name, kind in (("d", "date"), ("w", "timestamp"), ("t", "timestamptz")))
)


@pytest.mark.parametrize(
    "text",
    [
        *(f"{later} - {earlier}" for later in "dwt" for earlier in "dwt"),
        *(
            "to_date(w)",
            "to_date(t)",
            "try_to_date(t)",
            "hour(d)",
            "hour(t)",
            "year(t)",
            "timestampdiff('second', w, d)",
            "concat_ws('-', d, 'x')",
        ),
    ],
)
def test_a_fix_for_a_moment_is_right_when_it_is_followed(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        check_expression(parse(text), (("rows", MOMENTS),), text)
    (problem,) = caught.value.problems
    fix, _, compared = problem.fix.removesuffix("`").partition(", or compare it: `")
    if compared:
        check_expression(parse(compared), (("rows", MOMENTS),), compared)
    fix = fix.removeprefix("write ").removeprefix("name the time zone: ").removesuffix(", or 'UTC'")
    is_whole = fix.startswith(("datediff(", "timestampdiff(")) or text.startswith(("to_date(", "try_to_date("))
    followed = fix if is_whole else text[: problem.start] + fix + text[problem.end :]
    check_expression(parse(followed), (("rows", MOMENTS),), followed)
