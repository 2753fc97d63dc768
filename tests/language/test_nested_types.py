"""Structs, maps and arrays of them have no equality and no order: whatever compares, groups or sorts them is refused."""

from __future__ import annotations

import pytest

from etlrun.language.columns import Column, Columns
from etlrun.language.expressions import ExpressionError, data_type, parse_select
from etlrun.language.queries import check_query
from etlrun.language.type_texts import TypeTextError, parse_type

TYPES = {"s": "struct<a: int>", "m": "map<string, int>", "xs": "array<struct<a: int>>", "k": "int"}
ROWS = {"r": Columns(tuple(Column(name, parse_type(text)) for name, text in TYPES.items()))}
COMPARING = (
    "select {0}, count(*) as n from r group by {0}",
    "select distinct {0} from r",
    "select {0} from r union select {0} from r",
    "select {0} from r except select {0} from r",
    "select count(distinct {0}) as n from r",
    "select size(collect_set({0})) as n from r",
    "select max({0}) as n from r",
    "select max_by(k, {0}) as n from r",
    "select greatest({0}, {0}) as n from r",
    "select nullif({0}, {0}) as n from r",
    "select array_contains(array({0}), {0}) as n from r",
    "select array_position(array({0}), {0}) as n from r",
    "select array_distinct(array({0})) as n from r",
    "select sort_array(array({0})) as n from r",
    "select {0} in ({0}) as n from r",
    "select {0} <=> {0} as n from r",
    "select case {0} when {0} then 1 end as n from r",
    "select row_number() over (partition by {0} order by k) as n from r",
    "select k from r order by {0}",
    "select x.k from r as x join r as y on x.{0} = y.{0}",
    "select k from r where {0} in (select {0} from r)",
    "select cast({0} as string) as n from r",
)


@pytest.mark.parametrize("name", ["s", "m", "xs"])
@pytest.mark.parametrize("query", COMPARING)
def test_what_compares_nested_values_is_refused(query: str, name: str) -> None:
    text = query.format(name)
    with pytest.raises(
        ExpressionError,
        match="compared for equality|no order|an order|cannot be sorted|cannot be compared|cannot be cast",
    ):
        check_query(parse_select(text), ROWS, text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("array<struct<sku string, qty int>>", "array<struct<sku: string, qty: int>>"),
        ("STRUCT<`a-b`: Int,timestamp: DATE>", "struct<`a-b`: int, timestamp: date>"),
        ("struct<đơn giá: decimal(10, 2), `x``y`: text>", "struct<`đơn giá`: decimal(10,2), `x``y`: string>"),
        ("map<string,array<map<int,double>>>", "map<string, array<map<int, double>>>"),
    ],
)
def test_a_type_reads_back_as_it_is_shown(text: str, shown: str) -> None:
    assert str(parse_type(text)) == shown
    assert parse_type(shown) == parse_type(text)


def test_a_field_that_is_named_as_a_type_keeps_its_name() -> None:
    kind = parse_type("struct<timestamp: timestamp, select: map<string, int>>")
    assert data_type(kind).sql(dialect="duckdb") == 'STRUCT("timestamp" TIMESTAMP, "select" MAP(TEXT, INT))'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("struct<>", "the name of a field is missing before `>`"),
        ("struct<a>", "the type of the field `a` is missing: write `a: string`"),
        ("struct<a: int, A: int>", "the struct has two fields `A`"),
        ("array<int", "a `>` is missing at the end"),
        (
            "array<timestamptz>",
            "a timestamptz cannot be inside an array, a struct or a map: it would lose its time zone",
        ),
        ("array<int not null>", "`not null` must follow the whole type of a column, and cannot be inside it"),
        ("map<string>", "a `,` is missing before `>`"),
        (
            "map<double, int>",
            "the keys of a map cannot be double; they can be string, tinyint, smallint, int, bigint, date",
        ),
        ("array<" * 21 + "int" + ">" * 21, "types are nested more than 20 deep"),
    ],
)
def test_what_is_no_type(text: str, message: str) -> None:
    with pytest.raises(TypeTextError) as error:
        parse_type(text)
    assert str(error.value) == message
