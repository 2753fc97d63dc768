"""Forms of other databases are refused with a fix that passes the check when it is written instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import messages
from running import check
from tables import read_example

ROWS = """
    o: {id: int key, who: string, day: date, due: date, at: timestamp, qty: int}
    | id | who | day | due | at | qty |
"""


def derive(text: str) -> str:
    return f"steps:\n  out:\n    - from: o\n    - derive:\n        x: |-\n          {text}\n"


def sql(text: str) -> str:
    return f"steps:\n  out:\n    - sql: |\n        {text}\n"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("datediff(day, day, due)", "datediff(due, day)"),
        ("date_diff('day', day, due)", "datediff(due, day)"),
        ("date_diff(due, day, day)", "datediff(due, day)"),
        ("date_diff(due, at, month)", "(year(due) - year(at)) * 12 + month(due) - month(at)"),
        ("datediff('years', day, due)", "year(due) - year(day)"),
        ("date_diff('hour', at, at)", "timestampdiff('hour', at, at)"),
        ("dateadd(day, 7, day)", "date_add(day, 7)"),
        ("dateadd('month', qty + 1, day)", "add_months(day, qty + 1)"),
        ("dateadd(year, qty + 1, day)", "add_months(day, 12 * (qty + 1))"),
        ("date_add('hour', 3, at)", "timestampadd('hour', 3, at)"),
        ("isnull(qty, 0)", "coalesce(qty, 0)"),
        ("day - 1", "date_sub(day, 1)"),
        ("day + qty", "date_add(day, qty)"),
    ],
)
def test_a_call_with_the_arguments_of_another_database_leads_to_ours(
    written: str, instead: str, tmp_path: Path
) -> None:
    (message,) = messages(tmp_path, derive(written), ROWS)
    assert message.endswith(f"; write {instead}")
    check(tmp_path, read_example(derive(instead), ROWS))


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        ("select top 3 id from o order by id", "write `limit 3` at the end, after ORDER BY"),
        ("select top (3) id from o order by id", "write `limit 3` at the end, after ORDER BY"),
        (
            "select if id > 1 then 'a' else 'b' end as x from o",
            "write `case when a > 1 then b else c end`, or `if(a > 1, b, c)`",
        ),
        ("select where(id > 1, 1, 0) as x from o", "write `if(a > 1, b, c)`"),
        ("select 'a' if id > 1 else 'b' as x from o", "write `if(a > 1, b, c)`"),
        ("select substring(who from 1 for 2) as x from o", "write `substring(x, 1, 2)`"),
        ("select trim(both '0' from who) as x from o", "write `trim(x)`, or `btrim(x, '0')`"),
        (
            "select group_concat(who separator ',') as x from o",
            "write `array_join(sort_array(collect_set(x)), ',')`",
        ),
        (
            "select string_agg(who, ',' order by id) as x from o",
            "to join texts, write `array_join(sort_array(collect_list(x)), ',')`, which sorts them",
        ),
        (
            "select count(distinct who) over (partition by day) as x from o",
            "write size(collect_set(who) over (...))",
        ),
        ("select sum(qty > 1) as x from o", "write count_if(qty > 1)"),
        ("select avg(qty > 1) as x from o", "write avg(if(qty > 1, 1, 0))"),
        (
            "select qty * 2 as two, two + 1 as x from o",
            "it is a name that this SELECT gives: write its expression again, or put this SELECT into a WITH part and "
            "read that",
        ),
        ("select [who] as x from o", "write `array(a, b)`, or the name of a column without brackets"),
    ],
)
def test_a_form_of_another_database_leads_to_ours(written: str, fix: str, tmp_path: Path) -> None:
    (message,) = messages(tmp_path, sql(written), ROWS)
    assert message.endswith(f"; {fix}")


@pytest.mark.parametrize("age", ["current_date - day", "now() - at", "day - current_date()"])
def test_arithmetic_with_the_time_of_the_run_is_one_mistake(age: str, tmp_path: Path) -> None:
    (message,) = messages(tmp_path, derive(age), ROWS)
    assert "can give a different result in every run" in message


def test_the_fixes_of_queries_pass_the_check(tmp_path: Path) -> None:
    for text in (
        "select id from o order by id limit 3",
        "select size(collect_set(who) over (partition by day)) as x from o",
        "select array_join(sort_array(collect_list(who)), ',') as x from o",
        "select count_if(qty > 1) as x, avg(if(qty > 1, 1, 0)) as y from o",
    ):
        check(tmp_path, read_example(sql(text), ROWS))
