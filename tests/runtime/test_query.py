"""`etlrun query`: what was published, in three forms, and nothing that could change it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest

from commanding import etlrun
from projects import Project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Project(tmp_path)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create table sales (shop varchar, units int, price decimal(10,2), day date)")
        connection.execute(
            "insert into sales values ('Huế', 3, 1.50, date '2022-04-01'), ('a,\"b\"', null, 2.25, null), ('Rome', 5, 1.00, date '2022-04-02')"
        )
        connection.execute("create schema marts; create table marts.shops as select 'Rome' as shop, 'it' as land")
    return tmp_path


def test_rows_come_in_the_order_of_the_query(folder: Path) -> None:
    outcome = etlrun(folder, "query", "select shop, units * 2 as twice from sales order by units desc, shop")
    assert outcome.code == 0
    assert [line.split() for line in outcome.out.splitlines()] == [
        ["shop", "twice"],
        ["-----", "-----"],
        ["Rome", "10"],
        ["Huế", "6"],
        ['a,"b"', "null"],
    ]


def test_rows_as_csv_and_as_json_say_the_same(folder: Path) -> None:
    query = "select * from sales where price > 1 order by shop"
    found = list(csv.reader(io.StringIO(etlrun(folder, "query", query, "--format", "csv").out)))
    assert found == [
        ["shop", "units", "price", "day"],
        ["Huế", "3", "1.50", "2022-04-01"],
        ['a,"b"', "", "2.25", ""],
    ]
    lines = etlrun(folder, "query", query, "--json").out.splitlines()
    assert [json.loads(line)["units"] for line in lines] == [3, None]


def test_tables_are_joined_grouped_and_read_from_other_schemas(folder: Path) -> None:
    query = "select s.shop, l.land, count(*) as n from sales s join `marts.shops` l on l.shop = s.shop group by s.shop, l.land"
    assert etlrun(folder, "query", query, "--json").out == '{"shop": "Rome", "land": "it", "n": 1}\n'


@pytest.mark.parametrize(
    ("query", "options", "rows", "said"),
    [
        ("select shop from sales", ("--rows", "2"), 2, "the first 2 rows; there are more"),
        ("select shop from sales", ("--rows", "3"), 3, ""),
        ("select shop from sales limit 1", (), 1, ""),
        ("select 1 as one", (), 1, ""),
        ("select shop from sales union all select shop from sales order by shop limit 5", (), 5, ""),
        ("select count(*) as n from sales", (), 1, ""),
        ("select shop from sales where units > 99", (), 0, ""),
    ],
)
def test_how_many_rows_are_shown(query: str, options: tuple[str, ...], rows: int, said: str, folder: Path) -> None:
    outcome = etlrun(folder, "query", query, "--json", *options)
    assert (outcome.code, len(outcome.out.splitlines())) == (0, rows)
    assert outcome.err.startswith(said)
    assert bool(outcome.err) == bool(said)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select shp from sales", "the query:1:8: unknown-column: there is no column `shp` here"),
        ("select shop\nfrom sales\nwhere unit > 1", "the query:3:7: unknown-column"),
        ("select * from sale", "did you mean `sales`"),
        ("drop table sales", "the query:1:1"),
        ("delete from sales", "the query:1:1"),
        ("select * from read_csv('/etc/passwd')", "the query:1:15"),
        ("select * from '/etc/passwd'", "no table `/etc/passwd`"),
        ("select * from sales; drop table sales", "the query:1:"),
        ("copy sales to 'x.csv'", "the query:1:1"),
        ("", "the query:1:1"),
        ("select cast(shop as int) as n from sales", "bad-cast"),
    ],
)
def test_a_query_that_is_no_select_of_what_is_there_is_refused(query: str, said: str, folder: Path) -> None:
    before = (folder / "warehouse.duckdb").read_bytes()
    outcome = etlrun(folder, "query", query)
    assert outcome.code in (1, 2)
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert (folder / "warehouse.duckdb").read_bytes() == before
    assert not (folder / "x.csv").exists()


def test_a_connection_that_is_not_there_is_named(folder: Path) -> None:
    outcome = etlrun(folder, "query", "select 1 as one", "--connection", "warehose")
    assert (outcome.code, "did you mean `warehouse`" in outcome.err) == (2, True)
