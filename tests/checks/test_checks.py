"""Checks: nulls, no rows, severity, bounds and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, refused


def checks(check: str) -> str:
    return f"steps:\n  out:\n    - from: a\nchecks:\n  out:\n    - {check}\n"


GIVEN = """
    a: {k: string, x: bigint, d: date, f: double}
    | k    | x    | d          | f   |
    | u    | 1    | 2022-04-01 | 0.5 |
    | u    | null | null       | NaN |
    | null | 3    | 2022-04-30 | 1.5 |
"""
NOTHING = "    a: {k: string, x: bigint, d: date, f: double}\n"


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        ("unique: k", "fails: 2 of 3 rows have the same `k` as another row"),
        ("unique: {columns: [k, x], severity: warn}", "holds: no two of 3 rows have the same `k`, `x`"),
        ("not_null: [k, x]", "fails: 1 of 3 rows has a null in `k`; 1 of 3 rows has a null in `x`"),
        ("accepted: {k: [u]}", "holds: all 3 rows have accepted values in `k`"),
        (
            "accepted: {x: [1], d: [2022-04-01]}",
            "fails: 1 of 3 rows has a `x` that is not in the list, e.g. `3`; 1 of 3 rows has a `d` that is not in the list, e.g. `2022-04-30`",
        ),
        (
            "accepted: {columns: {k: [v]}, severity: warn}",
            "fails: 2 of 3 rows have a `k` that is not in the list, e.g. `u`",
        ),
        ("range: {x: {min: 1, max: 3}}", "holds: all 3 rows are within range"),
        ("range: {x: {max: 2}}", "fails: 1 of 3 rows has `x` out of range: the values go from 1 to 3"),
        (
            "range: {d: {min: 2022-04-02}}",
            "fails: 1 of 3 rows has `d` out of range: the values go from 2022-04-01 to 2022-04-30",
        ),
        ("range: {f: {min: 0, max: 1.5}}", "fails: 1 of 3 rows has `f` out of range: the values go from 0.5 to nan"),
        ("share: {condition: x > 1, min: 50%}", "fails: 1 of 3 rows (33.33%) fulfils `x > 1`, but at least 50% must"),
        ("share: {condition: x > 1, max: 0.34}", "holds: 1 of 3 rows (33.33%) fulfils `x > 1`"),
        ("row_count: {min: 4}", "fails: there are 3 rows, but at least 4 are expected"),
        ("row_count: {max: 1}", "fails: there are 3 rows, but at most 1 is expected"),
        ("expression: x is null or x > 0", "holds: all 3 rows fulfil `x is null or x > 0`"),
        ("expression: {condition: x > 0}", "fails: 1 of 3 rows does not fulfil `x > 0`"),
        (
            "expression: {condition: x > 0, where: k = 'u' or x = 3}",
            "fails: 1 of 3 rows does not fulfil `x > 0` (where `k = 'u' or x = 3`)",
        ),
        ("not_null: {columns: x, where: k is null}", "holds: no `x` is missing in 1 row (where `k is null`)"),
        (
            "share: {condition: x > 1, min: 50%, where: k is null}",
            "holds: 1 of 1 row (100%) fulfils `x > 1` (where `k is null`)",
        ),
        ("relationships: {on: {x: x}, to: a}", "holds: each `x` of 3 rows is in `a`"),
        (
            "relationships: {on: [k, x], to: a, where: d > date '2022-04-01'}",
            "holds: each `k`, `x` of 1 row is in `a` (where `d > date '2022-04-01'`)",
        ),
        (
            "freshness: {column: d, max_age: 1 day, as_of: \"date '2022-05-01'\"}",
            "holds: the newest `d` is 2022-04-30, 1 day before 2022-05-01",
        ),
        (
            "freshness: {column: d, max_age: 1 week, as_of: \"timestamp '2022-05-10 01:00:00'\"}",
            "fails: the newest `d` is 2022-04-30, 10 days before 2022-05-10, but at most 1 week is allowed",
        ),
        (
            "freshness: {column: d, max_age: 2 days, as_of: \"date '2022-04-29'\"}",
            "holds: the newest `d` is 2022-04-30, 1 day after 2022-04-29",
        ),
    ],
)
def test_a_check_counts_the_same_on_both_engines(check: str, verdict: str, case: Case) -> None:
    case.finds(checks(check), f"{GIVEN}    ->\n    {verdict}\n")


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        ("unique: k", "holds: no two of 0 rows have the same `k`"),
        ("not_null: k", "holds: no `k` is missing in 0 rows"),
        ("accepted: {k: [u]}", "holds: all 0 rows have accepted values in `k`"),
        ("range: {x: {min: 1}}", "holds: all 0 rows are within range"),
        ("share: {condition: x > 1, min: 50%}", "holds: there are no rows"),
        ("expression: x > 1", "holds: all 0 rows fulfil `x > 1`"),
        ("relationships: {on: [k], to: a}", "holds: each `k` of 0 rows is in `a`"),
        ("row_count: {min: 1}", "fails: there are 0 rows, but at least 1 is expected"),
        ("freshness: {column: d, max_age: 1 day}", "fails: `d` is null in all rows"),
    ],
)
def test_without_rows_only_row_count_and_freshness_can_fail(check: str, verdict: str, case: Case) -> None:
    case.finds(checks(check), f"{NOTHING}    ->\n    {verdict}\n")


@pytest.mark.parametrize(
    ("check", "code", "word"),
    [
        ("unique: kk", "unknown-column", "kk"),
        ("not_null: [k, kk]", "unknown-column", "kk"),
        ("accepted: {x: [1, one]}", "type-mismatch", "one"),
        ("accepted: {f: [inf]}", "type-mismatch", "inf"),
        ("range: {k: {min: 1}}", "type-mismatch", "{min: 1}"),
        ("range: {d: {min: 5}}", "type-mismatch", "5"),
        ("range: {x: {}}", "missing-key", "{}"),
        ("relationships: {on: {k: x}, to: a}", "type-mismatch", "x"),
        ("relationships: {on: {kk: x}, to: a}", "unknown-column", "kk"),
        ("relationships: {on: [k], to: b}", "unknown-relation", "b"),
        ("freshness: {column: k, max_age: 1 day}", "type-mismatch", "k"),
        ("freshness: {column: d, max_age: 24 hours, time_zone: Mars}", "wrong-value", "Mars"),
        ("freshness: {column: d, max_age: 5 hours}", "wrong-value", "5 hours"),
        ("freshness: {column: d, max_age: one day}", "wrong-value", "one day"),
        ("freshness: {column: d, max_age: 1 day, as_of: d}", "unknown-column", "d"),
        ("freshness: {column: d, max_age: 1 day, as_of: '7'}", "type-mismatch", "'7'"),
        ("not_null: {columns: k, where: xx > 1}", "unknown-column", "xx"),
        ("unique: {columns: k, where: x + 1}", "type-mismatch", "x + 1"),
        ("share: {condition: x > 1}", "missing-key", "{condition: x > 1}"),
        ("share: {condition: x + 1, max: 10%}", "type-mismatch", "x + 1"),
        ("share: {condition: x > 1, max: 10%, min: 20%}", "wrong-value", "20%"),
        ("row_count: {}", "missing-key", "{}"),
        ("row_count: {min: 2, max: 1}", "wrong-value", "2"),
        ("expression: sum(x) > 1", "not-allowed-here", "sum(x) > 1"),
        ("expression: x", "type-mismatch", "x"),
        ("unique: {columns: k, severity: fatal}", "wrong-value", "fatal"),
    ],
)
def test_a_mistake_is_reported_at_its_word(check: str, code: str, word: str, tmp_path: Path) -> None:
    assert refused(tmp_path, checks(check), GIVEN) == [(code, word)]


def test_a_number_is_grouped_by_thousands(case: Case) -> None:
    text = "steps:\n  out:\n    - from: a\n    - join: {with: a, on: [one], columns: {y: x}}\n    - filter: x = y or x < 30\nchecks:\n  out:\n    - not_null: [x]\n"
    rows = "".join(f"    | 1 | {number} |\n" for number in range(40))
    case.finds(
        text,
        f"    a: {{one: int, x: int}}\n    | one | x |\n{rows}    ->\n    holds: no `x` is missing in 1,210 rows\n",
    )


def test_an_expression_may_ask_a_column_group(case: Case) -> None:
    text = (
        "steps:\n  out:\n    - from: a\n    - aggregate: {by: [k], pivot: {column: k, labels: [u, v], value: sum(x), as: totals}}\n"
        "checks:\n  out:\n    - expression: sum(totals) > 0\n"
    )
    case.finds(text, f"{GIVEN}    ->\n    fails: 1 of 2 rows does not fulfil `sum(totals) > 0`\n")


INSTANTS = """
    a: {clock: timestamp}
    | clock               |
    | 2022-04-30 13:15:00 |
    | null                |
"""


def of_instants(check: str) -> str:
    steps = "- from: a\n    - derive: {at: \"to_utc_timestamp(clock, 'UTC')\"}"
    return f"steps:\n  out:\n    {steps}\nchecks:\n  out:\n    - {check}\n"


def test_the_age_of_an_instant_is_that_from_instant_to_instant(case: Case) -> None:
    check = "freshness: {column: at, max_age: 2 hours, as_of: $now}"
    param = "params: {now: {type: timestamptz, default: '2022-04-30 17:15:00+02:00'}}\n"
    verdict = "holds: the newest `at` is 2022-04-30 13:15:00 UTC, 2 hours before 2022-04-30 15:15:00 UTC"
    case.finds(param + of_instants(check), f"{INSTANTS}    ->\n    {verdict}\n")


def test_an_instant_is_not_compared_with_a_clock(tmp_path: Path) -> None:
    clock = "freshness: {column: at, max_age: 1 day, as_of: \"timestamp '2022-05-01 00:00:00'\"}"
    assert refused(tmp_path, of_instants(clock), INSTANTS) == [("type-mismatch", clock[-34:-1])]
    zone = "freshness: {column: at, max_age: 1 day, time_zone: Asia/Ho_Chi_Minh}"
    assert refused(tmp_path, of_instants(zone), INSTANTS) == [("wrong-value", "Asia/Ho_Chi_Minh")]
