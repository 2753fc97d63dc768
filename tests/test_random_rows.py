"""Random rows through chains of steps: both engines give equal rows, and what plain Python says."""

from __future__ import annotations

import datetime
from collections import defaultdict
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etlrun.compiler.plan import make_plan
from etlrun.language.columns import BIGINT, BOOLEAN, DATE, DOUBLE, STRING, Column, Columns
from running import check, run_on_duckdb, run_on_spark
from tables import Example, Outcome, Row, Table

COLUMNS = Columns(
    (
        Column("who", STRING),
        Column("type", STRING),
        Column("seconds", BIGINT),
        Column("score", DOUBLE),
        Column("live", BOOLEAN),
        Column("date", DATE),
    )
)
LABELS = ("Phim", "TV", "Khác")
TEXTS = ["", " ", "a", "A", "ß", "thể", "the\u0302\u0309", "🎬", "it's", 'say "hi"', "0"]
ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(TEXTS),
        st.none() | st.sampled_from([*LABELS, "phim", "Other"]),
        st.none() | st.integers(-3, 3) | st.integers(-(2**52), 2**52),
        st.none() | st.sampled_from([0.0, 1.5, -2.25, 1e20, float("inf"), float("nan")]),
        st.none() | st.booleans(),
        st.none() | st.dates(datetime.date(2022, 4, 1), datetime.date(2022, 5, 31)),
    ),
    max_size=40,
)
STEPS = """
steps:
  profile:
    - from: a
    - aggregate:
        by: [who]
        pivot: {column: type, labels: [Phim, TV, Khác], value: sum(seconds), fill: 0, as: totals}
        columns: {days: count(distinct date), best: max(score), ever: max(live)}
    - argmax: {over: totals, as: most}
    - labels: {over: totals, where: "> 0", as: taste}
    - bucket: {column: days, as: level, cases: {High: "> 2", Some: ">= 1"}, else: None}
    - derive: {total: sum(totals), greatest: max(totals)}
  latest:
    - from: a
    - filter: not (live and seconds < 0)
    - top: {n: 2, per: [who], order: [date desc, score, seconds desc, type, live]}
  once:
    - from: a
    - dedupe: {by: [who, type], order: [seconds, date desc, score desc nulls first, live]}
  sides:
    - from: once
    - compare: {by: who, period: type, periods: {P: Phim, T: TV}, columns: {at: date, is: live}, keep: any, trend: {of: at, as: moved}}
  back:
    - from: profile
    - unpivot: {over: totals, name: type, value: seconds, nulls: drop}
    - join: {with: once, on: [who, type], how: full, prefix: first_}
  ranked:
    - from: once
    - window: {per: [type], order: [seconds, who, type], columns: {nth: row_number(), so_far: sum(seconds), of: count(*)}}
  lost:
    - from: once
    - join: {with: latest, on: {seconds: seconds, who: who}, how: anti}
    - select: {who: "coalesce(who, '-')", key: "concat(who, ':', type)", is_odd: "type is null or seconds is null"}
    - dedupe: {}
checks:
  profile:
    - conserved: {left: sum(a.seconds), right: sum(totals)}
    - unique: [who]
    - range: {best: {min: -2, max: 100}}
    - share: {condition: total > 0, min: 50%}
"""


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rows=ROWS)
def test_both_engines_give_equal_rows_for_any_input(rows: list[Row], spark: Any, duck: Any, tmp_path: Path) -> None:
    example = Example(STEPS, Outcome(verdict="-"), {"a": Table(COLUMNS, tuple(rows))})
    plan = make_plan(check(tmp_path, example, {"a": ["2022-04", "2022-05"]}))
    one, other = run_on_duckdb(duck, plan, example.tables), run_on_spark(spark, plan, example.tables)
    for chain in plan.checked.pipeline.chains:
        assert one.rows(chain) == other.rows(chain), chain
    for position in range(4):
        assert one.verdict("profile", position) == other.verdict("profile", position)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_a_profile_is_what_plain_python_says(rows: list[Row], duck: Any, tmp_path: Path) -> None:
    example = Example(STEPS, Outcome(verdict="-"), {"a": Table(COLUMNS, tuple(rows))})
    plan = make_plan(check(tmp_path, example, {"a": ["2022-04", "2022-05"]}))
    found = run_on_duckdb(duck, plan, example.tables).rows("profile")
    places = [found.names.index(name) for name in ("who", *LABELS, "days", "most", "taste", "level", "total")]
    assert sorted((tuple(row[place] for place in places) for row in found.rows), key=repr) == sorted(
        profile(rows), key=repr
    )


def profile(rows: list[Row]) -> list[Row]:
    """The chain `profile`, row by row."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    result = []
    for who, members in groups.items():
        totals = [sum(row[2] or 0 for row in members if row[1] == label) for label in LABELS]
        days = len({row[5] for row in members} - {None})
        most = LABELS[totals.index(max(totals))]
        taste = "-".join(sorted(label for label, total in zip(LABELS, totals, strict=True) if total > 0))
        level = "High" if days > 2 else "Some" if days >= 1 else "None"
        result.append((who, *totals, days, most, taste, level, sum(totals)))
    return result
