"""`conserved`: two sums compared, with a scan of its own or carried along with the step that groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, refused

ROWS = """
    a: {k: string, t: string, x: bigint}
    | k    | t  | x    |
    | u    | TV | 5    |
    | u    | ?  | 7    |
    | null | TV | 1    |
    | v    | TV | null |
"""
PIVOT = "aggregate: {by: [k], pivot: {column: t, labels: [TV], value: sum(x), fill: 0, as: totals}}"


def steps(*rest: str, left: str = "sum(a.x)", right: str = "sum(totals)", extra: str = "") -> str:
    lines = "".join(f"    - {step}\n" for step in (PIVOT, *rest))
    return f"steps:\n  out:\n    - from: a\n{lines}checks:\n  out:\n    - conserved: {{left: {left}, right: {right}{extra}}}\n"


def test_what_is_lost_is_counted_whether_carried_or_scanned(case: Case) -> None:
    lost = "fails: `sum(a.x)` is 13 and `sum(totals)` is 6: 7 less"
    for text, carried in ((steps("argmax: {over: totals, as: m}"), 1), (steps("filter: true"), 0)):
        for bench in case.benches(text, ROWS + "    ->\n    -\n"):
            assert len(bench.plan.carried) == carried
            verdict = bench.verdict("out")
            assert f"{'holds' if verdict.holds else 'fails'}: {verdict.detail}" == lost


def test_a_carried_sum_adds_no_column_that_others_see(case: Case) -> None:
    text = steps("argmax: {over: totals, as: m}").replace("checks:", "  after:\n    - from: out\nchecks:")
    for bench in case.benches(text, ROWS + "    ->\n    -\n"):
        hidden = bench.plan.relation("out").columns.names
        assert [name for name in hidden if name.startswith("__etlrun_")] == ["__etlrun_out_0"]
        assert bench.plan.checked.columns["out"].names == ("k", "TV", "m")
        assert bench.plan.relation("after").columns.names == ("k", "TV", "m")


@pytest.mark.parametrize(
    "rest", ["filter: TV > 0", "top: {per: [k], order: [TV, k]}", "unpivot: {over: totals, name: t, value: x}"]
)
def test_a_sum_does_not_ride_through_a_step_that_changes_rows(rest: str, case: Case) -> None:
    right = "sum(x)" if "unpivot" in rest else "sum(totals)"
    duck, spark = case.benches(steps(rest, right=right), ROWS + "    ->\n    -\n")
    assert duck.plan.carried == ()
    assert duck.verdict("out") == spark.verdict("out")


def test_a_sum_of_another_relation_than_the_one_grouped_is_scanned(case: Case) -> None:
    text = steps(left="sum(b.y)").replace("steps:\n", "steps:\n  b:\n    - from: a\n    - select: {y: x}\n")
    for bench in case.benches(text, ROWS + "    ->\n    -\n"):
        assert bench.plan.carried == ()
        assert bench.verdict("out").detail == "`sum(b.y)` is 13 and `sum(totals)` is 6: 7 less"


def test_counts_are_carried_too(case: Case) -> None:
    text = steps("derive: {n: 1}", left="count(a.x)", right="sum(n)")
    for bench in case.benches(text, ROWS + "    ->\n    -\n"):
        assert len(bench.plan.carried) == 1
        assert bench.verdict("out").detail == "both sides are 3"


def test_no_rows_are_zero_on_both_sides(case: Case) -> None:
    for text in (steps(), steps("filter: true")):
        case.finds(text, "    a: {k: string, t: string, x: bigint}\n    ->\n    holds: both sides are 0\n")


def test_a_tolerance_is_a_share_of_the_left_side(case: Case) -> None:
    detail = "`sum(a.x)` is 13 and `sum(totals)` is 6: 7 less"
    case.finds(steps(extra=", tolerance: 54%"), f"{ROWS}    ->\n    holds: {detail}\n")
    case.finds(steps(extra=", tolerance: 53%"), f"{ROWS}    ->\n    fails: {detail}\n")


def test_an_expression_of_the_other_relation_may_be_summed(case: Case) -> None:
    case.finds(steps(left="sum(case when a.t = 'TV' then a.x end)"), f"{ROWS}    ->\n    holds: both sides are 6\n")


@pytest.mark.parametrize(
    ("left", "right", "code", "word"),
    [
        ("sum(x)", "sum(totals)", "unknown-column", "x"),
        ("count(*)", "sum(totals)", "unknown-relation", "count(*)"),
        ("sum(b.x)", "sum(totals)", "unknown-relation", "sum(b.x)"),
        ("sum(a.y)", "sum(totals)", "unknown-column", "y"),
        ("max(a.x)", "sum(totals)", "wrong-arguments", "max(a.x)"),
        ("sum(a.x)", "sum(totals) + 1", "wrong-arguments", "sum(totals) + 1"),
        ("sum(a.x)", "count(distinct TV)", "wrong-arguments", "count(distinct TV)"),
    ],
)
def test_a_mistake_is_reported_at_its_word(left: str, right: str, code: str, word: str, tmp_path: Path) -> None:
    assert refused(tmp_path, steps(left=left, right=right), ROWS) == [(code, word)]
