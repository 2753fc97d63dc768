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
        ("not_null: [k, x]", "fails: 1 of 3 rows has no `k`; 1 of 3 rows has no `x`"),
        ("accepted: {k: [u]}", "holds: all 3 rows have accepted values in `k`"),
        (
            "accepted: {x: [1], d: [2022-04-01]}",
            "fails: 1 of 3 rows has another `x`, such as `3`; 1 of 3 rows has another `d`, such as `2022-04-30`",
        ),
        ("accepted: {columns: {k: [v]}, severity: warn}", "fails: 2 of 3 rows have another `k`, such as `u`"),
        ("range: {x: {min: 1, max: 3}}", "holds: all 3 rows are within range"),
        ("range: {x: {max: 2}}", "fails: 1 of 3 rows has `x` out of range: they go from 1 to 3"),
        (
            "range: {d: {min: 2022-04-02}}",
            "fails: 1 of 3 rows has `d` out of range: they go from 2022-04-01 to 2022-04-30",
        ),
        ("range: {f: {min: 0, max: 1.5}}", "fails: 1 of 3 rows has `f` out of range: they go from 0.5 to nan"),
        ("share: {where: x > 1, min: 50%}", "fails: 1 of 3 rows (33.33%) fulfils `x > 1`, and at least 50% must"),
        ("share: {where: x > 1, max: 0.34}", "holds: 1 of 3 rows (33.33%) fulfils `x > 1`"),
        ("row_count: {min: 4}", "fails: there are 3 rows, and at least 4 are expected"),
        ("row_count: {max: 1}", "fails: there are 3 rows, and at most 1 is expected"),
        ("expression: x is null or x > 0", "holds: all 3 rows fulfil `x is null or x > 0`"),
        ("expression: {condition: x > 0}", "fails: 1 of 3 rows does not fulfil `x > 0`"),
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
        ("share: {where: x > 1, min: 50%}", "holds: there are no rows"),
        ("expression: x > 1", "holds: all 0 rows fulfil `x > 1`"),
        ("row_count: {min: 1}", "fails: there are 0 rows, and at least 1 is expected"),
    ],
)
def test_without_rows_only_row_count_can_fail(check: str, verdict: str, case: Case) -> None:
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
        ("share: {where: x > 1}", "missing-key", "{where: x > 1}"),
        ("share: {where: x + 1, max: 10%}", "type-mismatch", "x + 1"),
        ("share: {where: x > 1, max: 10%, min: 20%}", "wrong-value", "20%"),
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
