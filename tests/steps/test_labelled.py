"""`argmax`, `labels`, `bucket` and `lookup`: ties, nulls and what stands where nothing fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from cases import Case, refused

ROWS = """
    a: {k: int, t: string, x: bigint}
    | k | t | x |
    | 1 | b | 5 |
    | 1 | A | 5 |
    | 2 | C | 1 |
    | 3 | z | 1 |
"""


def steps(rest: str, fill: str = ", fill: 0") -> str:
    pivot = f"{{column: t, labels: [C, b, A], value: sum(x){fill}, as: totals}}"
    return f"steps:\n  out:\n    - from: a\n    - aggregate: {{by: [k], pivot: {pivot}}}\n    - {rest}\n    - drop: [A, b, C]\n"


def test_a_tie_goes_to_the_label_listed_first_or_to_the_alphabet(case: Case) -> None:
    case.gives(
        steps("argmax: {over: totals, as: m}"),
        ROWS + "    ->\n    | k | m |\n    | 1 | b |\n    | 2 | C |\n    | 3 | C |\n",
    )
    case.gives(
        steps("argmax: {over: totals, as: m, ties: alphabetical}"),
        ROWS + "    ->\n    | k | m |\n    | 1 | A |\n    | 2 | C |\n    | 3 | A |\n",
    )


def test_nulls_lose_and_only_nulls_have_no_label(case: Case) -> None:
    case.gives(
        steps("argmax: {over: totals, as: m}", ""),
        ROWS + "    ->\n    | k | m |\n    | 1 | b |\n    | 2 | C |\n    | 3 | null |\n",
    )


def test_labels_stand_in_the_alphabet_or_as_listed(case: Case) -> None:
    case.gives(
        steps('labels: {over: totals, where: "> 0", as: l}'),
        ROWS + '    ->\n    | k | l |\n    | 1 | A-b |\n    | 2 | C |\n    | 3 | "" |\n',
    )
    case.gives(
        steps('labels: {over: totals, where: ">= 1", as: l, separator: " | ", order: label order}'),
        ROWS + '    ->\n    | k | l |\n    | 1 | "b | A" |\n    | 2 | C |\n    | 3 | "" |\n',
    )


def test_a_null_column_has_no_label(case: Case) -> None:
    case.gives(
        steps('labels: {over: totals, where: "> 0", as: l}', ""),
        ROWS + '    ->\n    | k | l |\n    | 1 | A-b |\n    | 2 | C |\n    | 3 | "" |\n',
    )
    case.gives(
        steps('labels: {over: totals, where: "is null", as: l}', ""),
        ROWS + "    ->\n    | k | l |\n    | 1 | C |\n    | 2 | A-b |\n    | 3 | A-C-b |\n",
    )


@pytest.mark.parametrize("step", ["argmax: {over: totals, as: m}", 'labels: {over: totals, where: "> 0", as: m}'])
def test_empty_input_gives_no_rows(step: str, case: Case) -> None:
    case.gives(steps(step), "    a: {k: int, t: string, x: bigint}\n    ->\n    | k | m |\n")


def test_the_first_case_that_holds_wins_and_null_holds_in_none(case: Case) -> None:
    case.gives(
        'steps:\n  out:\n    - from: a\n    - bucket: {column: x, as: b, cases: {Mid: between 1 and 9, Top: "> 5", None: is null}}\n',
        """
        a: {x: double}
        | x    |
        | 0.0  |
        | 9.0  |
        | 9.5  |
        | null |
        | nan  |
        ->
        | x    | b    |
        | 0.0  | null |
        | 9.0  | Mid  |
        | 9.5  | Top  |
        | null | None |
        | nan  | Top  |
        """.replace("nan", "NaN"),
    )


def test_a_condition_of_another_type_is_refused(tmp_path: Path) -> None:
    text = "steps:\n  out:\n    - from: a\n    - bucket: {column: x, as: b, cases: {Top: \"> 'z'\"}}\n"
    assert refused(tmp_path, text, "    a: {x: int}\n")[0][0] == "type-mismatch"


LOOKUP = """
    mapping m: {Phim: [VOD, FIMS], TV: [CHANNEL], Khác: []}
    a: {code: string}
    | code    |
    | VOD     |
    | vod     |
    | " VOD"  |
    | null    |
    | CHANNEL |
    ->
"""


@pytest.mark.parametrize(("unmatched", "label"), [("'null'", "null"), ("Unknown", "Unknown"), ("TV", "TV")])
def test_a_code_must_be_equal_in_every_letter(unmatched: str, label: str, case: Case) -> None:
    case.gives(
        f"steps:\n  out:\n    - from: a\n    - lookup: {{column: code, map: m, as: l, unmatched: {unmatched}}}\n",
        LOOKUP
        + f'    | code | l |\n    | VOD | Phim |\n    | vod | {label} |\n    | " VOD" | {label} |\n    | null | {label} |\n    | CHANNEL | TV |\n',
    )


def test_dropping_the_unmatched_drops_null_codes_too(case: Case) -> None:
    case.gives(
        "steps:\n  out:\n    - from: a\n    - lookup: {column: code, map: m, as: l, unmatched: drop}\n",
        LOOKUP + "    | code | l |\n    | VOD | Phim |\n    | CHANNEL | TV |\n",
    )


def test_an_unknown_mapping_or_group_is_named(tmp_path: Path) -> None:
    text = "steps:\n  out:\n    - from: a\n    - lookup: {column: code, map: mm, as: l, unmatched: drop}\n"
    assert refused(tmp_path, text, LOOKUP) == [("unknown-mapping", "mm")]
    text = "steps:\n  out:\n    - from: a\n    - argmax: {over: totals, as: l}\n"
    assert refused(tmp_path, text, LOOKUP) == [("unknown-group", "totals")]
