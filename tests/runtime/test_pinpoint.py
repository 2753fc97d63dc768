"""An engine's failure points at the expression that failed, on both engines and in checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etlrun.compiler.plan import make_plan
from etlrun.failures import RunFailure
from running import check, run_on_duckdb, run_on_spark
from tables import read_example

ROWS = """
r: {id: int, s: string, xs: array<int>}
| id | s | xs     |
| 1  | a | [1, 2] |
| 0  | 7 | [3]    |
->
| id |
"""
# The step, what fails in it, and the words that the caret is under.
FAILURES = {
    "the only expression": ("derive: {y: 10 / id}", "division-by-zero", "10 / id"),
    "one of several columns": (
        'derive: {k: "id + 1", y: "3 + 10 / id", n: "if(id > 0, 10 / id, 0)"}',
        "division-by-zero",
        "10 / id",
    ),
    "behind a condition": (
        'derive: {n: "if(id > 0, cast(s as int), 7)", k: "id + 1"}',
        "bad-cast",
        "cast(s as int)",
    ),
    "behind a condition, one of two": (
        'derive: {n: "if(id > 0, cast(s as int), cast(concat(s, s) as int))"}',
        "bad-cast",
        "if(id > 0, cast(s as int), cast(concat(s, s) as int))",
    ),
    "the innermost part": (
        'derive: {n: "id + cast(s as int) + 10 / (id + 1)", k: "cast(id as string)"}',
        "bad-cast",
        "cast(s as int)",
    ),
    "a condition of a filter": ('filter: "10 % (id + 1) > cast(s as int)"', "bad-cast", "cast(s as int)"),
    "an aggregate": (
        'aggregate: {by: [s], columns: {n: count(*), m: "max(10 / id) + 1"}}',
        "division-by-zero",
        "10 / id",
    ),
    "a query of one's own": (
        'sql: "with a as (select id from r) select id, id + 1 as k, max(10 / id) as m from a where id >= 0 group by id"',
        "division-by-zero",
        "10 / id",
    ),
    "a sum": ('derive: {a: "id * 2", b: "id * 2000000000 + 2000000000"}', "overflow", "id * 2000000000 + 2000000000"),
    "a day that is none": (
        "derive: {y: \"cast(concat('2022-13-0', s) as date)\"}",
        "bad-cast",
        "cast(concat('2022-13-0', s) as date)",
    ),
    "an instant that is none": (
        "derive: {y: \"cast(concat('2022-13-01 10:00:0', s, 'Z') as timestamptz)\"}",
        "bad-cast",
        "concat('2022-13-01 10:00:0', s, 'Z')",
    ),
    "one of two that fail": ('derive: {a: "10 % id", b: "cast(s as int)"}', "", ""),
}


@pytest.fixture(params=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Sets a plan up on one engine."""
    if request.param == "duckdb":
        return run_on_duckdb, request.getfixturevalue("duck")
    return run_on_spark, request.getfixturevalue("spark")


def failure_of(engine: tuple[Any, Any], folder: Path, steps: str, verdict: bool = False) -> RunFailure:
    example = read_example(steps, ROWS)
    bench = engine[0](engine[1], make_plan(check(folder, example)), example.tables)
    with pytest.raises(RunFailure) as caught:
        if verdict:
            bench.verdict("out")
        else:
            bench.rows("out")
    return caught.value


def pointed(failure: RunFailure) -> tuple[str, str]:
    found = failure.diagnostic
    return found.code, found.source[found.column - 1 : found.end_column - 1]


@pytest.mark.parametrize("name", FAILURES)
def test_the_caret_is_under_the_part_that_fails(engine: tuple[Any, Any], tmp_path: Path, name: str) -> None:
    step, code, words = FAILURES[name]
    failure = failure_of(engine, tmp_path, f"steps:\n  out:\n    - from: r\n    - {step}\n")
    assert pointed(failure) in (
        [(code, words)] if code else [("division-by-zero", "10 % id"), ("bad-cast", "cast(s as int)")]
    )


FIXES = {
    "derive: {y: \"to_date(s, 'yyyy')\"}": ("bad-cast", "use `try_to_date`, which gives null instead"),
    "derive: {y: cast(s as int)}": ("bad-cast", "use `try_cast`, which gives null instead"),
    'derive: {y: "element_at(xs, 2)"}': ("bad-index", "use `try_element_at`, which gives null instead"),
    'derive: {y: "xs[id + 1]"}': ("bad-index", "use `try_element_at`, which counts from 1"),
    'derive: {y: "make_date(2024, id, 1)"}': ("bad-date", "filter out such rows first"),
    'derive: {y: "sequence(id, id + 100000)"}': ("array-too-long", "limit the end"),
    'derive: {y: "lpad(s, id * 1000001)"}': ("text-too-long", "limit the length"),
    'derive: {y: "cast(id + 999 as decimal(3,0))"}': ("overflow", "cast to a wider type, or use `try_cast`"),
}


@pytest.mark.parametrize("step", FIXES)
def test_the_fix_is_one_of_the_expression_that_fails(engine: tuple[Any, Any], tmp_path: Path, step: str) -> None:
    code, fix = FIXES[step]
    failure = failure_of(engine, tmp_path, f"steps:\n  out:\n    - from: r\n    - {step}\n")
    assert (failure.code, failure.fix[: len(fix)]) == (code, fix)


# A text that cannot be read, and the words about it, which are the same on both engines.
CASTS = {
    "cast('x' || s as int)": "`xa` is not of type int",
    "cast('x' || s as bigint)": "`xa` is not of type bigint",
    "cast('x' || s as double)": "`xa` is not of type double",
    "cast('x' || s as decimal(5,2))": "`xa` is not of type decimal(5,2)",
    "cast('x' || s as boolean)": "`xa` is not of type boolean",
    "cast('x' || s as date)": "`xa` is not of type date",
    "cast('2022-13-01' || s as date)": "`2022-13-01a` is not of type date",
    "cast('x' || s as timestamp)": "`xa` is not of type timestamp",
    "cast('x' || s as timestamptz)": "`xa` is not of type timestamptz",
    "cast('2022-13-01' || right(s, 0) as date)": "`2022-13-01` is not of type date",
    "to_timestamp('x' || s)": "`xa` is not of type timestamp",
}


def test_a_bad_cast_names_the_value_in_the_same_words(engine: tuple[Any, Any], tmp_path: Path) -> None:
    found = {}
    for expression in CASTS:
        failure = failure_of(
            engine,
            tmp_path,
            f'steps:\n  out:\n    - from: r\n    - filter: id = 1\n    - derive: {{y: "{expression}"}}\n',
        )
        found[expression] = failure.message.partition(" in `derive` of `out`: ")[2] or failure.message
    assert found == CASTS


def test_a_text_that_a_pattern_does_not_read_is_named(engine: tuple[Any, Any], tmp_path: Path) -> None:
    """Spark names no pattern; the caret points at it."""
    step = "derive: {y: \"to_date('x' || s, 'dd.MM.yyyy')\"}"
    failure = failure_of(engine, tmp_path, f"steps:\n  out:\n    - from: r\n    - filter: id = 1\n    - {step}\n")
    assert failure.message.partition(" in `derive` of `out`: ")[2].startswith("`xa` is not a ")
    assert pointed(failure) == ("bad-cast", "to_date('x' || s, 'dd.MM.yyyy')")


def test_a_check_that_cannot_be_computed_points_at_its_expression(engine: tuple[Any, Any], tmp_path: Path) -> None:
    text = "steps:\n  out:\n    - from: r\nchecks:\n  out:\n    - expression: 1 / id > 0\n"
    failure = failure_of(engine, tmp_path, text, verdict=True)
    assert pointed(failure) == ("division-by-zero", "1 / id")
    assert failure.message.startswith("a division by zero in the check `expression` of `out`")
