"""`labels: {from: RELATION.COLUMN}`: a run reads the labels first, and they are columns as if they had been listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, messages, refused
from etlrun.failures import RunFailure

SALES = """
    currencies: {code: string, rank: int}
    | code | rank |
    | USD  | 1    |
    | EUR  | 2    |
    | null | 3    |
    | EUR  | 4    |
    sales: {shop: string, currency: string, amount: bigint}
    | shop | currency | amount |
    | A    | EUR      | 5      |
    | A    | USD      | 7      |
    | B    | EUR      | 1      |
    | B    | GBP      | 3      |
    | B    | null     | 4      |
"""


def pivot(rest: str = "", labels: str = "{from: currencies.code}", then: str = "") -> str:
    return (
        "steps:\n  out:\n    - from: sales\n    - aggregate:\n        by: [shop]\n"
        f"        pivot: {{column: currency, labels: {labels}, value: sum(amount){rest}}}\n{then}"
    )


def codes(*values: str) -> str:
    """Sales, and these currencies."""
    rows = "".join(f"    | {value} |\n" for value in values)
    return f"    currencies: {{code: string}}\n    | code |\n{rows}" + SALES[SALES.index("    sales:") :]


def failures(case: Case, steps: str, rows: str) -> list[tuple[str, str]]:
    """Where a run of `out` fails on each engine, and how."""
    found = []
    for bench in case.benches(steps, rows + "    ->\n    | shop |\n"):
        with pytest.raises(RunFailure) as caught:
            bench.rows("out")
        diagnostic = caught.value.diagnostic
        word = diagnostic.source[diagnostic.column - 1 : diagnostic.end_column - 1]
        found.append((word, f"{diagnostic.code}: {diagnostic.message}"))
    return found


def test_each_label_of_the_column_has_its_column_and_nulls_have_none(case: Case) -> None:
    case.gives(
        pivot(', name: "in_{label}", fill: 0, other: rest'),
        SALES + "    ->\n    | shop | in_EUR | in_USD | rest |\n    | A | 5 | 7 | 0 |\n    | B | 1 | 0 | 7 |\n",
    )


def test_the_labels_may_be_those_of_the_pivoted_rows_and_no_row_is_left_out_then(case: Case) -> None:
    rows = SALES.replace("    | B    | null     | 4      |\n", "")
    steps = pivot(labels="{from: sales.currency, at_most: 3}")
    given = rows + "    ->\n    | shop | EUR | GBP | USD |\n    | A | 5 | null | 7 |\n    | B | 1 | 3 | null |\n"
    case.gives(steps, given)
    for bench in case.benches(steps + "checks:\n  out:\n    - row_count: {min: 1}\n", given):
        assert bench.verdict("out", 1).detail == "all 4 rows have a `currency` that the pivot lists"


def test_steps_after_it_keep_the_columns_of_labels(case: Case) -> None:
    then = (
        "    - filter: shop <> 'B'\n    - derive: {year: 2024}\n"
        "    - join: {with: shops, on: shop, how: left, expect: one}\n    - drop: [year]\n"
    )
    shops = "    shops: {shop: string key, city: string}\n    | shop | city |\n    | A | Hue |\n"
    case.gives(
        pivot(then=then),
        SALES + shops + "    ->\n    | shop | EUR | USD | city |\n    | A | 5 | 7 | Hue |\n",
    )


def test_a_column_group_has_the_columns_of_the_labels_that_a_run_found(case: Case) -> None:
    then = (
        "    - argmax: {over: totals, as: best}\n    - labels: {over: totals, where: '> 0', as: taste}\n"
        "    - derive: {total: sum(totals), most: max(totals)}\n    - filter: best <> 'GBP'\n"
    )
    case.gives(
        pivot(', name: "in_{label}", as: totals', then=then),
        SALES
        + "    ->\n    | shop | in_EUR | in_USD | best | taste | total | most |\n"
        + "    | A | 5 | 7 | USD | EUR-USD | 12 | 7 |\n    | B | 1 | null | EUR | EUR | 1 | 1 |\n",
    )


def test_a_column_group_of_such_labels_is_turned_into_rows_whose_columns_are_known(case: Case) -> None:
    then = (
        "    - unpivot: {over: totals, name: currency, value: amount}\n    - filter: amount > 0 and currency <> 'USD'\n"
    )
    case.gives(
        pivot(', name: "in_{label}", as: totals', then=then),
        SALES + "    ->\n    | shop | currency | amount |\n    | A | EUR | 5 |\n    | B | EUR | 1 |\n",
    )


def test_a_label_that_a_run_did_not_find_is_no_mistake_later(case: Case) -> None:
    then = (
        "    - argmax: {over: totals, as: best}\n"
        "    - aggregate: {pivot: {column: best, labels: [EUR, GBP], value: count(*)}}\n"
    )
    case.gives(
        pivot(", as: totals", then=then),
        SALES + "    ->\n    | EUR | GBP |\n    | 1 | 0 |\n",
    )


def test_relations_with_the_same_labels_are_united(case: Case) -> None:
    steps = pivot().replace("  out:", "  north:") + pivot().removeprefix("steps:\n").replace("  out:", "  south:")
    case.gives(
        steps + "  out:\n    - from: [north, south]\n    - filter: shop = 'A'\n",
        SALES + "    ->\n    | shop | EUR | USD |\n    | A | 5 | 7 |\n    | A | 5 | 7 |\n",
    )


def test_labels_may_come_from_what_another_pivot_made(case: Case) -> None:
    steps = (
        pivot().replace("  out:", "  first:")
        + "  shops:\n    - from: first\n    - select: [shop]\n    - filter: shop <> 'B'\n"
        + "  out:\n    - from: sales\n    - aggregate: {pivot: {column: shop, labels: {from: shops.shop}, value: count(*)}}\n"
    )
    case.gives(steps, SALES + "    ->\n    | A |\n    | 2 |\n")


@pytest.mark.parametrize(
    ("values", "word", "why"),
    [
        (["null"], "currencies.code", "`currencies.code` has no label, so there is no column to make"),
        (
            ["b", "a", "d", "c"],
            "currencies.code",
            "`currencies.code` has 4 labels, and `at_most` is 3: `a`, `b`, `c`, `d` and others",
        ),
        (
            ["EUR", "eur"],
            "{from: currencies.code, at_most: 3}",
            "the labels of `currencies.code` do not fit: the labels `EUR` and `eur` give one column `eur`: "
            "names are compared without letter case, and a space becomes `_`",
        ),
        (
            ["a b", "a_b"],
            "{from: currencies.code, at_most: 3}",
            "the labels of `currencies.code` do not fit: the labels `a b` and `a_b` give one column `a_b`: "
            "names are compared without letter case, and a space becomes `_`",
        ),
        (
            ["Shop"],
            "{from: currencies.code, at_most: 3}",
            "the labels of `currencies.code` do not fit: a column `shop` already exists",
        ),
        (
            ['""'],
            "{from: currencies.code, at_most: 3}",
            "the labels of `currencies.code` do not fit: `` cannot be the name of a column",
        ),
        (
            ["x" * 65],
            "{from: currencies.code, at_most: 3}",
            f"the labels of `currencies.code` do not fit: `{'x' * 65}` cannot be the name of a column",
        ),
        (
            ["{label}"],
            "{from: currencies.code, at_most: 3}",
            "the labels of `currencies.code` do not fit: `{label}` cannot be the name of a column",
        ),
    ],
    ids=["none", "too-many", "letter-case", "space", "like-by", "blank", "long", "like-the-placeholder"],
)
def test_labels_that_cannot_be_columns_stop_the_run(values: list[str], word: str, why: str, case: Case) -> None:
    steps = pivot(labels="{from: currencies.code, at_most: 3}")
    assert failures(case, steps, codes(*values)) == [(word, f"unfit-labels: {why}")] * 2


def test_a_conserved_sum_is_computed_beside_the_columns_of_labels(case: Case) -> None:
    total = "        columns: {total: sum(amount)}\n"
    check = "checks:\n  out:\n    - conserved: {left: sum(sales.amount), right: sum(total)}\n"
    case_of = pivot(then=total) + check
    for bench in case.benches(case_of, SALES + "    ->\n    | shop |\n"):
        assert bench.verdict("out").detail == "both sides are 20"
        assert "EUR" in bench.rows("out").names


def test_a_label_named_like_a_column_that_a_later_step_makes_stops_the_run_there(case: Case) -> None:
    steps = pivot(then="    - derive: {EUR: 1}\n")
    expected = "unfit-labels: the labels of `currencies.code` do not fit: a column `EUR` already exists"
    assert failures(case, steps, SALES) == [("EUR", expected)] * 2


def test_a_step_that_the_labels_are_made_by_is_to_blame_for_its_own_failure(case: Case) -> None:
    steps = pivot(labels="{from: bad.code}").replace(
        "steps:\n",
        "steps:\n  bad:\n    - from: currencies\n    - derive: {n: cast(code as int)}\n    - filter: n > 0\n",
    )
    found = failures(case, steps, SALES)
    assert [word for word, _ in found] == ["cast(code as int)"] * 2
    assert all(text.startswith("bad-cast: ") for _, text in found)


def test_a_label_that_the_pivoted_column_never_holds_has_an_empty_column(case: Case) -> None:
    rows = "    mapping kinds: {EUR: [1], USD: [2]}\n" + codes("EUR", "XXX").replace("| EUR      |", "| 1        |")
    steps = pivot(rest=", fill: 0").replace(
        "    - aggregate:", "    - lookup: {column: currency, map: kinds, as: kind, unmatched: drop}\n    - aggregate:"
    )
    case.gives(
        steps.replace("{column: currency, labels", "{column: kind, labels"),
        rows + "    ->\n    | shop | EUR | XXX |\n    | A | 5 | 0 |\n    | B | 1 | 0 |\n",
    )


def test_what_needs_to_know_a_label_before_a_run_is_refused_where_it_stands(tmp_path: Path) -> None:
    rows = SALES + "    ->\n    | shop |\n"
    assert refused(tmp_path, pivot(then="    - filter: EUR > 0\n"), rows) == [("unknown-column", "EUR")]
    unpivot = '    - unpivot: {columns: ["{label}"], name: currency, value: n}\n'
    assert ("unknown-column", '"{label}"') in refused(tmp_path, pivot(", as: totals", then=unpivot), rows)
    assert refused(tmp_path, pivot(then='    - drop: ["{label}"]\n'), rows) == [("unknown-column", '"{label}"')]
    assert refused(tmp_path, pivot(then='    - filter: "`{label}` > 0"\n'), rows)[0][0] == "unknown-column"
    assert refused(tmp_path, pivot(", name: total"), rows) == [("column-exists", "total")]
    (message,) = messages(tmp_path, pivot(then="    - filter: EUR > 0\n"), rows)
    assert message.endswith("are known only in a run; to use the column of one, list them: `labels: [...]`")


def test_the_column_of_labels_is_a_text_column_of_a_relation(tmp_path: Path) -> None:
    rows = "    mapping kinds: {EUR: [1]}\n" + SALES + "    ->\n    | shop |\n"

    def mistakes(labels: str) -> list[str]:
        return messages(tmp_path, pivot(labels=labels), rows)

    assert mistakes("{from: currencies.rank}") == [
        "labels are text, but `rank` is int; cast it to string in `currencies`"
    ]
    assert mistakes("{from: currencies.cod}") == ["there is no column `cod` here; did you mean `code`?"]
    assert mistakes("{from: currencies}") == [
        "`currencies` is not the name of a relation and of a column; write `RELATION.COLUMN`, such as `currencies.code`"
    ]
    assert mistakes("{from: kinds.code}") == [
        "`kinds` is a mapping, whose labels are known before a run; write `labels: kinds`"
    ]
    assert mistakes("currencies.code") == [
        "there is no mapping `currencies.code`; to take the labels from a column, write `labels: {from: currencies.code}`"
    ]
    assert mistakes("{from: out.shop}") == [
        "a relation depends on itself: `out` -> `out`; read another relation in one of them"
    ]
    assert mistakes("{from: currencies.code, at_most: 0}") == ["`at_most` is 0; write a number from 1 to 1000"]
