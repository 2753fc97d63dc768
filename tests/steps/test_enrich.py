"""Odd rows for `enrich`: every kind of answer, two steps in a row, names that need quotes, keys that are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from etlrun.enrich.store import Status
from etlrun.steps.enrich import STATUSES
from running import both, in_order
from tables import Example, examples

SHOWS = """
```markdown prompts/shows.md
---
task: Describe the show that a keyword names.
output:
  kind: {labels: {Film: a film, Series: a series of episodes}}
  stars: {number: {min: 0, max: 5}}
  is_old: {boolean: true}
  shown_as: {string: {max: 40}}
  genres: {labels: {Action: fights, Love: love, Fun: fun}, many: true}
---
```

```csv titles.csv
title,kind,stars,is_old,shown_as,genres
Running Man,Series,4.5,false,Running Man,Fun | Action
Tình yêu,Film,0,true,"Love, a ""love"" film",Love
```
"""


def example(steps: str, rows: str) -> Example:
    (found,) = examples(f"```yaml\n{steps}```\n{SHOWS}\n```rows\n{rows}```\n")
    return found


def gives(spark: Any, duck: Any, folder: Path, given: Example) -> None:
    for bench in both(spark, duck, folder, given):
        relation = list(bench.plan.checked.pipeline.chains)[-1]
        declared = bench.plan.relation(relation).columns
        found = bench.rows(relation)
        assert (found.names, found.types) == (given.outcome.names, tuple(column.type for column in declared))
        assert found.rows == in_order(given.outcome.rows(declared))


def test_labels_numbers_truths_and_texts_come_in_their_types(spark: Any, duck: Any, tmp_path: Path) -> None:
    steps = """\
steps:
  shown:
    - from: searches
    - enrich: {key: keyword, prompt: shows, model: titles, source: by}
"""
    rows = """\
searches: {keyword: string}
| keyword     |
| RUNNING man |
| tinh yeu    |
| nobody      |
| null        |
| ""          |
->
| keyword     | kind   | stars: double | is_old: boolean | shown_as          | genres      | by        |
| RUNNING man | Series | 4.5           | false           | Running Man       | "Action|Fun"  | catalogue |
| tinh yeu    | Film   | 0.0           | true            | "Love, a \\"love\\" film" | Love        | catalogue |
| nobody      | null   | null          | null            | null              | null        | null      |
| null        | null   | null          | null            | null              | null        | null      |
| ""          | null   | null          | null            | null              | null        | null      |
"""
    gives(spark, duck, tmp_path, example(steps, rows))


def test_two_steps_with_other_names_stand_in_one_chain_between_sql(spark: Any, duck: Any, tmp_path: Path) -> None:
    steps = """\
steps:
  shown:
    - from: [first, second]
    - derive: {other: 'concat(''phim '', `the "key`)'}
    - enrich: {key: 'the "key', prompt: shows, model: [titles], as: {kind: select, stars: "điểm", is_old: a1, shown_as: a2, genres: a3}}
    - enrich: {key: other, prompt: shows, model: titles, as: {kind: k2, stars: s2, is_old: b1, shown_as: b2, genres: b3}}
    - filter: "`select` = 'Film' and k2 = 'Film'"
    - select: ['the "key', select, "điểm", k2]
"""
    rows = """\
first: {the "key: string}
| the "key |
| Tình yêu |
| nobody   |
second: {the "key: string}
| the "key    |
| Running Man |
| Tình yêu    |
->
| the "key | select | điểm | k2   |
| Tình yêu | Film   | 0.0  | Film |
| Tình yêu | Film   | 0.0  | Film |
"""
    gives(spark, duck, tmp_path, example(steps, rows.replace('{the "key: string}', "{'the \"key': string}")))


def test_no_rows_ask_nothing_and_give_no_rows(spark: Any, duck: Any, tmp_path: Path) -> None:
    steps = """\
steps:
  shown:
    - from: searches
    - enrich: {key: keyword, prompt: shows, model: titles}
    - select: [keyword, kind]
"""
    gives(spark, duck, tmp_path, example(steps, "searches: {keyword: string}\n| keyword |\n->\n| keyword | kind |\n"))


def test_a_sum_that_rides_along_passes_through(spark: Any, duck: Any, tmp_path: Path) -> None:
    steps = """\
steps:
  shown:
    - from: searches
    - aggregate: {by: [keyword], columns: {hits: sum(n)}}
    - enrich: {key: keyword, prompt: shows, model: titles}
checks:
  shown:
    - conserved: {left: sum(searches.n), right: sum(hits)}
"""
    rows = """\
searches: {keyword: string, n: bigint}
| keyword  | n |
| Tình yêu | 2 |
| nobody   | 3 |
->
holds: both sides are 5
"""
    for bench in both(spark, duck, tmp_path, example(steps, rows)):
        assert bench.verdict("shown").holds
        assert len(bench.plan.carried) == 1


def test_the_status_column_knows_every_status_of_the_store() -> None:
    assert (*get_args(Status), "pending") == STATUSES
