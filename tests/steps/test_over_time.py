"""`history`, `sessions`, `carry` and joins `as_of`: what nulls, ties, edges and empty input give, and what is refused."""

from __future__ import annotations

import datetime
import random
from pathlib import Path

import pytest

from cases import Case, messages, refused

CHANGES = "    a: {id: int key, day: date key, tier: string, score: int}\n"
CLICKS = "    a: {user: string, at: timestamp, n: int}\n"
PRICES = "    a: {shop: string key, day: date key, price: int, note: string}\n"


def steps(step: str) -> str:
    return f"steps:\n  out:\n    - from: a\n    - {step}\n"


def test_history_takes_null_for_a_value_and_a_null_moment_for_the_first(case: Case) -> None:
    case.gives(
        steps("history: {by: [id], at: day, track: [tier, score]}"),
        CHANGES
        + """\
        | id   | day        | tier | score |
        | 1    | 2024-01-03 | null | 1     |
        | 1    | 2024-01-01 | null | 1     |
        | 1    | 2024-01-04 | gold | null  |
        | 1    | 2024-01-09 | gold | null  |
        | 1    | 2024-01-05 | null | 1     |
        | 2    | null       | base | 0     |
        | 2    | 2024-01-01 | gold | 0     |
        | null | 2024-01-01 | gold | 0     |
        ->
        | id   | tier | score | valid_from | valid_to   | is_current |
        | 1    | null | 1     | 2024-01-01 | 2024-01-04 | false      |
        | 1    | gold | null  | 2024-01-04 | 2024-01-05 | false      |
        | 1    | null | 1     | 2024-01-05 | 2024-01-09 | false      |
        | 1    | gold | null  | 2024-01-09 | null       | true       |
        | 2    | base | 0     | null       | 2024-01-01 | false      |
        | 2    | gold | 0     | 2024-01-01 | null       | true       |
        | null | gold | 0     | 2024-01-01 | null       | true       |
        """,
    )


def test_history_of_nothing_is_empty(case: Case) -> None:
    case.gives(
        steps("history: {by: [id], at: day, track: [tier]}"),
        CHANGES + "    ->\n    | id | tier | valid_from | valid_to | is_current |\n",
    )


def test_history_refuses_rows_of_one_moment_and_names_that_are_taken(tmp_path: Path) -> None:
    without_key = "    a: {id: int, day: date, tier: string, valid_to: date}\n"
    assert refused(tmp_path, steps("history: {by: [id], at: day, track: [tier, id]}"), CHANGES) == [
        ("column-exists", "id")
    ]
    assert refused(tmp_path, steps("history: {by: [id], at: day, track: [tier]}"), without_key) == [
        ("no-total-order", "day")
    ]
    keyed = without_key.replace("int,", "int key,").replace("day: date,", "day: date key,")
    assert refused(tmp_path, steps("history: {by: [id], at: day, track: [valid_to]}"), keyed)[0][0] == "column-exists"
    without_order = "    a: {id: int key, days: array<date>, tier: string}\n"
    assert refused(tmp_path, steps("history: {by: [id], at: days, track: [tier]}"), without_order) == [
        ("type-mismatch", "days")
    ]


@pytest.mark.parametrize("moved", ["", "desc"])
def test_sessions_end_behind_a_gap_and_rows_of_one_moment_share_one(case: Case, moved: str) -> None:
    lines = """\
        | u    | 2024-01-01 23:50:00 | 1    |
        | u    | 2024-01-02 00:20:00 | 2    |
        | u    | 2024-01-02 00:50:01 | 3    |
        | u    | 2024-01-02 00:50:01 | 4    |
        | u    | null                | 5    |
        | u    | null                | 6    |
        | null | 2024-01-01 10:00:00 | 7    |
        | null | 2024-01-01 10:00:00 | 8    |
    """.splitlines()[:-1]
    given = "\n".join(sorted(lines, reverse=moved == "desc"))
    case.gives(
        steps("sessions: {by: [user], at: at, gap: 30 minutes, as: visit}"),
        CLICKS.replace("    a", "        a")
        + "        | user | at | n |\n"
        + given
        + """
        ->
        | user | at                  | n | visit |
        | u    | 2024-01-01 23:50:00 | 1 | 1     |
        | u    | 2024-01-02 00:20:00 | 2 | 1     |
        | u    | 2024-01-02 00:50:01 | 3 | 2     |
        | u    | 2024-01-02 00:50:01 | 4 | 2     |
        | u    | null                | 5 | null  |
        | u    | null                | 6 | null  |
        | null | 2024-01-01 10:00:00 | 7 | 1     |
        | null | 2024-01-01 10:00:00 | 8 | 1     |
        """,
    )


def test_sessions_of_days(case: Case) -> None:
    case.gives(
        steps("sessions: {by: [id], at: day, gap: 2 days}"),
        """
        a: {id: int, day: date}
        | id | day        |
        | 1  | 2024-02-28 |
        | 1  | 2024-03-01 |
        | 1  | 2024-03-04 |
        ->
        | id | day        | session |
        | 1  | 2024-02-28 | 1       |
        | 1  | 2024-03-01 | 1       |
        | 1  | 2024-03-04 | 2       |
        """,
    )


def test_a_gap_is_a_length_of_time_that_the_column_has(tmp_path: Path) -> None:
    rows = "    a: {user: string, at: timestamp, day: date, session: int}\n"
    for gap in ("half an hour", "0 minutes", "-1 day", "30", "1 month", "9999999 days"):
        assert refused(tmp_path, steps(f"sessions: {{by: [user], at: at, gap: {gap}, as: s}}"), rows) == [
            ("wrong-value", gap)
        ]
    assert refused(tmp_path, steps("sessions: {by: [user], at: day, gap: 1 hour, as: s}"), rows) == [
        ("type-mismatch", "1 hour")
    ]
    assert refused(tmp_path, steps("sessions: {by: [user], at: user, gap: 1 hour, as: s}"), rows) == [
        ("type-mismatch", "user")
    ]
    assert refused(tmp_path, steps("sessions: {by: [user], at: at, gap: 1 hour}"), rows)[0][0] == "column-exists"


def test_carry_fills_each_column_from_its_own_last_value(case: Case) -> None:
    case.gives(
        steps("carry: {columns: [price, note], per: [shop], order: [day]}"),
        PRICES
        + """\
        | shop | day        | price | note |
        | A    | 2024-01-04 | null  | z    |
        | A    | 2024-01-03 | null  | null |
        | A    | 2024-01-02 | 9     | null |
        | A    | 2024-01-01 | 7     | a    |
        | A    | null       | null  | null |
        | B    | 2024-01-02 | null  | null |
        | null | 2024-01-01 | 5     | null |
        | null | 2024-01-02 | null  | null |
        ->
        | shop | day        | price | note |
        | A    | null       | null  | null |
        | A    | 2024-01-01 | 7     | a    |
        | A    | 2024-01-02 | 9     | a    |
        | A    | 2024-01-03 | 9     | a    |
        | A    | 2024-01-04 | 9     | z    |
        | B    | 2024-01-02 | null  | null |
        | null | 2024-01-01 | 5     | null |
        | null | 2024-01-02 | 5     | null |
        """,
    )


def test_carry_goes_back_in_time_under_a_descending_order(case: Case) -> None:
    case.gives(
        steps("carry: {columns: price, order: [day desc, shop]}"),
        PRICES
        + """\
        | shop | day        | price | note |
        | A    | 2024-01-01 | null  | null |
        | A    | 2024-01-02 | 9     | null |
        ->
        | shop | day        | price | note |
        | A    | 2024-01-01 | 9     | null |
        | A    | 2024-01-02 | 9     | null |
        """,
    )


def test_carry_refuses_ties_and_columns_of_the_group(tmp_path: Path) -> None:
    assert refused(tmp_path, steps("carry: {columns: [price], order: [day]}"), PRICES) == [("no-total-order", "[day]")]
    assert refused(tmp_path, steps("carry: {columns: [shop, price, Price], per: [shop], order: [day]}"), PRICES) == [
        ("column-exists", "shop"),
        ("column-exists", "Price"),
    ]


AS_OF = """
    a: {k: int, at: timestamp}
    | k    | at                  |
    | 1    | 2024-01-02 00:00:00 |
    | 1    | 2024-01-02 00:00:00 |
    | 1    | 2024-01-03 12:00:00 |
    | 1    | 2023-12-31 00:00:00 |
    | 2    | 2024-01-02 00:00:00 |
    | null | 2024-01-02 00:00:00 |
    | 1    | null                |
    b: {k: bigint key, since: timestamp key, v: int}
    | k    | since               | v  |
    | 1    | 2024-01-01 00:00:00 | 10 |
    | 1    | 2024-01-02 00:00:00 | 11 |
    | 1    | 2024-01-04 00:00:00 | 12 |
    | 1    | null                | 13 |
    | null | 2024-01-01 00:00:00 | 14 |
    ->
    | k | at | v |
"""


@pytest.mark.parametrize(
    ("join", "expected"),
    [
        ("as_of: {at: since}, how: left", [11, 11, 11, None, None, None, None]),
        ("as_of: {columns: {at: since}, direction: forward}, how: left", [11, 11, 12, 10, None, None, None]),
        (
            "as_of: {columns: {at: since}, direction: forward, tolerance: 12 hours}, how: left",
            [11, 11, 12, None, None, None, None],
        ),
        ("as_of: {columns: {at: since}, tolerance: 1 day}, how: left", [11, 11, None, None, None, None, None]),
        ("as_of: {at: since}, expect: one", [11, 11, 11]),
    ],
)
def test_a_join_as_of_takes_the_row_that_held(case: Case, join: str, expected: list[int | None]) -> None:
    given = [line for line in AS_OF.splitlines() if line.strip().startswith("|")][1:8]
    rows = "\n".join(f"{line} {'null' if v is None else v} |" for line, v in zip(given, expected, strict=False))
    case.gives(steps(f"join: {{with: b, on: [k], columns: [v], {join}}}"), AS_OF + rows + "\n")


def test_a_join_as_of_without_groups_over_nothing(case: Case) -> None:
    text = steps("join: {with: b, as_of: {day: day}, columns: [v], how: left}")
    case.gives(
        text,
        "    a: {day: date}\n    | day |\n    | 2024-01-01 |\n    b: {day: date key, v: int}\n    ->\n    | day | v |\n    | 2024-01-01 | null |\n",
    )
    case.gives(
        text,
        "    a: {day: date}\n    b: {day: date key, v: int}\n    | day | v |\n    | 2024-01-01 | 1 |\n    ->\n    | day | v |\n",
    )


def test_a_join_as_of_gives_what_comparing_all_pairs_gives(case: Case) -> None:
    chance = random.Random(5)
    day = datetime.date(2024, 1, 1)
    here = [(chance.choice("xyz"), day + datetime.timedelta(chance.randrange(60))) for _ in range(80)]
    there = {(chance.choice("xyw"), day + datetime.timedelta(chance.randrange(60))) for _ in range(60)}
    lines = ["a: {k: string, d: date}", "| k | d |", *(f"| {k} | {d} |" for k, d in here)]
    lines += [
        "b: {k: string key, e: date key}",
        "| k | e |",
        *(f"| {k} | {e} |" for k, e in sorted(there)),
        "->",
        "| k | d | e |",
    ]
    for k, d in here:
        held = max((e for known, e in there if known == k and d - datetime.timedelta(9) <= e <= d), default="null")
        lines.append(f"| {k} | {d} | {held} |")
    rows = "\n".join(f"    {line}" for line in lines) + "\n"
    case.gives(steps("join: {with: b, on: [k], as_of: {columns: {d: e}, tolerance: 9 days}, how: left}"), rows)


def test_a_join_as_of_refuses_what_could_match_two_rows_or_compares_unlike_things(tmp_path: Path) -> None:
    rows = "    a: {k: int, d: date, t: timestamp, x: double}\n    b: {k: int key, e: date key, f: double, n: int}\n"
    several = rows.replace("e: date key", "e: date").replace("int key", "int")
    for join, given, found in (
        ("on: [k], as_of: {d: e}", several, ("no-total-order", "{d: e}")),
        ("as_of: {d: e}", rows, ("no-total-order", "{d: e}")),
        ("on: [k], as_of: {t: e}", rows, ("type-mismatch", "e")),
        ("on: [k], as_of: {d: e}, how: full", rows, ("not-allowed-here", "full")),
        ("on: [k], as_of: {d: e}, where: there.n > 1", rows, ("not-allowed-here", "there.n > 1")),
        ("on: [k], as_of: {columns: {d: e}, tolerance: 5 hours}", rows, ("type-mismatch", "5 hours")),
        ("on: [k], as_of: {columns: {d: e}, tolerance: some days}", rows, ("wrong-value", "some days")),
    ):
        assert refused(tmp_path, steps(f"join: {{with: b, {join}, columns: [n]}}"), given) == [found], join
    assert refused(tmp_path, steps("join: {with: b, on: [k], as_of: {x: f}, columns: [n]}"), rows)[-1] == (
        "type-mismatch",
        "f",
    )
    assert "`cast` one of them" in messages(tmp_path, steps("join: {with: b, on: [k], as_of: {t: e}}"), rows)[0]
