"""A project run as a whole: in the order of its graph, what changed only, and a failure that stops what depends on it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import duckdb
import pytest

from commanding import Outcome, etlrun

CORE = """pipeline: core
description: orders as they are
tags: [daily]
params: {least: {type: int, default: 0}}
sources:
  rows: {csv: {path: rows.csv, columns: {id: bigint not null, shop: string, amount: int}}}
steps:
  orders: [from: rows, filter: amount >= $least]
sinks:
  orders: {table: {from: orders, connection: warehouse, key: [id], write: replace}}
"""
MART = """pipeline: mart
owner: bi
sources:
  orders: {table: {pipeline: core, sink: orders}}
steps:
  shops:
    - from: orders
    - aggregate: {by: [shop], columns: {total: sum(amount)}}
sinks:
  shops: {table: {from: shops, connection: warehouse, key: [shop], write: replace}}
"""
OTHER = """pipeline: other
sources:
  rows: {csv: {path: other.csv, columns: {a: int}}}
sinks:
  other: {table: {from: rows, connection: warehouse, write: replace}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "etlrun.yaml").write_text(
        "profiles: {dev: {engine: {duckdb: {}}, connections: {warehouse: {duckdb: w.duckdb}}}}\n"
    )
    (tmp_path / "rows.csv").write_text("id,shop,amount\n1,A,2\n2,B,3\n")
    (tmp_path / "other.csv").write_text("a\n1\n")
    (tmp_path / "pipelines").mkdir()
    for name, text in {"a_mart": MART, "core": CORE, "other": OTHER}.items():
        (tmp_path / f"pipelines/{name}.yaml").write_text(text)
    return tmp_path


def statuses(outcome: Outcome) -> dict[str, str]:
    return {found["pipeline"]: found["status"] for found in json.loads(outcome.out)}


def run(folder: Path, *options: str) -> dict[str, str]:
    return statuses(etlrun(folder, "run", "--json", "-q", *options))


def reasons(folder: Path, *options: str) -> dict[str, str]:
    """Why each pipeline would run."""
    return {row["pipeline"]: row["why"] for row in json.loads(etlrun(folder, "plan", "--json", *options).out)}


def test_a_plan_shows_the_pipelines_that_a_run_with_the_same_choice_would_run(folder: Path) -> None:
    new = "it has not run yet"
    assert reasons(folder, "--select", "+mart", "--exclude", "core") == {"mart": new}
    assert reasons(folder, "--select", "tag:daily core+") == {"core": new, "mart": "`core` runs before it"}
    assert etlrun(folder, "plan", "core", "--select", "core").code == 2


def test_the_second_run_does_only_what_changed(folder: Path) -> None:
    assert list(run(folder).items()) == [("core", "done"), ("mart", "done"), ("other", "done")]
    assert set(run(folder).values()) == {"unchanged"}
    (folder / "rows.csv").write_text("id,shop,amount\n1,A,2\n2,B,3\n3,B,4\n")
    assert list(reasons(folder).items()) == [
        ("core", "files of `rows` changed"),
        ("mart", "`core` runs before it"),
        ("other", "nothing changed since its last run: same files, tables and specification"),
    ]
    assert run(folder) == {"core": "done", "mart": "done", "other": "unchanged"}
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT * FROM shops ORDER BY 1").fetchall() == [("A", 2), ("B", 7)]


def test_a_comment_changes_nothing_and_an_expression_does(folder: Path) -> None:
    run(folder)
    mart = folder / "pipelines/a_mart.yaml"
    mart.write_text(MART.replace("owner: bi", "owner: them   # a comment"))
    assert set(run(folder).values()) == {"unchanged"}
    mart.write_text(MART.replace("sum(amount)", "sum(amount + 1)"))
    assert run(folder) == {"core": "unchanged", "mart": "done", "other": "unchanged"}
    assert run(folder, "--set", "least=1") == {"core": "done", "mart": "done", "other": "unchanged"}
    assert set(run(folder, "--full").values()) == {"done"}


def test_a_file_beside_the_pipelines_concerns_those_that_use_it(folder: Path) -> None:
    (folder / "mappings").mkdir()
    (folder / "mappings/shops.yaml").write_text("Hanoi: [A]\nHue: [B]\n")
    named = MART.replace(
        "    - from: orders\n",
        "    - from: orders\n    - lookup: {column: shop, map: shops, as: city, unmatched: drop}\n",
    )
    (folder / "pipelines/a_mart.yaml").write_text(named)
    run(folder)
    (folder / "look.py").write_text("print(1)\n")
    (folder / "mappings/shops.yaml").write_text("Hanoi: [A]   # a comment\nHue: [B]\n")
    assert set(run(folder).values()) == {"unchanged"}
    (folder / "mappings/shops.yaml").write_text("Hanoi: [A]\nSaigon: [B]\n")
    assert reasons(folder)["mart"] == "`mappings/shops.yaml` changed"
    assert run(folder) == {"core": "unchanged", "mart": "done", "other": "unchanged"}


def test_a_pipeline_that_asks_rests_on_its_prompt_and_on_the_files_of_its_models(folder: Path) -> None:
    for name in ("mappings", "prompts", "overrides"):
        (folder / name).mkdir()
    settings = (folder / "etlrun.yaml").read_text()
    models = "models: {known: {catalogue: {titles: mappings/titles.csv}}}, connections:"
    (folder / "etlrun.yaml").write_text(settings.replace("connections:", models))
    (folder / "mappings/titles.csv").write_text("title,city\nAbcd,Hue\n")
    ask = "---\ntask: Name the city of a shop.\noutput: {city: {labels: {Hue: old, Hanoi: large}}}\n---\n"
    (folder / "prompts/cities.md").write_text(ask)
    step = "    - from: orders\n    - enrich: {key: shop, prompt: cities, model: known}\n"
    (folder / "pipelines/a_mart.yaml").write_text(MART.replace("    - from: orders\n", step))
    assert run(folder)["mart"] == "done"
    (folder / "prompts/others.md").write_text(ask)
    (folder / "overrides/others.csv").write_text("shop,city\nA,Hue\n")
    (folder / "mappings/types.yaml").write_text("Hanoi: [A]\n")
    (folder / "mappings/words.csv").write_text("word,city\nx,Hue\n")
    assert set(run(folder).values()) == {"unchanged"}
    (folder / "overrides/cities.csv").write_text("shop,city\nA,Hue\n")
    assert reasons(folder)["mart"] == "`overrides/cities.csv` is new"
    run(folder)
    for file, text in {
        "mappings/titles.csv": "title,city\nAbcde,Hue\n",
        "prompts/cities.md": f"{ask}Be short.\n",
    }.items():
        (folder / file).write_text(text)
        assert reasons(folder)["mart"] == f"`{file}` changed"
        assert run(folder) == {"core": "unchanged", "mart": "done", "other": "unchanged"}


@pytest.mark.parametrize(("before", "after", "why"), [("", "x = 1\n", "is new"), ("x = 1\n", "", "was removed")])
def test_a_file_of_python_may_come_and_go(folder: Path, before: str, after: str, why: str) -> None:
    (folder / "own.py").write_text("import pyarrow as pa\n\ndef same(table: pa.Table) -> pa.Table:\n    return table\n")
    step = (
        "    - from: orders\n    - python: {function: own:same, columns: {id: bigint, shop: string, amount: bigint}}\n"
    )
    (folder / "pipelines/a_mart.yaml").write_text(MART.replace("    - from: orders\n", step))
    more = folder / "more.py"
    for text in (before, after):
        more.write_text(text) if text else more.unlink(missing_ok=True)
        found = reasons(folder)["mart"] if text is after else run(folder)["mart"]
    assert found == f"`more.py` {why}"


def test_what_depends_on_the_time_runs_though_nothing_changed(folder: Path) -> None:
    (folder / "other.csv").write_text("a,day\n1,2022-04-01\n")
    dated = OTHER.replace("{a: int}", "{a: int, day: date}")
    (folder / "pipelines/other.yaml").write_text(
        dated + "checks:\n  rows:\n    - freshness: {column: day, max_age: 1 day, severity: warn}\n"
    )
    run(folder)
    assert run(folder) == {"core": "unchanged", "mart": "unchanged", "other": "done"}


def test_files_older_than_their_source_allows_stop_the_run(folder: Path) -> None:
    (folder / "pipelines/other.yaml").write_text(OTHER.replace("{a: int}", "{a: int}, max_age: 2 days"))
    run(folder)
    assert run(folder)["other"] == "done"
    os.utime(folder / "other.csv", (1_700_000_000, 1_700_000_000))
    stale = etlrun(folder, "run", "other")
    assert stale.code == 1
    assert "old-files: the newest file of `rows` is" in stale.err
    assert "days old (" in stale.err
    assert "other.csv, written at 2023-11-14 22:13:20 UTC), but at most 2 days are allowed" in stale.err


def test_what_somebody_removed_is_published_again(folder: Path) -> None:
    run(folder)
    (folder / "w.duckdb").unlink()
    assert set(run(folder).values()) == {"done"}


def test_a_failure_stops_what_depends_on_it_and_retry_goes_on(folder: Path) -> None:
    (folder / "rows.csv").write_text("id,shop,amount\n1,A,x\n")
    broken = etlrun(folder, "run", "--json", "--junit", "report.xml")
    assert broken.code == 1
    assert statuses(broken) == {"core": "failed", "mart": "skipped", "other": "done"}
    assert "`core` failed" in broken.err and "`etlrun retry` runs what is not done" in broken.err
    suite = ElementTree.parse(folder / "report.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    (folder / "rows.csv").write_text("id,shop,amount\n1,A,5\n")
    again = etlrun(folder, "retry", "--json", "-q")
    assert (again.code, statuses(again)) == (0, {"core": "done", "mart": "done"})
    assert etlrun(folder, "retry").err == "all pipelines of the last run of the project are done\n"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--select", "mart"], ["mart"]),
        (["--select", "+mart"], ["core", "mart"]),
        (["--select", "core+"], ["core", "mart"]),
        (["--select", "tag:daily other"], ["core", "other"]),
        (["--select", "owner:bi,m*"], ["mart"]),
        (["--exclude", "core+"], ["other"]),
    ],
)
def test_names_tags_and_owners_select(folder: Path, options: list[str], names: list[str]) -> None:
    from etlrun.cli.run_project import chosen_pipelines, project_graph

    assert options[0] in ("--select", "--exclude")
    (folder / "here").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder / "here")
        graph = project_graph("", "", ())
        chosen = options[1:] if options[0] == "--select" else []
        excluded = options[1:] if options[0] == "--exclude" else []
        assert list(chosen_pipelines(graph, chosen, excluded)) == names


def test_a_name_that_is_none_is_named(folder: Path) -> None:
    assert "there is no pipeline `cor` (did you mean `core`?)" in etlrun(folder, "run", "cor").err.replace(
        "file cor", "pipeline `cor`"
    )
    wrong = etlrun(folder, "run", "--select", "tag:dayly")
    assert wrong.code == 2 and "there is no pipeline with the tag `dayly`" in wrong.err and "`daily`" in wrong.err
    assert "no pipeline has a param `lest`" in etlrun(folder, "run", "--set", "lest=1").err


def test_a_bare_name_runs_one_pipeline(folder: Path) -> None:
    missing = etlrun(folder, "mart")
    assert missing.code == 1 and "the pipeline `core` publishes it: etlrun core" in missing.err
    assert etlrun(folder, "core").code == 0
    assert etlrun(folder, "mart").code == 0


def test_several_run_at_once(folder: Path) -> None:
    for number in range(4):
        text = OTHER.replace("other\nsources", f"other{number}\nsources").replace("  other:", f"  other{number}:")
        (folder / f"pipelines/other{number}.yaml").write_text(text)
    assert set(run(folder, "--jobs", "4").values()) == {"done"}
    assert set(run(folder, "--jobs", "4").values()) == {"unchanged"}


OWN = """pipeline: own
sources:
  rows: {csv: {path: other.csv, columns: {a: int}}}
  before: {table: {connection: warehouse, table: own, columns: {a: int}}}
steps:
  new:
    - from: rows
    - join: {with: before, on: a, how: anti}
sinks:
  own: {table: {from: new, connection: warehouse, write: append, min_rows: 0}}
"""


def test_a_pipeline_may_read_what_it_published_before(folder: Path) -> None:
    for path in (folder / "pipelines").iterdir():
        path.unlink()
    (folder / "pipelines/own.yaml").write_text(OWN)
    assert run(folder) == {"own": "done"}
    assert run(folder) == {"own": "unchanged"}
    (folder / "other.csv").write_text("a\n1\n2\n")
    assert run(folder) == {"own": "done"}
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT * FROM own ORDER BY 1").fetchall() == [(1,), (2,)]


def test_runs_shows_those_that_were_to_publish(folder: Path) -> None:
    etlrun(folder, "show", "core", "orders")
    assert etlrun(folder, "runs").out == "no runs yet\n"
    assert "dry-run" in etlrun(folder, "runs", "--all").out


MONTHS = """pipeline: months
params: {month: month}
sources:
  rows: {csv: {path: months.csv, columns: {month: string, a: int}}}
steps:
  out: [from: rows, filter: month = $month]
sinks:
  out: {table: {from: out, connection: warehouse, write: {replace_where: month = $month}}}
"""


def test_a_span_of_months_is_a_run_each_and_goes_on(folder: Path) -> None:
    (folder / "pipelines/months.yaml").write_text(MONTHS)
    (folder / "months.csv").write_text("month,a\n2021-12,1\n2022-01,2\n")
    values = ("months", "--from", "2021-12", "--to", "2022-02", "--json")
    span = ("run", *values, "-q")
    assert [found["would"] for found in json.loads(etlrun(folder, "plan", *values).out)] == ["runs"] * 3
    broken = etlrun(folder, *span)
    assert (broken.code, [found["status"] for found in json.loads(broken.out)]) == (1, ["done", "done", "failed"])
    assert "run the same command again to continue" in broken.err
    (folder / "months.csv").write_text("month,a\n2021-12,1\n2022-01,2\n2022-02,3\n")
    assert [found["why"] for found in json.loads(etlrun(folder, "plan", *values).out)] == [
        "files of `rows` changed"
    ] * 2 + ["it has not run yet"]
    assert etlrun(folder, *span).code == 0
    assert {found["would"] for found in json.loads(etlrun(folder, "plan", *values).out)} == {"unchanged"}
    again = json.loads(etlrun(folder, *span).out)
    assert [found["status"] for found in again] == ["unchanged"] * 3
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        assert connection.sql("SELECT * FROM out ORDER BY 1").fetchall() == [
            ("2021-12", 1),
            ("2022-01", 2),
            ("2022-02", 3),
        ]


SHOPS = """
pipeline: shops
params: {month: month, shop: string}
sources:
  sales: {csv: {path: sales.csv, columns: {month: string, shop: string, a: int}}}
steps:
  out:
    - from: sales
    - filter: month = $month and shop = $shop
sinks:
  out:
    table: {from: out, connection: warehouse, write: {replace_where: month = $month and shop = $shop}}
"""


def test_lists_of_values_are_a_run_for_each_choice(folder: Path) -> None:
    (folder / "pipelines/shops.yaml").write_text(SHOPS)
    (folder / "sales.csv").write_text("month,shop,a\n2021-12,A,1\n2022-01,A,2\n2021-12,B,3\n2022-01,B,4\n")
    runs = etlrun(folder, "run", "shops", "--for", "month=2021-12 .. 2022-01", "--for", "shop=B, A", "--json", "-q")
    assert [found["status"] for found in json.loads(runs.out)] == ["done"] * 4
    with duckdb.connect(str(folder / "w.duckdb"), read_only=True) as connection:
        assert sorted(connection.sql("SELECT a FROM out").fetchall()) == [(1,), (2,), (3,), (4,)]
    for listed, message in (
        (["shp=A"], "has no param `shp`; did you mean `shop`?"),
        (["shop=A", "shop=B"], "`shop` is given twice"),
        (["shop"], "`shop` is not NAME=VALUE,VALUE"),
        (["month=2022"], "`2022` is not a month"),
        (["month=2022-02 .. 2022-01"], "2022-01 is before 2022-02"),
        (["shop=A,"], "`shop=A,` has an empty value"),
        (["shop=A..C"], "only params of the type month or date have ranges, and `shop` is of the type string"),
    ):
        options = [word for text in listed for word in ("--for", text)]
        refused = etlrun(folder, "run", "shops", *options, "--set", "month=2022-01")
        assert refused.code == 2 and message in refused.err
    (folder / "pipelines/shops.yaml").write_text(
        SHOPS.replace("{replace_where: month = $month and shop = $shop}", "{replace_where: month = $month}")
    )
    shared = etlrun(folder, "run", "shops", "--for", "shop=A,B", "--set", "month=2022-01")
    assert shared.code == 2 and "each run replaces the same rows of `out`, so only those of the last shop" in shared.err
    (folder / "pipelines/shops.yaml").write_text(
        SHOPS.replace("{replace_where: month = $month and shop = $shop}", "{replace_where: shop = $shop}")
    )
    span = etlrun(folder, "run", "shops", "--from", "2021-12", "--to", "2022-01", "--set", "shop=A")
    assert span.code == 2 and "each run replaces the same rows of `out`, so only those of the last month" in span.err


def test_a_plan_of_values_names_those_whose_files_are_missing(folder: Path) -> None:
    (folder / "pipelines/months.yaml").write_text(MONTHS.replace("months.csv", "'$month.csv'"))
    (folder / "2022-01.csv").write_text("month,a\n2022-01,2\n")
    plan = etlrun(folder, "plan", "months", "--for", "month=2022-01,2022-02", "--json")
    found = {row["pipeline"]: (row["would"], row["why"]) for row in json.loads(plan.out)}
    assert (plan.code, found["months 2022-01"]) == (1, ("runs", "it has not run yet"))
    assert found["months 2022-02"][0] == "fails" and "2022-02.csv" in found["months 2022-02"][1]


def test_a_span_is_refused_where_only_its_last_part_would_stay(folder: Path) -> None:
    whole = MONTHS.replace("{replace_where: month = $month}", "replace")
    (folder / "pipelines/months.yaml").write_text(whole)
    refused = etlrun(folder, "run", "months", "--from", "2021-12", "--to", "2022-02")
    assert refused.code == 2 and "only those of the last month would remain" in refused.err
    assert "has no param" in etlrun(folder, "run", "mart", "--from", "2021-12", "--to", "2022-02").err
    (folder / "pipelines/months.yaml").write_text(MONTHS)
    assert "`2021` is not a month" in etlrun(folder, "run", "months", "--from", "2021", "--to", "2022-02").err
