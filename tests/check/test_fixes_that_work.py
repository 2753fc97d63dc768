"""A fix that a message gives works when it is followed to the letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import Project

PIPELINE = """sources:
  s:
    parquet:
      path: s
      columns: {id: int, a: int, b: int, c: int, d: int, w: string, day: date, price: "decimal(10,2)", from: int, case: int, end: int}
      key: [id]
  o: {parquet: {path: o, columns: {id: int, b: int, d: int, g: string}, key: [id]}}
steps:
  all:
    - from: s
    - STEP
sinks: {out: {files: {from: all, path: out.csv}}, o: {files: {from: o, path: o.csv}}}
"""
JOIN = "join: {with: o, columns: [g], KEYS}"


def said(folder: Path, step: str) -> str:
    """What `etlrun check` says of a pipeline with this step."""
    project = Project(folder)
    return project.run("check", project.pipeline(PIPELINE.replace("STEP", step))).out


@pytest.mark.parametrize(
    ("wrong", "fix", "right"),
    [
        ("derive: {p: concat(w, ', ', w)}", "put the whole expression in quotes", """derive: {p: "concat(w, ', ', w)"}"""),
        ("derive: {p: instr(w, ',')}", "put the whole expression in quotes", """derive: {p: "instr(w, ',')"}"""),
        (
            JOIN.replace("KEYS", 'on: "a = b and c <= d"'),
            "write `on: {a: b}` and `where: here.c <= there.d`",
            JOIN.replace("KEYS", "on: {a: b}, where: here.c <= there.d"),
        ),
        (JOIN.replace("KEYS", 'on: "s.id = o.id"'), "write `on: [id]`", JOIN.replace("KEYS", "on: [id]")),
        (JOIN.replace("KEYS", 'on: "o.b = s.a"'), "write `on: {a: b}`", JOIN.replace("KEYS", "on: {a: b}")),
        (
            JOIN.replace("KEYS", 'on: [id, "there.d > here.c"]'),
            "write `on: [id]` and `where: here.c < there.d`",
            JOIN.replace("KEYS", "on: [id], where: here.c < there.d"),
        ),
        (
            JOIN.replace("KEYS", 'on: "c <= d"'),
            "write `how: cross` and `where: here.c <= there.d` instead",
            JOIN.replace("KEYS", "how: cross, where: here.c <= there.d"),
        ),
        ("filter: price > w", "cast the text: `cast(w as decimal(10,2))`", "filter: price > cast(w as decimal(10,2))"),
        ("filter: price > '3.5'", "write the number without quotes: 3.5", "filter: price > 3.5"),
        ("filter: w in (1, null, 2)", "or write numbers as texts: `'1'`", "filter: w in ('1', null, '2')"),
        ("filter: w = 3", "cast the text: `cast(w as bigint)`", "filter: cast(w as bigint) = 3"),
        ("filter: day = a", "as text: `cast(day as string)`", "filter: cast(day as string) = cast(a as string)"),
        ('derive: {p: "day + interval 3"}', "write `interval 3 days`", 'derive: {p: "day + interval 3 days"}'),
        ("derive: {p: from + 1}", '"`from` ..."', 'derive: {p: "`from` + 1"}'),
        ("filter: end > case", "`end` and `case` are also words of SQL", 'filter: "`end` > `case`"'),
        ("fillna: {a: 0}", 'with `replace: {x: "coalesce(x, 0)"}`', 'replace: {a: "coalesce(a, 0)"}'),
        ("cum_sum: a", "`window: {per: [a], order: [b], columns: {n: row_number()}}`", "window: {per: [a], order: [id], columns: {n: row_number()}}"),
        ('sql: select "id" from s', "write the column without quotes", "sql: select id from s"),
        (
            "sql: select id, sum(a) over (order by day range between 3 preceding and current row) as r from s",
            "write `range between interval 3 days preceding and current row`",
            "sql: select id, sum(a) over (order by day range between interval 3 days preceding and current row) as r from s",
        ),
    ],
)  # fmt: skip
def test_a_fix_works_when_it_is_followed_to_the_letter(tmp_path: Path, wrong: str, fix: str, right: str) -> None:
    found = said(tmp_path, wrong)
    assert fix in found, found
    assert found.count("pipelines/p.yaml:") == 1, found
    assert not said(tmp_path, right)


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("groupBy", "use `aggregate` with `by:` to group rows"),
        ("drop_duplicate", "use `dedupe` to remove equal rows"),
        ("unions", "write `from: [a, b]` to combine relations"),
        ("limits", "`top` keeps the first rows of an order"),
        ("left_join", "`join` takes `how: left`"),
        ("minus", "`how: anti` for rows that are not"),
        ("fitler", "did you mean `filter`?"),
    ],
)
def test_a_word_of_another_tool_leads_to_the_step(tmp_path: Path, word: str, fix: str) -> None:
    assert fix in said(tmp_path, f"{word}: [a]")
