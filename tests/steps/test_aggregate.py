"""`aggregate`: groups of nulls, empty input, pivots with and without fill, and the days counted as bits."""

from __future__ import annotations

from pathlib import Path

from cases import Case, messages, refused
from running import check
from tables import read_example


def steps(aggregate: str) -> str:
    return f"steps:\n  out:\n    - from: a\n    - aggregate: {aggregate}\n"


def test_nulls_make_a_group_and_are_left_out_of_aggregates(case: Case) -> None:
    case.gives(
        steps("{by: [k], columns: {n: count(*), known: count(x), total: sum(x), least: min(x), mean: avg(x)}}"),
        """
        a: {k: string, x: int}
        | k    | x    |
        | null | 1    |
        | null | null |
        | u    | null |
        ->
        | k    | n | known | total: bigint | least | mean |
        | null | 2 | 1     | 1             | 1     | 1.0  |
        | u    | 1 | 0     | null          | null  | null |
        """,
    )


def test_without_by_empty_input_gives_one_row_and_with_by_none(case: Case) -> None:
    given = "    a: {k: string, x: int}\n"
    case.gives(
        steps("{columns: {n: count(*), total: sum(x)}}"), given + "    ->\n    | n | total |\n    | 0 | null |\n"
    )
    case.gives(steps("{by: [k], columns: {n: count(*)}}"), given + "    ->\n    | k | n |\n")
    case.gives(
        steps("{pivot: {column: k, labels: [A, B], value: sum(x), fill: 0}}"),
        given + "    ->\n    | A | B |\n    | 0 | 0 |\n",
    )


def test_by_alone_gives_the_distinct_values(case: Case) -> None:
    case.gives(
        steps("{by: [k]}"),
        "    a: {k: string}\n    | k |\n    | u |\n    | u |\n    | null |\n    ->\n    | k |\n    | u |\n    | null |\n",
    )


def test_a_label_not_listed_gets_no_column_and_one_without_rows_gets_the_fill(case: Case) -> None:
    rows = """
        a: {k: int, t: string, x: bigint}
        | k | t     | x    |
        | 1 | TV    | 5    |
        | 1 | Other | 7    |
        | 1 | null  | 9    |
        | 2 | Film  | null |
        ->
    """
    case.gives(
        steps("{by: [k], pivot: {column: t, labels: [TV, Film], value: sum(x), fill: 0}}"),
        rows + "    | k | Film | TV |\n        | 1 | 0 | 5 |\n        | 2 | 0 | 0 |\n",
    )
    case.gives(
        steps("{by: [k], pivot: {column: t, labels: [TV, Film], value: sum(x)}}"),
        rows + "    | k | Film | TV |\n        | 1 | null | 5 |\n        | 2 | null | null |\n",
    )


def test_a_pivot_counts_rows_and_distinct_values(case: Case) -> None:
    case.gives(
        steps("{pivot: {column: t, labels: [TV], value: count(*), name: rows}, columns: {n: count(distinct x)}}"),
        "    a: {t: string, x: int}\n    | t | x |\n    | TV | 1 |\n    | TV | 1 |\n    | Film | null |\n    ->\n    | rows | n |\n    | 2 | 1 |\n",
    )
    case.gives(
        steps("{pivot: {column: t, labels: [TV, Film], value: count(distinct x)}}"),
        "    a: {t: string, x: int}\n    | t | x |\n    | TV | 1 |\n    | TV | 1 |\n    | Film | null |\n    ->\n    | Film | TV |\n    | 0 | 1 |\n",
    )


def test_an_aggregate_of_some_rows_reads_columns_that_are_not_grouped(case: Case) -> None:
    """`t` is neither in `by` nor in an aggregate; a pivot adds its own condition to the one that is written."""
    rows = """
        a: {k: string, t: string, x: int}
        | k | t    | x    |
        | u | TV   | 1    |
        | u | TV   | 20   |
        | u | Film | 300  |
        | v | TV   | null |
        | v | null | 5    |
        ->
    """
    written = "{by: [k], columns: {n: \"count(*) filter (where t = 'TV')\", share: \"sum(x) filter (where t = 'Film' or x > 9) / count(*)\"}}"
    case.gives(
        steps(written),
        rows + "    | k | n | share |\n        | u | 2 | 106.66666666666667 |\n        | v | 1 | null |\n",
    )
    pivot = '{by: [k], pivot: {column: t, labels: [Film, TV], value: "sum(x) filter (where x < 10 or x > 100)", other: drop}}'
    case.gives(steps(pivot), rows + "    | k | Film | TV |\n        | u | 300 | 1 |\n        | v | null | null |\n")


def test_a_pivot_of_an_expression_of_aggregates(case: Case) -> None:
    case.gives(
        steps("{pivot: {column: t, labels: [TV, Film], value: sum(x) - min(x), fill: -1}}"),
        "    a: {t: string, x: bigint}\n    | t | x |\n    | TV | 1 |\n    | TV | 5 |\n    ->\n    | Film | TV |\n    | -1 | 5 |\n",
    )


DAYS = """
    a: {k: string, date: date}
    | k    | date       |
    | u    | 2022-04-01 |
    | u    | 2022-04-01 |
    | u    | 2022-05-31 |
    | v    | null       |
    | null | 2022-04-30 |
    | null | null       |
    ->
    | k    | days |
    | u    | 2    |
    | v    | 0    |
    | null | 1    |
"""


def test_days_of_a_declared_range_are_counted_the_same_as_bits(case: Case) -> None:
    months = {"a": ["2022-04", "2022-05"]}
    text = steps("{by: [k], columns: {days: count(distinct date)}}")
    case.gives(text, DAYS)
    for bench in case.benches(text, DAYS, months):
        assert "bit_or" in bench.dialect(bench.plan.relation("out").tree)
        assert bench.rows("out").rows == [("u", 2), ("v", 0), (None, 1)]


def test_a_range_too_long_for_bits_is_counted_plainly(case: Case) -> None:
    for bench in case.benches(
        steps("{by: [k], columns: {days: count(distinct date)}}"), DAYS, {"a": ["2022-04", "2022-06"]}
    ):
        assert "bit_or" not in bench.dialect(bench.plan.relation("out").tree)
        assert bench.rows("out").rows == [("u", 2), ("v", 0), (None, 1)]


def test_bits_of_no_rows_are_none(case: Case) -> None:
    empty = "    a: {date: date, n: int}\n    ->\n    | days |\n    | 0 |\n"
    for bench in case.benches(steps("{columns: {days: count(distinct date)}}"), empty, {"a": "2022-04"}):
        assert bench.rows("out").rows == [(0,)]


def test_a_sum_that_overflows_is_an_error_on_both(case: Case) -> None:
    rows = "    a: {x: bigint}\n    | x |\n    | 9223372036854775807 |\n    | 1 |\n    ->\n    | total |\n"
    for bench in case.benches(steps("{columns: {total: sum(x)}}"), rows):
        try:
            found = bench.rows("out")
        except Exception as error:  # noqa: BLE001 - each engine has its own; what counts is that there is one
            assert "too large for its type" in str(error)
        else:
            raise AssertionError(found)


GIVEN = "    a: {k: string, t: string, x: bigint}\n"


def test_a_column_outside_the_groups_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{by: [k], columns: {y: x + 1}}"), GIVEN) == [("not-grouped", "x + 1")]
    assert refused(tmp_path, steps("{by: [k], columns: {y: sum(x) + x}}"), GIVEN) == [("not-grouped", "sum(x) + x")]


def test_a_sum_of_a_mapping_label_twice_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("{pivot: {column: t, labels: [A, B, A], value: sum(x)}}"), GIVEN)[0] == (
        "duplicate-name",
        "A",
    )


def test_labels_whose_columns_would_share_a_name_are_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, steps("{pivot: {column: t, labels: [A B, A_B], value: sum(x)}}"), GIVEN)
    assert {code for code, _ in found} == {"column-exists"}


def test_a_group_that_stands_alone_says_where_it_may(tmp_path: Path) -> None:
    text = (
        steps("{by: [k], pivot: {column: t, labels: [A, B], value: sum(x), as: totals}}")
        + "    - derive: {y: totals + 1}\n"
    )
    assert messages(tmp_path, text, GIVEN) == [
        "`totals` is a column group, not a column; write sum(totals), min(totals) or max(totals)"
    ]


def test_a_fill_of_null_or_of_another_type_is_refused(tmp_path: Path) -> None:
    for fill in ("'null'", "1.5", "\"'none'\""):
        assert (
            refused(tmp_path, steps(f"{{pivot: {{column: t, labels: [A], value: sum(x), fill: {fill}}}}}"), GIVEN)[0][0]
            == "type-mismatch"
        )


OTHERS = """
    a: {k: int, t: string, x: bigint}
    | k | t     | x    |
    | 1 | TV    | 5    |
    | 1 | Other | 7    |
    | 1 | null  | 9    |
    | 2 | TV    | null |
    ->
"""


def test_a_pivot_may_keep_the_rows_of_other_labels_and_of_none_in_a_column(case: Case) -> None:
    case.gives(
        steps("{by: [k], pivot: {column: t, labels: [TV, Film], value: sum(x), fill: 0, other: rest}}"),
        OTHERS + "    | k | Film | TV | rest |\n    | 1 | 0 | 5 | 16 |\n    | 2 | 0 | 0 | 0 |\n",
    )


def test_a_pivot_without_groups_counts_the_rows_of_other_labels(case: Case) -> None:
    case.gives(
        steps("{pivot: {column: t, labels: [TV], value: count(*), name: tv, other: rest}}"),
        OTHERS + "    | tv | rest |\n    | 2 | 2 |\n",
    )


def test_the_column_of_other_labels_has_a_name_of_its_own(tmp_path: Path) -> None:
    text = steps("{by: [k], pivot: {column: t, labels: [TV], value: sum(x), other: tv}}")
    assert refused(tmp_path, text, GIVEN) == [("column-exists", "tv")]


def unlisted(rest: str = "") -> str:
    pivot = f"{{column: t, labels: [TV, Film], value: sum(x), fill: 0{rest}}}"
    return steps(f"{{by: [k], pivot: {pivot}}}") + "sinks:\n  out: {files: {from: out, path: out.parquet}}\n"


def test_rows_whose_label_no_column_has_are_counted_with_their_labels(case: Case) -> None:
    found = "fails: 2 of 4 rows have a `t` that the pivot does not list, and count in no column: null (1), `Other` (1)"
    case.finds(unlisted(), OTHERS + f"    {found}\n")


def test_after_other_steps_the_rows_are_those_that_the_pivot_reads(case: Case) -> None:
    text = unlisted(", other: fail").replace("    - aggregate", "    - filter: t is null or t = 'TV'\n    - aggregate")
    found = "fails: 1 of 3 rows has a `t` that the pivot does not list, and counts in no column: null (1)"
    case.finds(text, OTHERS + f"    {found}\n")


def test_where_every_row_has_a_column_the_check_holds(case: Case) -> None:
    text = unlisted().replace("    - aggregate", "    - filter: t = 'TV'\n    - aggregate")
    case.finds(text, OTHERS + "    holds: all 2 rows have a `t` that the pivot lists\n")


def test_no_rows_are_no_unlisted_ones(case: Case) -> None:
    case.finds(unlisted(), "a: {k: int, t: string, x: int}\n->\nholds: all 0 rows have a `t` that the pivot lists\n")


def test_only_a_pivot_that_leaves_rows_out_unseen_is_checked(tmp_path: Path) -> None:
    for rest, severities in (("", ["warn"]), (", other: fail", ["error"]), (", other: drop", []), (", other: o", [])):
        checks = check(tmp_path, read_example(unlisted(rest), OTHERS + "    -\n")).pipeline.checks
        assert [use.value.severity for uses in checks.values() for use in uses] == severities


def test_labels_that_what_is_known_of_a_column_lists_need_no_check(tmp_path: Path) -> None:
    text = unlisted().replace("    - aggregate", "    - derive: {t2: \"if(x > 1, 'TV', 'Film')\"}\n    - aggregate")
    assert check(tmp_path, read_example(text, OTHERS + "    -\n")).pipeline.checks
    bucket = "    - bucket: {column: x, as: b, cases: {TV: '> 1'}, else: Film}\n    - aggregate"
    text = unlisted().replace("    - aggregate", bucket).replace("column: t,", "column: b,")
    assert not check(tmp_path, read_example(text, OTHERS + "    -\n")).pipeline.checks
