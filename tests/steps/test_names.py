"""Odd names: every step and check carries a column of any name through both engines."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from cases import Case, refused
from etlrun.language.columns import BIGINT, STRING, Column, Columns, array
from running import both
from tables import Example, Outcome, Row, Table

NAMES = {
    "blanks": "thời lượng xem",
    "decomposed": unicodedata.normalize("NFD", "thể loại"),
    "reserved": "select",
    "double-quote": 'say "hi"',
    "backtick": "a`b",
    "single-quote": "it's",
    "dot": "a.b",
    "digit": "1st",
    "emoji": "🎬",
    "colon-and-hash": "a: b #c",
    "backslash": "a\\b",
}


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def tables(name: str) -> dict[str, Table]:
    columns = Columns((Column(name, STRING), Column("t", STRING), Column("v", BIGINT), Column("xs", array(STRING))))
    rows: tuple[Row, ...] = (
        ("k1", "TV", 1, ["p", "q"]),
        ("k1", "Film", 2, []),
        ("k2", "TV", None, None),
        (None, "TV", 5, ["r"]),
    )
    return {"a": Table(columns, rows)}


def chains(name: str) -> dict[str, list[Any]]:
    """One chain per family of steps; `NAME` is the odd name wherever a step takes one."""
    by, start = [name], {"from": "a"}
    totals = {
        "column": "t",
        "labels": ["TV", "Film"],
        "value": "sum(v)",
        "name": name + " {label}",
        "fill": 0,
        "as": "totals",
    }
    return {
        "derived": [
            start,
            {"derive": {name + "2": f"concat({quoted(name)}, 'x')"}},
            {"filter": f"{quoted(name)} is not null"},
        ],
        "renamed": [start, {"rename": {name: name + "3"}}, {"cast": {"v": "int"}}, {"drop": ["xs"]}],
        "computed": [start, {"select": {name + "4": quoted(name), "v": "v + 1"}}],
        "sums": [start, {"aggregate": {"by": by, "pivot": totals}}, {"argmax": {"over": "totals", "as": name + "5"}}],
        "bands": [start, {"bucket": {"column": "v", "as": name + "6", "cases": {name: "> 1"}, "else": "low"}}],
        "first": [start, {"drop": "xs"}, {"top": {"per": by, "order": ["v desc", "t"]}}],
        "single": [start, {"drop": "xs"}, {"dedupe": {"by": by, "order": ["t", "v"]}}],
        "joined": [start, {"join": {"with": "single", "on": by, "how": "full", "columns": {name + "7": "t"}}}],
        "windowed": [
            start,
            {"drop": "xs"},
            {"window": {"per": by, "order": ["t", "v"], "columns": {name + "8": "row_number()"}}},
        ],
        "long": [{"from": "sums"}, {"unpivot": {"over": "totals", "name": name + "9", "value": "v"}}],
        "elements": [start, {"explode": {"column": "xs", "as": name + "10", "empty": "keep", "position": name + "11"}}],
        "written": [start, {"sql": f"select i.{quoted(name)}, count(*) as n from input i group by i.{quoted(name)}"}],
        "sides": [
            start,
            {"drop": "xs"},
            {"dedupe": {"by": [name, "t"], "order": ["v"]}},
            {
                "compare": {
                    "by": by,
                    "period": "t",
                    "periods": {"A": "TV", "B": "Film"},
                    "columns": {name + "12": "v"},
                    "keep": "any",
                }
            },
        ],
    }


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_column_of_any_name_passes_through_every_step(name: str, case: Case) -> None:
    spec = {
        "steps": chains(name),
        "checks": {"single": [{"unique": [name]}, {"not_null": [name]}, {"accepted": {name: ["k1", "k2"]}}]},
    }
    text = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in spec.items())
    duck, spark = both(case.spark, case.duck, case.folder, Example(text, Outcome(verdict="-"), tables(name)))
    for chain in chains(name):
        found = duck.rows(chain)
        assert found == spark.rows(chain)
        assert found.names == duck.plan.relation(chain).columns.names
        assert len(found.rows) > 0
    for position in range(3):
        assert duck.verdict("single", position) == spark.verdict("single", position)
    assert duck.verdict("single", 1).detail == f"1 of 3 rows has a null in `{name}`"


def test_composed_and_decomposed_names_are_two_columns(case: Case) -> None:
    composed, decomposed = unicodedata.normalize("NFC", "thể"), unicodedata.normalize("NFD", "thể")
    columns = Columns((Column(composed, BIGINT), Column(decomposed, BIGINT)))
    text = "steps: " + json.dumps(
        {"out": [{"from": "a"}, {"derive": {"both": f"{quoted(composed)} * 10 + {quoted(decomposed)}"}}]}
    )
    for bench in both(
        case.spark, case.duck, case.folder, Example(text, Outcome(verdict="-"), {"a": Table(columns, ((1, 2),))})
    ):
        assert bench.rows("out").rows == [(1, 2, 12)]


def test_names_that_differ_only_in_case_are_one_column(tmp_path: Path) -> None:
    steps = "steps:\n  out:\n    - from: a\n    - derive: {KEY: x + 1}\n"
    assert refused(tmp_path, steps, "    a: {key: int, x: int}\n") == [("column-exists", "KEY")]
    steps = "steps:\n  out:\n    - from: a\n    - select: {Đơn: key, đơn: x}\n"
    assert refused(tmp_path, steps, "    a: {key: int, x: int}\n") == [("column-exists", "đơn")]


def test_a_column_is_found_whatever_case_it_is_written_in_and_keeps_its_own(case: Case) -> None:
    case.gives(
        """
        steps:
          out:
            - from: a
            - filter: KEY = 'u' and X > 0
            - aggregate: {by: [KEY], columns: {n: sum(X)}}
        """,
        """
        a: {Key: string, x: bigint}
        | Key | x |
        | u   | 1 |
        ->
        | Key | n |
        | u   | 1 |
        """,
    )


def test_a_name_with_a_line_break_or_of_our_own_is_refused(tmp_path: Path) -> None:
    for name in ("a\nb", "__etlrun_x", "x" * 65, ""):
        steps = "steps: " + json.dumps({"out": [{"from": "a"}, {"derive": {name: "x"}}]})
        assert [code for code, _ in refused(tmp_path, steps, "    a: {x: int}\n")] == ["bad-name"]
