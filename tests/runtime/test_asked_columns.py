"""Keys as users have them: long texts, and keys of several columns."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from asked import FILE, asking_project, enrich, run, searches, service
from projects import Project

PROMPT = """\
---
task: Say what a programme is.
keys: [title, description]
output:
  kind:
    labels: {Film: a film or series, Sport: a match, Other: nothing of these}
examples:
  - {title: vtv1, description: the news, kind: Other}
canaries:
  - {title: naruto, description: an anime, kind: Film}
---
"""
PIPELINE = """\
sources:
  programmes: {csv: {path: programmes.csv, columns: {id: int, name: string, about: string}}}
steps:
  labelled:
    - from: programmes
    - replace: {about: "nullif(about, 'null')", name: "nullif(name, 'null')"}
    - enrich: {key: [name, about], prompt: programme, model: kinds, status: how}
sinks:
  labelled: {table: {from: labelled, connection: warehouse, write: replace}}
"""
ROWS = """\
id,name,about
1,Cup,final
2,CUP ,Final!
3,Cup,a | b
4,Cup | a,b
5,null,final
6,Cup,null
7,null,null
8,Cup final,
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = asking_project(tmp_path)
    project.write("prompts/programme.md", PROMPT)
    project.write("programmes.csv", ROWS)
    project.pipeline(PIPELINE)
    return project


@pytest.mark.parametrize(("profile", "database"), [("fast", "warehouse.duckdb"), ("local", "spark.duckdb")])
def test_each_distinct_pair_is_one_key_which_a_model_sees_by_its_parts(
    project: Project, profile: str, database: str
) -> None:
    with service(known={"naruto | an anime": "Film"}) as served:
        done = run(project, served, FILE, "--json", "--profile", profile)
        assert done.code == 0, done.err
        (record,) = served.records
        assert done.json["models"].popitem()[1]["keys"] == 6
        right = served.truth.label("CUP | Final!", ("Film", "Sport", "Other"))
        assert run(project, served, FILE, "--json", "--profile", profile).code == 0
        assert len(served.records) == 1
    assert '"q":{"title":"CUP","description":"Final!"}' in str(record.body).replace("\\", "")
    rows = {row[0]: row for row in project.table("labelled", database)}
    assert rows[1] == (1, "Cup", "final", right, "ok")
    assert rows[2][3:] == (right, "ok")
    assert rows[7][3:] == (None, None)
    assert {row[4] for number, row in rows.items() if number != 7} == {"ok"}


def test_people_answer_keys_of_several_columns_by_their_parts(project: Project) -> None:
    project.write("overrides/programme.csv", "title,description,kind\ncup,FINAL,Sport\n")
    with service(known={"naruto | an anime": "Film"}) as served:
        assert run(project, served).code == 0
        assert "CUP | Final!" not in served.calls
        review = run(project, served, "llm", "review", FILE)
    lines = list(csv.DictReader(io.StringIO(review.out)))
    assert [(line["title"], line["description"], line["kind"]) for line in lines][0] == ("CUP", "Final!", "Sport")
    project.write("overrides/programme.csv", "key,kind\ncup,Sport\n")
    wrong = project.run(FILE)
    assert (wrong.code, "write title,description at the beginning of the first line" in wrong.err) == (2, True)


def test_the_columns_are_as_many_as_the_parts(project: Project) -> None:
    project.pipeline(PIPELINE.replace("[name, about]", "name"))
    result = project.run("check", FILE)
    assert "asks about `keys: [title, description]`, but 1 are named here" in result.err + result.out
    project.pipeline(PIPELINE.replace("programme, model", "kind, model"))
    result = project.run("check", FILE)
    assert "asks about one column, but 2 are named here" in result.err + result.out


def test_long_texts_that_differ_behind_the_limit_are_two_keys(tmp_path: Path) -> None:
    project = asking_project(tmp_path)
    long = "phim " * 40
    searches(project, long + "hay", long + "dở", long.upper() + "HAY")
    with service() as served:
        assert run(project, served).json["models"].popitem()[1]["keys"] == 2
        assert {len(key) for key in served.calls} >= {119}
        enrich(project, more="max_characters: 400")
        assert run(project, served).code == 0
        assert any(key.endswith("dở") for key in served.calls)
        calls = len(served.records)
        assert (run(project, served).code, len(served.records)) == (0, calls)
    enrich(project, more="max_characters: 5")
    assert "write a number from 20 to 4000" in project.run("check", FILE).err + project.run("check", FILE).out
