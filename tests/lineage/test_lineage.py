"""Lineage: what a column is made of, what only decides about it, and that the two are never mixed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commanding import etlrun
from etlrun.compiler.plan import make_plan
from etlrun.compiler.producers import check_file
from etlrun.compiler.relation_lineage import plan_lineage
from etlrun.language.influence import Lineage, OriginColumn
from etlrun.lineage.mermaid import mermaid
from etlrun.lineage.personal_origins import Personal
from golden import compare_with_file
from projects import Project

HERE = Path(__file__).parent
SHIPPED = HERE.parent.parent

SOURCES = """sources:
  a: {csv: {path: a.csv, columns: {k: string, v: int, w: int}}}
  b: {csv: {path: b.csv, columns: {k: string, x: int}}}
"""


def lineage_of(folder: Path, query: str) -> tuple[dict[str, str], str]:
    """The columns of a query over `a` and `b`, each as `made of | decided by`, and what decides about its rows."""
    path = Project(folder).pipeline(f"{SOURCES}steps:\n  r:\n    - sql: {json.dumps(query)}\n")
    found = plan_lineage(make_plan(check_file(folder / path)), {})["r"]
    return {name: described(lineage) for name, lineage in found.columns.items()}, described(found.rows)


def described(lineage: Lineage) -> str:
    direct = ", ".join(f"{origin} {kind}" for origin, kind in sorted(lineage.direct.items()))
    indirect = ", ".join(f"{origin} {'+'.join(kinds)}" for origin, kinds in lineage.deciding().items())
    return f"{direct} | {indirect}".strip()


@pytest.mark.parametrize("name", ["interaction", "behavior"])
def test_the_lineage_of_the_shipped_pipelines(name: str) -> None:
    outcome = etlrun(SHIPPED, "lineage", name)
    assert (outcome.code, outcome.err) == (0, "")
    compare_with_file(HERE / f"{name}.txt", outcome.out)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("v", "a.v identity |"),
        ("v + w", "a.v transformation, a.w transformation |"),
        ("cast(v as string)", "a.v transformation |"),
        ("case when v > 1 then w end", "a.w transformation | a.v conditional"),
        ("case v when 1 then 'x' else k end", "a.k transformation | a.v conditional"),
        ("if(v > 1, w, 0)", "a.w transformation | a.v conditional"),
        ("nullif(v, w)", "a.v transformation | a.w conditional"),
        ("nvl2(v, w, 0)", "a.w transformation | a.v conditional"),
        ("coalesce(v, w)", "a.v transformation, a.w transformation |"),
        ("v > w", "a.v transformation, a.w transformation |"),
        ("sum(v) over (partition by k order by w, v)", "a.v aggregation | a.k window, a.v window, a.w window"),
        ("(select max(x) from b)", "b.x aggregation |"),
        ("(select max(x) from b where b.k = a.k)", "b.x aggregation | a.k filter, b.k filter"),
        ("1", "|"),
    ],
)
def test_how_an_expression_passes_influence_on(expression: str, expected: str, tmp_path: Path) -> None:
    columns, _ = lineage_of(tmp_path, f"select {expression} as r from a")
    assert columns == {"r": expected}


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("count(*)", "|"),
        ("count(distinct v)", "a.v aggregation |"),
        ("count_if(v > 1)", "| a.v conditional"),
        ("max_by(v, w)", "a.v aggregation | a.w conditional"),
        ("sum(v) filter (where w > 1)", "a.v aggregation | a.w conditional"),
        ("sum(case when w > 1 then v end)", "a.v aggregation | a.w conditional"),
    ],
)
def test_how_an_aggregate_passes_influence_on(expression: str, expected: str, tmp_path: Path) -> None:
    columns, rows = lineage_of(tmp_path, f"select k, {expression} as r from a group by k")
    assert (columns["r"], rows) == (expected, "| a.k group by")


@pytest.mark.parametrize(
    ("query", "columns", "rows"),
    [
        ("select k from a where v > 1", {"k": "a.k identity |"}, "| a.v filter"),
        ("select k from a where k in (select k from b where x > 1)", {"k": "a.k identity |"}, "| a.k filter, b.k filter, b.x filter"),
        ("select k from a where exists (select 1 from b where b.k = a.k)", {"k": "a.k identity |"}, "| a.k filter, b.k filter"),
        ("select k, max(v) as m from a group by k having sum(w) > 1", {"k": "a.k identity |", "m": "a.v aggregation |"}, "| a.k group by, a.w filter"),
        ("select distinct k from a", {"k": "a.k identity |"}, "| a.k group by"),
        ("select a.v, b.x from a left join b on a.k = b.k", {"v": "a.v identity |", "x": "b.x identity |"}, "| a.k join, b.k join"),
        ("select k, v, x from a join b using (k)", {"k": "a.k identity, b.k identity |", "v": "a.v identity |", "x": "b.x identity |"}, "| a.k join, b.k join"),
        ("select a.v from a semi join b on a.k = b.k", {"v": "a.v identity |"}, "| a.k join, b.k join"),
        ("select k from a union all select k from b", {"k": "a.k identity, b.k identity |"}, "|"),
        ("select k from a except select k from b", {"k": "a.k identity |"}, "| a.k filter, b.k filter"),
        ("with t (p, q) as (select k, v + 1 from a where w > 0) select q from t as u", {"q": "a.v transformation |"}, "| a.w filter"),
        ("select q from (select case when w > 1 then v end as q from a) as t", {"q": "a.v transformation | a.w conditional"}, "|"),
        ("select k, v, w from a order by w, v, k limit 3", {"k": "a.k identity |", "v": "a.v identity |", "w": "a.w identity |"}, "| a.k sort, a.v sort, a.w sort"),
    ],
)  # fmt: skip
def test_what_the_parts_of_a_query_decide(query: str, columns: dict[str, str], rows: str, tmp_path: Path) -> None:
    assert lineage_of(tmp_path, query) == (columns, rows)


def test_what_only_decides_never_becomes_a_part_of_what_is_made_from_it(tmp_path: Path) -> None:
    inner = "select k, case when w > 1 then v end as c from a"
    columns, _ = lineage_of(tmp_path, f"select k, sum(c + 1) as s from ({inner}) as t group by k")
    assert columns["s"] == "a.v aggregation | a.w conditional"


def test_a_trail_goes_on_through_the_table_of_another_pipeline(tmp_path: Path) -> None:
    project = Project(tmp_path)
    sink = "sinks:\n  {0}: {{table: {{from: {0}, connection: warehouse, write: replace}}}}\n"
    project.pipeline(
        f"{SOURCES}steps:\n  core: [from: a, filter: w > 0, derive: {{twice: v * 2}}]\n{sink.format('core')}", "core"
    )
    project.pipeline(
        "sources: {core: {table: {pipeline: core, sink: core}}}\n"
        "steps:\n  mart:\n    - from: core\n    - aggregate: {by: [k], columns: {total: sum(twice)}}\n"
        + sink.format("mart"),
        "mart",
    )
    outcome = etlrun(tmp_path, "lineage", "mart", "--json")
    (found,) = json.loads(outcome.out)
    assert found["columns"]["total"] == {
        "direct": [{"pipeline": "core", "relation": "a", "column": "v", "kind": "aggregation"}],
        "indirect": [],
        "files": [],
        "pii": [],
    }
    assert {item["column"]: item["kinds"] for item in found["rows"]["indirect"]} == {"k": ["group by"], "w": ["filter"]}
    reached = json.loads(etlrun(tmp_path, "lineage", "core.a.v", "--json").out)[0]["reaches"]
    assert [(one["pipeline"], one["column"], one["influence"]) for one in reached[0]["reaches"]] == [
        ("core", "v", "direct"),
        ("core", "twice", "direct"),
        ("mart", "total", "direct"),
    ]
    assert "core.a.v (aggregation)" in etlrun(tmp_path, "lineage", "mart.mart.total").out


def test_a_label_that_a_condition_takes_from_a_mapping_names_its_file(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("mappings/kinds.yaml", "one: [a]\ntwo: [b]\n")
    path = project.pipeline(
        f"{SOURCES}steps:\n  r:\n    - from: a\n    - lookup: {{column: k, map: kinds, as: kind, unmatched: drop}}\n"
        "    - aggregate: {pivot: {column: kind, labels: kinds, value: sum(v)}, columns: {all_of_it: sum(v)}}\n"
    )
    found = plan_lineage(make_plan(check_file(tmp_path / path)), {})["r"]
    assert {name: set(lineage.files) for name, lineage in found.columns.items()} == {
        "one": {"mappings/kinds.yaml"},
        "two": {"mappings/kinds.yaml"},
        "all_of_it": set(),
    }
    assert found.rows.files == {"mappings/kinds.yaml"}


def test_a_python_step_may_make_every_column_of_every_one(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("clean.py", "def keep(table):\n    return table\n")
    path = project.pipeline(
        f"{SOURCES}steps:\n  r:\n    - from: b\n    - python: {{function: 'clean:keep', columns: {{y: int}}}}\n"
    )
    found = plan_lineage(make_plan(check_file(tmp_path / path)), {})["r"]
    assert described(found.columns["y"]) == "b.k python, b.x python |"
    assert (described(found.rows), found.rows.files) == ("| b.k filter, b.x filter", {"clean.py"})


def test_no_name_is_read_as_a_part_of_a_diagram() -> None:
    hostile = 'a"]; click c0 "javascript:x" <script>'
    drawn = mermaid(
        {OriginColumn("p", "t", hostile): Lineage({OriginColumn("p", "s", hostile): "identity"})}, Personal()
    )
    assert drawn.count('"') == 8  # two groups and two columns, each in its own quotes
    assert "<" not in drawn
    assert "click c0 #34;" in drawn


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("nothing", "there is no pipeline `nothing`"),
        ("p.rr", "`p` has no relation or sink `rr` (did you mean `r`?)"),
        ("p.r.kk", "`r` has no column `kk` (did you mean `k`?)"),
    ],
)
def test_a_name_that_nothing_has_is_named(asked: str, said: str, tmp_path: Path) -> None:
    Project(tmp_path).pipeline(f"{SOURCES}steps:\n  r: [from: a, filter: v > 1]\n")
    outcome = etlrun(tmp_path, "lineage", asked)
    assert outcome.code == 2
    assert said in outcome.err


def test_the_readme_shows_the_graph_that_its_command_prints() -> None:
    readme = (SHIPPED / "README.md").read_text(encoding="utf-8")
    command, graph = (
        readme.split("`etlrun lineage ")[1].split("`", 1)[0],
        readme.split("```mermaid\n")[1].split("```")[0],
    )
    assert etlrun(SHIPPED, "lineage", *command.split()).out == graph


def test_what_is_made_of_a_tagged_column_is_marked_in_every_form(tmp_path: Path) -> None:
    project = Project(tmp_path)
    columns = "{k: string, phone: {type: string, tags: pii}, v: int}"
    project.write("mappings/owners.yaml", "$tags: pii\nMs An: [a]\n")
    steps = "[{from: a}, {derive: {short: 'left(phone, 3)', known: phone is not null}}, {lookup: {column: k, map: owners, as: owner, unmatched: drop}}]"
    sink = "sinks: {%s: {table: {from: %s, connection: warehouse, write: replace}}}\n"
    project.pipeline(
        f"sources: {{a: {{csv: {{path: a.csv, columns: {columns}}}}}}}\nsteps: {{r: {steps}}}\n{sink % ('r', 'r')}",
        "core",
    )
    project.pipeline(f"sources: {{r: {{table: {{pipeline: core}}}}}}\n{sink % ('last', 'r')}", "mart")
    (found,) = json.loads(etlrun(tmp_path, "lineage", "mart", "--json").out)
    tagged = {name: column["pii"] for name, column in found["columns"].items() if column["pii"]}
    phone, owner = ["core.a.phone"], ["mappings/owners.yaml"]
    assert tagged == {"phone": phone, "short": phone, "known": phone, "owner": owner}
    text = etlrun(tmp_path, "lineage", "mart").out
    assert [line.split()[0] for line in text.splitlines() if "(pii)" in line] == list(tagged)
    assert "phone (pii)" in etlrun(tmp_path, "lineage", "core.a").out
    drawn = etlrun(tmp_path, "lineage", "mart", "--format", "mermaid").out
    assert '"phone - pii"' in drawn and '"k"' in drawn and '"owner - pii"' in drawn
