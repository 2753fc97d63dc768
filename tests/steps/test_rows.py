"""`from`, `select`, `derive`, `filter`, `cast`, `top`, `dedupe`, `compare`: nulls, ties and empty input."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, messages, refused
from etlrun.compiler.plan import make_plan
from running import check
from tables import read_example


def steps(*rest: str) -> str:
    return "steps:\n  out:\n    - from: a\n" + "".join(f"    - {step}\n" for step in rest)


def test_relations_unite_by_name_and_keep_duplicates(case: Case) -> None:
    case.gives(
        "steps:\n  out:\n    - from: [a, b, a]\n",
        "    a: {x: int, y: string}\n    | x | y |\n    | 1 | p |\n    b: {Y: string, x: int}\n    | Y | x |\n    | p | 1 |\n"
        "    ->\n    | x | y |\n    | 1 | p |\n    | 1 | p |\n    | 1 | p |\n",
    )


def test_relations_of_other_columns_or_types_do_not_unite(tmp_path: Path) -> None:
    text = "steps:\n  out:\n    - from: [a, b]\n"
    assert refused(tmp_path, text, "    a: {x: int}\n    b: {x: bigint}\n") == [("type-mismatch", "b")]
    assert refused(tmp_path, text, "    a: {x: int}\n    b: {x: int, y: int}\n") == [("unknown-column", "b")]


def test_derived_columns_see_those_above_them(case: Case) -> None:
    case.gives(
        steps("derive: {y: x + 1, z: y * y, w: z - y}"),
        "    a: {x: bigint}\n    | x |\n    | 2 |\n    | null |\n    ->\n    | x | y | z | w |\n    | 2 | 3 | 9 | 6 |\n    | null | null | null | null |\n",
    )


def test_a_condition_that_is_null_leaves_the_row_out(case: Case) -> None:
    case.gives(
        steps("filter: x <> 1"),
        "    a: {x: int}\n    | x |\n    | 1 |\n    | 2 |\n    | null |\n    ->\n    | x |\n    | 2 |\n",
    )
    case.gives(
        steps("filter: not (x = 1)"),
        "    a: {x: int}\n    | x |\n    | 1 |\n    | 2 |\n    | null |\n    ->\n    | x |\n    | 2 |\n",
    )


def test_a_selection_may_swap_names(case: Case) -> None:
    case.gives(
        steps("select: {x: y, y: x}"),
        "    a: {x: int, y: string}\n    | x | y |\n    | 1 | p |\n    ->\n    | x | y |\n    | p | 1 |\n",
    )
    case.gives(
        steps("rename: {x: y, y: x}"),
        "    a: {x: int, y: string}\n    | x | y |\n    | 1 | p |\n    ->\n    | y | x |\n    | 1 | p |\n",
    )


def test_nulls_come_first_ascending_and_last_descending(case: Case) -> None:
    rows = "    a: {x: int}\n    | x |\n    | 1 |\n    | null |\n    | 2 |\n    ->\n    | x |\n"
    case.gives(steps("top: {order: [x]}"), rows + "    | null |\n")
    case.gives(steps("top: {order: [x desc]}"), rows + "    | 2 |\n")
    case.gives(steps("top: {order: [x nulls last]}"), rows + "    | 1 |\n")
    case.gives(steps("top: {order: [x desc nulls first]}"), rows + "    | null |\n")


def test_equal_rows_are_rows_of_their_own_to_top(case: Case) -> None:
    case.gives(
        steps("top: {n: 2, order: [x]}"),
        "    a: {x: int}\n    | x |\n    | 1 |\n    | 1 |\n    | 1 |\n    ->\n    | x |\n    | 1 |\n    | 1 |\n",
    )


def test_a_null_group_has_its_own_first_row(case: Case) -> None:
    case.gives(
        steps("top: {per: [k], order: [x desc]}"),
        "    a: {k: string, x: int}\n    | k | x |\n    | null | 1 |\n    | null | 2 |\n    | u | 3 |\n    ->\n    | k | x |\n    | null | 2 |\n    | u | 3 |\n",
    )


@pytest.mark.parametrize(
    "step", ["top: {order: [x]}", "dedupe: {by: [k], order: [x]}", "dedupe: {}", "filter: x > 0", "cast: {x: bigint}"]
)
def test_empty_input_gives_no_rows(step: str, case: Case) -> None:
    case.gives(steps(step.replace("[x]", "[x, k]")), "    a: {k: string, x: int}\n    ->\n    | k | x |\n")


def test_rows_equal_in_every_column_become_one_nulls_included(case: Case) -> None:
    case.gives(
        steps("dedupe: {}"),
        "    a: {k: string, x: int}\n    | k | x |\n    | null | 1 |\n    | null | 1 |\n    | u | null |\n    | u | null |\n    ->\n    | k | x |\n    | null | 1 |\n    | u | null |\n",
    )


def test_an_order_that_leaves_ties_is_refused(tmp_path: Path) -> None:
    rows = "    a: {k: string, x: int, y: int}\n"
    assert refused(tmp_path, steps("top: {per: [k], order: [x]}"), rows) == [("no-total-order", "[x]")]
    assert refused(tmp_path, steps("dedupe: {by: [k], order: [x]}"), rows) == [("no-total-order", "[x]")]
    assert refused(tmp_path, steps("dedupe: {by: [k]}"), rows)[0][0] == "no-total-order"


def test_texts_become_numbers_and_dates(case: Case) -> None:
    case.gives(
        steps("cast: {a: int, b: date, c: 'decimal(10,2)', d: string}"),
        "    a: {a: string, b: string, c: string, d: bigint}\n    | a | b | c | d |\n    | -7 | 2022-04-30 | 1.50 | 12 |\n    | null | null | null | null |\n"
        "    ->\n    | a | b | c | d |\n    | -7 | 2022-04-30 | 1.50 | 12 |\n    | null | null | null | null |\n",
    )


@pytest.mark.parametrize(
    ("text", "kind"), [("1.5", "int"), ("", "int"), ("9999999999", "int"), ("2022-02-30", "date"), ("x", "double")]
)
def test_a_text_that_does_not_fit_is_an_error_on_both(text: str, kind: str, case: Case) -> None:
    rows = f'    a: {{x: string}}\n    | x |\n    | "{text}" |\n    ->\n    | x |\n'
    for bench in case.benches(steps(f"cast: {{x: {kind}}}"), rows):
        with pytest.raises(Exception, match="(?i)cast|convert|conversion|could not|range"):
            bench.rows("out")


MONTHLY = """
    a: {u: string, m: string, c: string, n: bigint}
    | u    | m | c | n    |
    | u1   | 6 | A | 1    |
    | u1   | 7 | B | 2    |
    | u2   | 7 | A | 3    |
    | u3   | 6 | A | null |
    | u3   | 7 | A | 4    |
    | null | 6 | A | 1    |
    | null | 7 | A | 1    |
    | u4   | 5 | A | 9    |
"""
COMPARE = (
    "compare: {by: u, period: m, periods: {P: '6', Q: '7'}, columns: {c: c, n: n}, keep: %s, trend: {of: %s, as: t%s}}"
)
ONCE = "dedupe: {by: [u, m], order: [c, n]}"


def test_periods_side_by_side(case: Case) -> None:
    case.gives(
        steps(ONCE, COMPARE % ("both", "c", ", change: d")),
        MONTHLY
        + """
    ->
    | u    | c_P | n_P  | c_Q | n_Q | t         | d         |
    | u1   | A   | 1    | B   | 2   | Changed   | A-B       |
    | u3   | A   | null | A   | 4   | Unchanged | Unchanged |
    | null | A   | 1    | A   | 1   | Unchanged | Unchanged |
    """,
    )


def test_any_keeps_who_is_seen_in_one_period_and_a_number_may_have_a_trend(case: Case) -> None:
    case.gives(
        steps(ONCE, COMPARE % ("any", "n", "")),
        MONTHLY
        + """
    ->
    | u    | c_P  | n_P  | c_Q | n_Q | t         |
    | u1   | A    | 1    | B   | 2   | Changed   |
    | u2   | null | null | A   | 3   | null      |
    | u3   | A    | null | A   | 4   | null      |
    | null | A    | 1    | A   | 1   | Unchanged |
    """,
    )


def test_any_type_of_column_may_be_compared(case: Case) -> None:
    case.gives(
        steps(
            "dedupe: {by: [u, m], order: [b, d]}",
            "compare: {by: u, period: m, periods: {P: 2022-06-01, Q: 2022-07-01}, columns: {b: b, d: d}, trend: {of: b, as: t}}",
        ),
        """
        a: {u: int, m: date, b: boolean, d: timestamp}
        | u | m          | b     | d                   |
        | 1 | 2022-06-01 | true  | 2022-06-01 10:00:00 |
        | 1 | 2022-07-01 | false | null                |
        ->
        | u | b_P  | d_P                 | b_Q   | d_Q  | t       |
        | 1 | true | 2022-06-01 10:00:00 | false | null | Changed |
        """,
    )


def test_a_period_of_a_column_of_dates_is_a_date(tmp_path: Path) -> None:
    text = steps(
        "dedupe: {by: [u, d], order: [m]}",
        "compare: {by: u, period: d, periods: {P: 2022-02-30, Q: é}, columns: {x: m}}",
    )
    assert messages(tmp_path, text, "a: {u: int, m: int, d: date}\n| u | m | d |") == [
        "`2022-02-30` is not a date, but `d` is a date; write it as 2022-04-30",
        "`é` is not a date, but `d` is a date; write it as 2022-04-30",
    ]


def test_what_has_no_greatest_value_is_not_compared(tmp_path: Path) -> None:
    text = steps("aggregate: {by: [u, m, xs]}", "compare: {by: u, period: m, periods: {P: '6'}, columns: {x: xs}}")
    assert "type-mismatch" in {
        code
        for code, _ in refused(
            tmp_path,
            text.replace("    - aggregate: {by: [u, m, xs]}\n", "    - top: {per: [u, m], order: [u, m, xs]}\n"),
            "    a: {u: int, m: string, xs: array<string>}\n",
        )
    }


def test_several_rows_of_a_period_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps(COMPARE % ("both", "c", "")), MONTHLY)[0] == ("no-total-order", "u")


def test_empty_periods_give_no_rows(case: Case) -> None:
    case.gives(
        steps(ONCE, COMPARE % ("any", "c", "")),
        "    a: {u: string, m: string, c: string, n: bigint}\n    ->\n    | u | c_P | n_P | c_Q | n_Q | t |\n",
    )


def test_the_first_rows_of_all_are_a_sort_with_a_limit(case: Case, tmp_path: Path) -> None:
    rows = "    a: {x: int, y: string}\n    | x | y |\n    | 1 | p |\n    | null | q |\n    | 3 | Q |\n    | 2 | p |\n    ->\n"
    text = steps("top: {n: 2, order: ['1', lower(y) desc, x desc, y]}")
    case.gives(text, rows + "    | x | y |\n    | 3 | Q |\n    | null | q |\n")
    sql = make_plan(check(tmp_path, read_example(text, rows))).relation("out").tree.sql()  # type: ignore[union-attr]
    assert "LIMIT 2" in sql
    assert "row_number" not in sql.lower()
    for n in ("0", "2147483648"):
        assert refused(tmp_path, steps(f"top: {{n: {n}, order: [x, y]}}"), rows) == [("wrong-value", n)]


def test_a_selection_mixes_names_and_expressions(case: Case, tmp_path: Path) -> None:
    rows = "    a: {x: int, y: string}\n    | x | y |\n    | 1 | p |\n    | null | q |\n"
    case.gives(
        steps("select: [Y, {z: x + 1, w: upper(y)}, x]"),
        rows + "    ->\n    | y | z | w | x |\n    | p | 2 | P | 1 |\n    | q | null | Q | null |\n",
    )
    assert refused(tmp_path, steps("select: [x, {X: y}]"), rows) == [("column-exists", "X")]
    assert refused(tmp_path, steps("select: [x, z: q + 1]"), rows) == [("unknown-column", "q")]


def test_replaced_columns_see_the_columns_before(case: Case, tmp_path: Path) -> None:
    rows = "    a: {x: int, y: string}\n    | x | y |\n    | 1 | p |\n    | null | q |\n"
    case.gives(
        steps('replace: {y: x, X: "coalesce(x, 0) + length(y)"}'),
        rows + "    ->\n    | x | y |\n    | 2 | 1 |\n    | 1 | null |\n",
    )
    assert refused(tmp_path, steps("replace: {z: x}"), rows) == [("unknown-column", "z")]
    assert refused(tmp_path, steps("replace: {x: y, X: y}"), rows) == [("column-exists", "X")]


def test_an_instant_is_compared_with_a_param_and_with_a_text(case: Case) -> None:
    text = """
        params: {since: {type: timestamptz, default: "2022-04-30 20:15:00+07:00"}}
        steps:
          out:
            - from: a
            - derive: {at: "to_utc_timestamp(clock, 'UTC')"}
            - filter: at >= $since and at < '2022-05-01 00:00:00Z'
            - select: [clock]
    """
    rows = """
        a: {clock: timestamp}
        | clock               |
        | 2022-04-30 13:14:59 |
        | 2022-04-30 13:15:00 |
        | 2022-05-01 00:00:00 |
        ->
        | clock               |
        | 2022-04-30 13:15:00 |
    """
    case.gives(text, rows)
