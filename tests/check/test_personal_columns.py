"""Columns tagged `pii`, and what is made from them, reach no prompt unless the step allows them by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commanding import etlrun
from projects import Project

MODELS = """profiles:
  dev:
    engine: {duckdb: {}}
    connections: {warehouse: {duckdb: w.duckdb}}
    models: {titles: {catalogue: {titles: titles.csv}}}
"""
PROMPT = "---\ntask: Say what kind it is.\noutput:\n  kind: {labels: {A: one, B: another}}\n---\n"
USERS = "{path: u.csv, columns: {id: string, name: string, phone: {type: string, tags: pii}, mail: {type: string, tags: [pii]}}}"
SOURCES = (
    f"sources:\n  users: {{csv: {USERS}}}\n  shops: {{csv: {{path: s.csv, columns: {{id: string, phone: string}}}}}}\n"
)
WRITE = "connection: warehouse, write: replace"


def project(folder: Path) -> Project:
    found = Project(folder)
    found.write("etlrun.yaml", MODELS)
    found.write("prompts/kind.md", PROMPT)
    found.write("titles.csv", "title,kind\nx,A\n")
    found.write("mappings/owners.yaml", "$tags: pii\nMs An: [a]\nMr Binh: b\n")
    return found


def asking(steps: str, more: str = "") -> str:
    lines = "".join(f"    - {step}\n" for step in steps.splitlines())
    lines += f"    - enrich: {{key: asked, prompt: kind, model: titles{more}}}\n"
    sinks = "".join(f"  {name}: {{table: {{from: {name}, {WRITE}}}}}\n" for name in ("users", "shops", "r"))
    return f"{SOURCES}steps:\n  r:\n{lines}sinks:\n{sinks}"


def said(folder: Path, text: str) -> str:
    folder_ = project(folder)
    return etlrun(folder, "check", folder_.pipeline(text)).out


@pytest.mark.parametrize(
    "steps",
    [
        "from: users\nrename: {phone: asked}",
        "from: users\nderive: {asked: \"upper(concat(name, ' ', phone))\"}",
        "from: users\nderive: {asked: \"case when id = '1' then phone else name end\"}",
        "from: users\naggregate: {by: id, columns: {asked: max(phone)}}",
        'from: users\naggregate: {by: id, columns: {asked: "max(lower(phone))"}}',
        "from: users\nwindow: {per: name, order: [id, phone, mail, name], columns: {asked: lag(phone)}}",
        "from: users\nsql: 'select max(phone) as asked from users group by id'",
        "from: shops\nsql: 'select (select max(u.phone) from users u) as asked from shops'",
        "from: shops\njoin: {with: users, on: id, how: left, columns: [phone], prefix: u_}\nrename: {u_phone: asked}",
        "from: {relations: [shops, users], missing: null}\nrename: {phone: asked}",
    ],
)
def test_what_is_made_from_a_tagged_column_is_refused_where_it_is_asked(tmp_path: Path, steps: str) -> None:
    out = said(tmp_path, asking(steps))
    assert (
        "pii-in-prompt: `asked` is made from `users.phone`, which is tagged `pii`, and this step sends it to a model"
        in out
    )
    fixed = re.search(r"`(allow_pii: \[.*\])`", out)
    assert fixed
    assert said(tmp_path, asking(steps, f", {fixed[1]}")) == ""


NESTED = """sources:
  users:
    json:
      path: u.json
      key: [id, day]
      columns:
        id: string
        name: string
        day: date
        payload: {type: string, tags: pii}
        who: {type: "struct<mail string, city string>", tags: pii}
        attrs: {type: "map<string, string>", tags: pii}
        items: {type: "array<struct<sku string, qty int>>", tags: pii}
  shops: {csv: {path: s.csv, columns: {id: string}}}
"""


@pytest.mark.parametrize(
    ("column", "steps"),
    [
        ("payload", "from: users\nparse: {column: payload, as: {asked: {path: user.mail, type: string}}, bad_rows: drop}"),
        ("payload", "from: users\nparse: {column: payload, as: {z: int}, bad_rows: keep, reason: asked}"),
        ("payload", 'from: users\nparse: {column: payload, as: {w: "struct<m string>"}, bad_rows: fail}\nderive: {asked: w.m}'),
        ("who", "from: users\nderive: {asked: \"coalesce(name, who.mail)\"}"),
        ("attrs", "from: users\nderive: {asked: \"attrs['x']\"}"),
        ("attrs", "from: users\nderive: {e: map_entries(attrs)}\nexplode: {column: e, as: y, empty: drop}\nderive: {asked: y.key}"),
        ("items", "from: users\nexplode: {column: items, as: i, empty: keep}\nderive: {asked: i.sku}"),
        ("who", "from: users\naggregate: {by: id, columns: {l: sort_array(collect_list(who.mail))}}\nderive: {asked: \"l[0]\"}"),
        ("who", "from: shops\nsql: select (select max(y.m) from (select who.mail as m from users) y) as asked from shops"),
        ("who", "from: users\nsql: with t as (select who from users) select t.who.mail as asked from t"),
        ("who", "from: users\nderive: {m: who.mail}\nhistory: {by: [id], at: day, track: [m]}\nrename: {m: asked}"),
    ],
)  # fmt: skip
def test_the_tag_of_a_nested_column_goes_with_its_parts(tmp_path: Path, column: str, steps: str) -> None:
    text = asking(steps, f", allow_pii: [users.{column}]").replace(SOURCES, NESTED)
    text = text.partition("sinks:")[0] + f"    - select: [asked, kind]\nsinks: {{r: {{table: {{from: r, {WRITE}}}}}}}\n"
    assert "mistake" not in said(tmp_path, text)
    out = said(tmp_path, text.replace(f", allow_pii: [users.{column}]", ""))
    assert f"pii-in-prompt: `asked` is made from `users.{column}`, which is tagged `pii`" in out


@pytest.mark.parametrize(
    "steps",
    [
        "from: users\nrename: {name: asked}",
        "from: shops\nrename: {phone: asked}",
        "from: users\nfilter: phone like '09%'\nrename: {name: asked}",
        "from: users\nderive: {asked: \"case when phone is null then 'none' else name end\"}",
        "from: users\naggregate: {by: phone, columns: {asked: max(name)}}",
        "from: users\nderive: {other: phone}\nrename: {name: asked}",
    ],
)
def test_what_a_tagged_column_only_decides_about_may_be_asked(tmp_path: Path, steps: str) -> None:
    assert said(tmp_path, asking(steps)) == ""


def test_the_mistake_names_every_column_at_its_place(tmp_path: Path) -> None:
    steps = 'from: users\nderive: {asked: "concat(phone, mail, name)"}'
    lines = said(tmp_path, asking(steps, ", allow_pii: users.mail")).splitlines()
    assert lines[0].startswith(
        "pipelines/p.yaml:9:21: pii-in-prompt: `asked` is made from `users.phone`, which is tagged"
    )
    assert lines[-1].endswith("or allow it in this step: `allow_pii: [users.mail, users.phone]`")


def test_only_what_reaches_the_prompt_can_be_allowed(tmp_path: Path) -> None:
    steps = "from: users\nrename: {phone: asked}"
    out = said(tmp_path, asking(steps, ", allow_pii: [users.phone, users.phon, users.mail]"))
    assert "this prompt uses no column `users.phon` with the tag `pii`" in out
    assert "did you mean `users.phone`?" in out
    assert "no column `users.mail`" in out


def test_the_list_to_copy_leaves_out_what_is_misspelled(tmp_path: Path) -> None:
    steps = "from: users\nrename: {phone: asked}"
    assert "this step: `allow_pii: [users.phone]`" in said(tmp_path, asking(steps, ", allow_pii: [users.phon]"))


def test_labels_of_a_tagged_mapping_are_refused(tmp_path: Path) -> None:
    out = said(tmp_path, asking("from: shops\nlookup: {column: id, map: owners, as: asked, unmatched: drop}"))
    assert "`asked` is made from `mappings/owners.yaml`, which is tagged `pii`" in out
    steps = "from: shops\nlookup: {column: id, map: owners, as: owner, unmatched: drop}\nderive: {asked: \"if(owner is null, 'x', phone)\"}"
    assert said(tmp_path, asking(steps)) == ""


def test_a_mapping_has_no_other_tag(tmp_path: Path) -> None:
    project(tmp_path).write("mappings/owners.yaml", "$tags: pi\nMs An: [a]\n")
    steps = f"{SOURCES}steps: {{r: [{{from: shops}}, {{lookup: {{column: id, map: owners, as: owner, unmatched: drop}}}}]}}\n"
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yaml").write_text(f"pipeline: p\n{steps}")
    out = etlrun(tmp_path, "check").out
    assert "mappings/owners.yaml:1:8: wrong-value: `pii` is the only tag" in out


def test_a_shared_source_may_tag(tmp_path: Path) -> None:
    shared = project(tmp_path)
    shared.write("sources/people.yaml", f"users: {{csv: {USERS}}}\n")
    text = asking("from: users\nrename: {phone: asked}").replace(f"{{csv: {USERS}}}", "{use: people.users}")
    assert "`asked` is made from `users.phone`" in etlrun(tmp_path, "check", shared.pipeline(text)).out


@pytest.mark.parametrize(
    "how",
    [
        "{pipeline: core}",
        "{connection: warehouse, table: PEOPLE, columns: {number: string}}",
        "{connection: warehouse, table: main.people, columns: {number: string}}",
    ],
)
def test_tags_go_with_the_tables_of_other_pipelines(tmp_path: Path, how: str) -> None:
    many = project(tmp_path)
    published = "sinks:\n  %s: {table: {from: r, connection: warehouse, write: replace}}\n"
    steps = "steps:\n  r:\n    - from: users\n    - rename: {phone: number}\n"
    many.pipeline(f"{SOURCES}{steps}{published % 'people'}", "core")
    middle = "sources: {people: {table: %s}}\nsteps: {r: [{from: people}, {select: {digits: lower(number)}}]}\n"
    many.pipeline(middle % how + published % "ends", "middle")
    last = "sources: {ends: {table: {connection: warehouse, table: ends, columns: {digits: string}}}}\nsteps:\n  r:\n"
    last += "    - from: ends\n    - enrich: {key: digits, prompt: kind, model: titles}\n"
    path = many.pipeline(last + published % "labels", "last")
    out = etlrun(tmp_path, "check", path).out
    assert "`digits` is made from `ends.digits`, which is tagged `pii`" in out


@pytest.mark.parametrize(("sink", "write"), [("table", ", write: replace"), ("view", "")], ids=["table", "view"])
def test_tags_of_dates_and_doubles_go_with_tables_and_views(tmp_path: Path, sink: str, write: str) -> None:
    many = project(tmp_path)
    columns = "{born: {type: date, tags: pii}, pay: {type: double, tags: pii}, id: bigint}"
    first = f"sources: {{users: {{csv: {{path: u.csv, columns: {columns}}}}}}}\n"
    many.pipeline(f"{first}sinks: {{people: {{table: {{from: users, {WRITE}}}}}}}\n", "first")
    second = "sources: {people: {table: {pipeline: first}}}\nsteps: {seen: [{from: people}, {rename: {born: day, pay: wage}}]}\n"
    many.pipeline(f"{second}sinks: {{seen: {{{sink}: {{from: seen, connection: warehouse{write}}}}}}}\n", "second")
    days = "cast(datediff(cast('2026-01-01' as date), day) as string)"
    asked = f"concat({days}, cast(cast(wage as decimal(10, 2)) as string), cast(id as string))"
    third = f'sources: {{seen: {{table: {{pipeline: second}}}}}}\nsteps:\n  r:\n    - from: seen\n    - derive: {{asked: "{asked}"}}\n'
    third += (
        f"    - enrich: {{key: asked, prompt: kind, model: titles}}\nsinks: {{r: {{table: {{from: r, {WRITE}}}}}}}\n"
    )
    out = etlrun(tmp_path, "check", many.pipeline(third, "third")).out
    assert "`asked` is made from `seen.day` and `seen.wage`, which are tagged `pii`" in out
    assert "`allow_pii: [seen.day, seen.wage]`" in out


def test_a_table_is_not_asked_about_while_nobody_knows_its_tags(tmp_path: Path) -> None:
    many = project(tmp_path)
    many.pipeline(f"{SOURCES}steps: {{r: [{{from: users}}, {{rename: {{fone: number}}}}]}}\n", "core")
    text = "sources: {ends: {table: {connection: warehouse, table: ends, columns: {digits: string}}}}\nsteps:\n  r:\n"
    text += "    - from: ends\n    - enrich: {key: digits, prompt: kind, model: titles}\n"
    text += "sinks:\n  labels: {table: {from: r, connection: warehouse, write: replace}}\n"
    out = etlrun(tmp_path, "check", many.pipeline(text, "last")).out
    assert "it is not known whether that has the tag `pii`, because pipelines/core.yaml has mistakes" in out
    tagged = text.replace("{digits: string}", "{digits: {type: string, tags: pii}}")
    out = etlrun(tmp_path, "check", many.pipeline(tagged, "last")).out
    assert (out.count("pii-in-prompt"), "`ends.digits`, which is tagged `pii`" in out) == (1, True), out


def test_a_table_that_a_pipeline_reads_from_itself_keeps_its_tags(tmp_path: Path) -> None:
    columns = "{connection: warehouse, table: r, columns: {first: string, second: string, third: string}}"
    text = f"{SOURCES}  old: {{table: {columns}}}\nsteps:\n"
    text += "  new:\n    - from: users\n    - select: {first: phone, second: name, third: name}\n"
    text += "  kept:\n    - from: old\n    - select: {first: first, second: first, third: second}\n"
    text += "  r:\n    - from: [new, kept]\n"
    text += "  asked:\n    - from: old\n    - enrich: {key: third, prompt: kind, model: titles}\n"
    text += "sinks:\n  r: {table: {from: r, connection: warehouse, write: replace}}\n"
    assert "`third` is made from `old.third`, which is tagged `pii`" in said(tmp_path, text)


def test_nothing_is_compiled_where_nothing_may_be_asked(tmp_path: Path) -> None:
    text = asking("from: users\nrename: {phone: asked}")
    outcome = etlrun(tmp_path, "run", project(tmp_path).pipeline(text))
    assert outcome.code == 2
    assert "pii-in-prompt" in outcome.err


PIVOT = """steps:
  known:
    - from: users
    - derive: {who: "upper(phone)", first: "substring(name, 1, 1)"}
  r:
    - from: known
    - aggregate: {by: [id], pivot: {column: COLUMN, labels: LABELS, value: count(*), name: "n_{label}"}}
sinks:
  r: {table: {from: r, connection: warehouse, write: replace}}
  shops: {table: {from: shops, connection: warehouse, write: replace}}
"""


def pivoted(folder: Path, column: str, labels: str) -> str:
    return said(folder, SOURCES + PIVOT.replace("COLUMN", column).replace("LABELS", labels))


@pytest.mark.parametrize("column", ["users.phone", "known.who"])
def test_labels_are_not_taken_from_a_tagged_column(tmp_path: Path, column: str) -> None:
    shown = pivoted(tmp_path, "who", f"{{from: {column}}}")
    message = "pii-in-names: the labels would be names of columns, but `users.phone` is tagged `pii`"
    assert message in shown
    assert "= pivot by a column that is not made from it, or list the labels: `labels: [A, B]`" in shown


@pytest.mark.parametrize(("column", "labels"), [("first", "{from: known.first}"), ("who", "[A, B]")])
def test_labels_are_listed_or_taken_from_another_column(tmp_path: Path, column: str, labels: str) -> None:
    text = SOURCES + PIVOT.replace("COLUMN", column).replace("LABELS", labels)
    done = etlrun(tmp_path, "check", project(tmp_path).pipeline(text))
    assert (done.code, done.out) == (0, "")
