"""The command line as scripts and people depend on it."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from projects import Project

SALES = """pipeline: sales
description: units by shop
params:
  least: {type: int, default: 1}
sources:
  sales:
    csv: {path: sales.csv, columns: {shop: string not null, units: int}}
steps:
  big:
    - from: sales
    - filter: units >= $least
  totals:
    - from: big
    - aggregate: {by: [shop], columns: {units: sum(units)}}
checks:
  totals:
    - unique: shop
sinks:
  totals:
    table: {from: totals, connection: warehouse, key: shop, write: replace}
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    project.write("sales.csv", "shop,units\nA,1\nA,2\nB,3\nHuế,0\n")
    project.write("pipelines/sales.yaml", SALES)
    return project


def test_a_file_alone_means_run(project: Project) -> None:
    result = project.run("pipelines/sales.yaml")
    assert result.code == 0
    assert result.out == ""
    assert "published totals: 2 rows to warehouse.totals (replace)" in result.err
    assert project.table("totals") == [("A", 3), ("B", 3)]


def test_one_row_is_not_rows(project: Project) -> None:
    project.write("sales.csv", "shop,units\nA,1\n")
    said = project.run("sales").err
    assert "1 row from 1 file" in said and "published totals: 1 row to" in said and "no two of 1 row have" in said
    assert "1 of 1 row\n" in project.run("show", "sales", "big").err


def test_a_folder_with_the_name_of_a_pipeline_does_not_hide_it(project: Project) -> None:
    project.write("sales/notes.txt", "")
    for command in (("sales",), ("run", "sales"), ("show", "sales", "big"), ("compile", "sales"), ("lineage", "sales")):
        assert project.run(*command).code == 0, command
    assert "1 pipeline: no mistakes" in project.run("check", "pipelines/sales.yaml").err
    (project.folder / "sales/notes.txt").unlink()
    (project.folder / "sales").rmdir()
    assert "1 pipeline: no mistakes" in project.run("check", "sales").err


def test_json_is_one_object_of_the_promised_shape(project: Project) -> None:
    found = project.run("run", "pipelines/sales.yaml", "--json").json
    assert found["pipeline"] == "sales"
    assert (found["status"], found["engine"]) == ("done", "duckdb")
    assert isinstance(found["run_id"], str)
    assert isinstance(found["seconds"], float)
    assert found["sources"] == {"sales": {"rows": 4, "bad_rows": 0, "files": 1}}
    assert found["relations"] == {"totals": {"rows": 2}}
    assert found["checks"] == [
        {"relation": "totals", "check": "unique", "status": "ok", "detail": "no two of 2 rows have the same `shop`"}
    ]
    assert {**found["sinks"]["totals"], "checksum": ""} == {
        "connection": "warehouse",
        "table": "totals",
        "write": "replace",
        "rows": 2,
        "checksum": "",
    }
    assert found["models"] == {}


def test_several_pipelines_give_an_array(project: Project) -> None:
    project.write(
        "pipelines/other.yaml",
        SALES.replace("pipeline: sales", "pipeline: other").replace("key: shop", "key: shop, table: other"),
    )
    found = project.run("pipelines/sales.yaml", "pipelines/other.yaml", "--json").json
    assert [record["pipeline"] for record in found] == ["sales", "other"]


def test_every_pipeline_is_checked_before_the_first_one_runs(project: Project) -> None:
    project.write("pipelines/other.yaml", SALES.replace("from: big", "from: bgi"))
    result = project.run("pipelines/sales.yaml", "pipelines/other.yaml")
    assert result.code == 2
    assert "did you mean `big`?" in result.err
    assert not (project.folder / "warehouse.duckdb").exists()


def test_set_gives_a_param_its_value(project: Project) -> None:
    assert project.run("pipelines/sales.yaml", "--set", "least=3").code == 0
    assert project.table("totals") == [("B", 3)]


def test_set_of_an_unknown_param_names_the_nearest(project: Project) -> None:
    result = project.run("pipelines/sales.yaml", "--set", "lest=3")
    assert result.code == 2
    assert "did you mean `least`?" in result.err


def test_set_of_a_wrong_value_says_what_is_wanted(project: Project) -> None:
    result = project.run("pipelines/sales.yaml", "--set", "least=many")
    assert result.code == 2
    assert "`many` is not a int" in result.err or "`many` is not an int" in result.err


def test_a_param_without_a_value_is_asked_for(project: Project) -> None:
    project.write("pipelines/sales.yaml", SALES.replace("{type: int, default: 1}", "{type: int}"))
    assert project.run("check").code == 0
    result = project.run("pipelines/sales.yaml")
    assert result.code == 2
    assert "sales.yaml:4:3: missing-param: the param `least` has no value" in result.err
    assert "--set least=VALUE" in result.err
    assert project.run("pipelines/sales.yaml", "--set", "least=1").code == 0


def test_the_environment_chooses_profile_and_engine(project: Project) -> None:
    assert project.run("plan", "pipelines/sales.yaml", "--json", ETLRUN_PROFILE="local").json["engine"] == "spark"
    assert (
        project.run("plan", "pipelines/sales.yaml", "--json", ETLRUN_PROFILE="local", ETLRUN_ENGINE="duckdb").json[
            "engine"
        ]
        == "duckdb"
    )
    assert (
        project.run("plan", "pipelines/sales.yaml", "--profile", "fast", "--json", ETLRUN_PROFILE="local").json[
            "engine"
        ]
        == "duckdb"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("rnu",), "did you mean `run`?"),
        (("run", "pipelines/sale.yaml"), "did you mean `pipelines/sales.yaml`?"),
        (("pipelines/sales.yaml", "--profile", "lcoal"), "did you mean `local`?"),
        (("pipelines/sales.yaml", "--engine", "spork"), "spork"),
        (("show", "pipelines/sales.yaml", "totls"), "did you mean `totals`?"),
        (("show", "pipelines/sales.yaml", "totals", "--where", "unit > 1"), "did you mean `units`?"),
        (("compile", "pipelines/sales.yaml", "nothing"), "there is no relation `nothing`"),
        (("check", "nowhere"), "there is no file or folder `nowhere`"),
        (("run", "--select", "sale"), "did you mean `sales`?"),
    ],
)
def test_wrong_usage_exits_with_2_and_a_hint(project: Project, arguments: tuple[str, ...], words: str) -> None:
    result = project.run(*arguments)
    assert result.code == 2
    assert words in result.err + result.out
    assert "Traceback" not in result.err


def test_of_several_checks_of_a_kind_the_one_that_does_not_hold_needs_no_number(project: Project) -> None:
    two = "    - unique: shop\n    - range: {units: {min: 0}}\n    - range: {units: {max: 2}}"
    project.write("pipelines/sales.yaml", SALES.replace("    - unique: shop", two))
    assert "--failing range.2" in project.run("pipelines/sales.yaml").err
    by_kind, by_name = (project.run("show", "sales", "totals", "--failing", name) for name in ("range", "range.2"))
    assert (by_kind.out, by_name.out) == (by_name.out, "shop  units\n----  -----\nA         3\nB         3\n")
    project.write("pipelines/sales.yaml", SALES.replace("    - unique: shop", two.replace("min: 0", "min: 9")))
    project.run("pipelines/sales.yaml")
    assert "--failing `range.1` (" in project.run("show", "sales", "totals", "--failing", "range").err


def test_check_is_silent_about_what_is_right(project: Project) -> None:
    result = project.run("check")
    assert (result.code, result.out, result.err) == (0, "", "1 pipeline: no mistakes\n")


def test_show_looks_into_a_chain_that_another_reads_whole(project: Project) -> None:
    longer = "  more:\n    - from: totals\n    - filter: units > 0\n    - select: [units]\nchecks:"
    project.write("pipelines/sales.yaml", SALES.replace("checks:", longer, 1))
    result = project.run("show", "pipelines/sales.yaml", "totals.1", "-n", "1")
    assert (result.code, result.out) == (0, "shop  units\n----  -----\nA         1\n"), result.err


def test_a_profile_is_asked_for_where_nothing_declares_one(project: Project) -> None:
    (project.folder / "etlrun.yaml").unlink()
    result = project.run("plan", "pipelines/sales.yaml", "--profile", "prod")
    assert result.code == 2
    assert "unknown-profile: there is no profile `prod`" in result.err and "= etlrun.yaml declares none" in result.err


def test_show_gives_the_rows_that_a_check_did_not_hold_for(project: Project) -> None:
    wrong = SALES.replace(
        "    - unique: shop", "    - unique: shop\n    - range: {units: {max: 2}}\n    - row_count: {max: 9}"
    )
    project.write("pipelines/sales.yaml", wrong)
    refused = project.run("pipelines/sales.yaml")
    assert (refused.code, "`etlrun show sales totals --failing range`" in refused.err) == (3, True)
    shown = project.run("show", "sales", "totals", "--failing", "range", "--json")
    assert [json.loads(line) for line in shown.out.splitlines()] == [
        {"shop": "A", "units": 3},
        {"shop": "B", "units": 3},
    ]
    assert (
        project.run("show", "sales", "totals", "--failing", "range", "--where", "shop = 'B'", "--json").json["shop"]
        == "B"
    )
    assert "passed in the run" in project.run("show", "sales", "totals", "--failing", "row_count").err
    unknown = project.run("show", "sales", "totals", "--failing", "x").err
    assert "choose one: --failing `unique` (" in unknown and "`range` (2 of" in unknown
    project.write(
        "pipelines/sales.yaml",
        wrong.replace("{units: sum(units)}", "{all: sum(units)}").replace("range: {units", "range: {all"),
    )
    assert "has changed since the run" in project.run("show", "sales", "totals", "--failing", "range").err


def test_show_gives_rows_at_any_point(project: Project) -> None:
    assert (
        project.run("show", "pipelines/sales.yaml", "sales").out
        == "shop  units\n----  -----\nA         1\nA         2\nB         3\nHuế       0\n"
    )
    assert (
        project.run("show", "pipelines/sales.yaml", "totals.1", "-n", "1").out
        == "shop  units\n----  -----\nA         1\n"
    )
    found = project.run("show", "pipelines/sales.yaml", "big", "--where", "shop = 'B'", "--json")
    assert json.loads(found.out) == {"shop": "B", "units": 3}
    assert not (project.folder / "warehouse.duckdb").exists()


def test_compile_prints_sql_that_runs(project: Project) -> None:
    result = project.run("compile", "pipelines/sales.yaml", "--dialect", "duckdb")
    assert result.code == 0
    _, big, totals = result.out.split("-- ")[1:]
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE sales AS SELECT * FROM (VALUES ('A', 1), ('A', 2), ('B', 0)) AS t(shop, units)"
        )
        connection.execute(f"CREATE VIEW big AS {big.partition(chr(10))[2]}")
        assert connection.execute(totals.partition("\n")[2]).fetchall() == [("A", 3)]
    assert "`units` >= 1" in project.run("compile", "pipelines/sales.yaml", "big").out


def test_plan_says_what_would_happen_and_does_none_of_it(project: Project) -> None:
    result = project.run("plan", "pipelines/sales.yaml")
    assert result.code == 0
    assert "sales: 1 csv file, 0.0 MB" in result.out
    assert "totals: from > aggregate" in result.out
    assert "totals: creates the table totals of warehouse (shop string, units bigint)" in result.out
    project.run("pipelines/sales.yaml", "-q")
    assert (
        "totals: replaces the rows of the table totals of warehouse" in project.run("plan", "pipelines/sales.yaml").out
    )


def test_plan_finds_what_stands_in_the_way(project: Project) -> None:
    (project.folder / "sales.csv").unlink()
    result = project.run("plan", "pipelines/sales.yaml")
    assert result.code == 1
    assert "trouble: there is no such file: " in result.out


TABLE_SPEC = """
sources:
  sales: {csv: {path: sales.csv, columns: {shop: string, units: int}}}
  shops: {table: {connection: warehouse, table: shops, columns: {shop: string not null, city: string}}}
steps:
  sold:
    - from: sales
    - join: {with: shops, on: [shop], how: left}
sinks:
  sold: {table: {from: sold, connection: warehouse, write: replace}}
"""


@pytest.mark.parametrize(
    ("there", "detail"),
    [
        ("", "connection `warehouse` has no table `shops`"),
        ("CREATE TABLE shops (shop varchar)", "the table `shops` has no column `city`"),
    ],
)
def test_plan_and_run_look_for_the_tables_they_read_before_they_read_files(
    project: Project, there: str, detail: str
) -> None:
    with duckdb.connect(str(project.folder / "warehouse.duckdb")) as connection:
        connection.execute(there or "SELECT 1")
    spec = project.pipeline(TABLE_SPEC, "sold")
    plan, run = project.run("plan", spec), project.run(spec)
    assert (plan.code, run.code) == (1, 1)
    assert f"    trouble: {detail}" in plan.out
    assert f"pipelines/sold.yaml:5:11: missing-{'column' if there else 'table'}: {detail}" in run.err
    assert not any(project.folder.glob(".etlrun/runs/*/sources/sales/*"))


CALENDAR = """
sources:
  months: {calendar: {from: 2023-12-31, to: 2024-02, every: month, as: month}}
steps:
  out:
    - from: months
sinks:
  out: {table: {from: out, connection: warehouse, write: replace}}
"""


def test_a_calendar_is_planned_run_and_shown_without_anything_to_read(project: Project) -> None:
    spec = project.pipeline(CALENDAR, "months")
    assert "months: a calendar of 3 rows" in project.run("plan", spec).out
    assert project.run(spec).code == 0
    assert [str(day) for (day,) in project.table("out")] == ["2023-12-01", "2024-01-01", "2024-02-01"]
    late = project.pipeline(CALENDAR.replace("2023-12-31", "2024-03-01"), "late")
    assert "the calendar ends on 2024-02-29, before it begins" in project.run("check", late).out


def test_new_writes_a_pipeline_that_checks_and_runs(project: Project) -> None:
    project.write(
        "in/visits-2022-05-03.json", '{"_id": 1, "_source": {"user": "An", "score": 1.5, "tags": ["x"], "n": 3}}\n'
    )
    result = project.run("new", "visits", "--from", "in/visits-2022-05-03.json")
    assert result.code == 0, result.err
    text = (project.folder / "pipelines/visits.yaml").read_text()
    assert "path: in/visits-{date:yyyy-MM-dd}.json" in text
    assert "record: _source" in text
    assert "default: 2022-05" in text
    assert project.run("check", "pipelines/visits.yaml").code == 0
    again = project.run("new", "visits", "--from", "in/visits-2022-05-03.json")
    assert (again.code, "exists" in again.err) == (2, True)


def test_new_from_the_file_of_one_day_runs_although_the_other_days_are_missing(project: Project) -> None:
    """The file has a column that is named like the one that the days of the files become."""
    project.write("visits_2024-01-11.csv", "Date,city\n2024-01-10,Huế\n")
    assert project.run("new", "visits", "--from", "visits_2024-01-11.csv").code == 0
    text = (project.folder / "pipelines/visits.yaml").read_text()
    assert "missing: warn        # 30 days of 2024-01 have no file; by default they stop the run" in text
    assert "Date_2: {path: Date, type: date}" in text
    assert project.run("visits").code == 0
    assert [tuple(map(str, row)) for row in project.table("visits")] == [("2024-01-10", "Huế", "2024-01-11")]


def test_new_reads_records_as_a_run_does(project: Project) -> None:
    """A quoted value has a line end, a line ends in CR LF, and one record is broken."""
    project.write("a.csv", 'id,text\r\n1,"x\ny"\r\n2,"open\r\n3,z\r\n')
    assert project.run("new", "a", "--from", "a.csv").code == 0
    assert "id: bigint" in (project.folder / "pipelines/a.yaml").read_text()
    project.write("b.csv", "id,text\r1,x\r2,y\n")
    result = project.run("new", "b", "--from", "b.csv")
    assert (
        result.code,
        "b.csv: the header cannot be read: a value without quotes contains a line end" in result.err,
    ) == (1, True)
    project.write("c.csv", "\n")
    assert "c.csv has no columns" in project.run("new", "c", "--from", "c.csv").err


def test_digits_of_a_file_name_that_are_no_day_are_kept(project: Project) -> None:
    project.write("visits_20249911.csv", "city\nHuế\n")
    assert project.run("new", "visits", "--from", "visits_20249911.csv").code == 0
    assert project.run("visits").code == 0


def test_a_pipeline_over_a_file_outside_says_which_root_it_needs(project: Project, tmp_path: Path) -> None:
    logs = tmp_path.parent / f"{tmp_path.name}-logs"
    logs.mkdir()
    (logs / "x.csv").write_text("k,n\na,1\n")
    result = project.run("new", "outside", "--from", str(logs / "x.csv"))
    assert f"allow their folder in etlrun.yaml: `roots: [{logs}]`" in result.err
    (project.folder / "etlrun.yaml").write_text(f"roots: [{logs}]\n" + (project.folder / "etlrun.yaml").read_text())
    assert project.run("check", "pipelines/outside.yaml").code == 0


def test_new_sees_what_stands_between_values(project: Project) -> None:
    project.write("prices.csv", "\ufeffid;name, of it;price\n1;An, Ba;2.5\n")
    project.write("schemas/pipeline.json", "{}")
    assert project.run("new", "prices", "--from", "prices.csv").code == 0
    text = (project.folder / "pipelines/prices.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=../schemas/pipeline.json\n") and 'separator: ";"' in text
    assert project.run("prices").code == 0
    assert project.table("prices") == [(1, "An, Ba", 2.5)]


def test_new_from_csv_runs_as_it_stands(project: Project) -> None:
    project.write("people.csv", "id,name,born,zip,score\n1,An,1990-01-02,00123,1.5\n2,,2000-01-01,70000,2\n")
    assert project.run("new", "people", "--from", "people.csv").code == 0
    result = project.run("pipelines/people.yaml")
    assert result.code == 0, result.err
    assert "id: bigint" in (project.folder / "pipelines/people.yaml").read_text()
    assert "zip: string" in (project.folder / "pipelines/people.yaml").read_text()
    assert len(project.table("people")) == 2


@pytest.mark.parametrize(
    ("file", "text", "row"),
    [
        ("sales.csv", "id,Id,,a b,a b,name,_2\n1,2,3,4,5,x,6\n", (1, 2, 3, 4, 5, "x", 6)),
        ("sales.csv", "a;a_2;A;A_2\n1;2;3;4\n", (1, 2, 3, 4)),
        ("sales.json", '{"a": 1, "A": 2, "b": {"c": 3, "C": 4}, "b.c": 5, "": 6, "it\'s": 7}\n', (1, 2, 3, 4, 5)),
    ],
)
def test_new_gives_every_column_a_name_of_its_own(
    file: str, text: str, row: tuple[object, ...], project: Project
) -> None:
    project.write(file, text)
    assert project.run("new", "found", "--from", file).code == 0
    result = project.run("pipelines/found.yaml")
    assert result.code == 0, result.err
    assert project.table("found") == [row]


def test_new_from_a_compressed_array_runs_as_it_stands(project: Project) -> None:
    (project.folder / "views.json.zst").write_bytes(pa.compress(b'[{"id": 1},\n {"id": 2}]', "zstd", asbytes=True))
    assert project.run("new", "views", "--from", "views.json.zst").code == 0
    result = project.run("pipelines/views.yaml")
    assert result.code == 0, result.err
    assert len(project.table("views")) == 2


@pytest.mark.parametrize(
    ("text", "declared", "rows"),
    [
        (
            '{"id": 1, "at": [0.5, 2], "who": [{"n": "An", "x y": 1}], "arcs": [[1], [2, 3]]}\n',
            'who: "array<struct<n string, `x y` bigint>>"',
            [(1,)],
        ),
        (
            '{"id": 1, "a": [1, {"b": 2}]}\n{"id": 2, "a": "x"}\n',
            "a: {path: a, type: string, raw: true}",
            [(1, '[1,{"b":2}]'), (2, '"x"')],
        ),
        ('{\n  "id": 1,\n  "a": {"b": [1]}\n}\n', "format: document", [(1,)]),
        ('{\n  "id": 1\n}\n{\n  "id": 2\n}\n', "format: objects", [(1,), (2,)]),
        ('{"id": 1}{"id": 2}', "format: objects", [(1,), (2,)]),
        ('{"nodes": [{"n": "A", "k": [1]}, {"n": "B"}], "w": [1]}\n', "select: {n: nodes.n}", [("A",), ("B",)]),
        ('{"w": [7, 8], "v": []}\n', "explode: {column: w, empty: drop}", [(7,), (8,)]),
        ('{"w": [[7]]}\n', "w: {path: w, type: string, raw: true}", [("[[7]]",)]),
        (
            '{"_id": {"$oid": "65a1"}, "n": {"$numberLong": "5"}}\n',
            """_id: {path: "_id['$$oid']", type: string}""",
            [("65a1", "5")],
        ),
        ('{"a b": [{"c d": 1, "$r": 2}]}\n', 'a b: "array<struct<`c d` bigint, `$$r` bigint>>"', [(1, 2)]),
        (
            '{"i": 1, "a": {"b": null}}\n{"i": 2, "a": {"b": {"c": 1}}}\n{"i": 3, "a": {"b": "x"}}\n',
            "b: {path: a.b, type: string, raw: true}",
            [(1, None), (2, '{"c":1}'), (3, '"x"')],
        ),
        ('{"i": 1, "a": null}\n{"i": 2, "a": {"b": 3}}\n', "b: {path: a.b, type: bigint}", [(1, None), (2, 3)]),
        ('{"\\u0086": 1, "\\uffff": [1]}\n', '"\\u0086": bigint', [(1,)]),
    ],
)
def test_new_from_nested_json_runs_as_it_stands(
    text: str, declared: str, rows: list[tuple[object, ...]], project: Project
) -> None:
    project.write("found.json", text)
    assert project.run("new", "found", "--from", "found.json").code == 0
    assert declared in (project.folder / "pipelines/found.yaml").read_text()
    result = project.run("found")
    assert result.code == 0, result.err
    assert sorted(project.table("found"), key=str) == sorted(rows, key=str)


@pytest.mark.parametrize("file", ["in/dt=2024-01-02/town=007/a.csv", "in/dt=2024-01-02/town=Hu%E1%BA%BF/b.csv"])
def test_new_from_a_file_in_partition_folders_reads_all_of_them(file: str, project: Project) -> None:
    project.write("in/dt=2024-01-02/town=007/a.csv", "id\n1\n")
    project.write("in/dt=2024-01-02/town=Hu%E1%BA%BF/b.csv", "id\n2\n")
    assert project.run("new", "found", "--from", file).code == 0
    text = (project.folder / "pipelines/found.yaml").read_text()
    assert 'path: "in/dt=*/town=*/*.csv"' in text and "partitions: {dt: date, town: string}" in text
    assert project.run("found").code == 0
    assert [(number, str(day), town) for number, day, town in sorted(project.table("found"))] == [
        (1, "2024-01-02", "007"),
        (2, "2024-01-02", "Huế"),
    ]


def test_new_from_a_folder_of_partitions_reads_all_of_them(project: Project) -> None:
    for day in ("1", "x", "__HIVE_DEFAULT_PARTITION__"):
        (project.folder / f"in/day={day}").mkdir(parents=True)
        rows = pa.table({"id": [len(day)], "DAY": ["in the file"]})
        pq.write_table(rows, project.folder / f"in/day={day}/part-0.{day}.parquet")
    for number, path in enumerate(("in", "in/day=1", "in/day=x/part-0.x.parquet")):
        assert project.run("new", f"found{number}", "--from", path).code == 0
        result = project.run(f"found{number}")
        assert result.code == 0, result.err
        assert sorted(project.table(f"found{number}"), key=repr) == [(1, "1"), (1, "x"), (26, None)]


def test_new_from_a_folder_reads_all_its_files_and_an_equals_sign_in_the_name_of_a_file_is_no_partition(
    project: Project,
) -> None:
    (project.folder / "in").mkdir()
    for number in (1, 2):
        pq.write_table(pa.table({"id": [number]}), project.folder / f"in/n={number}.parquet")
    for name, path, rows in (("all", "in", [(1,), (2,)]), ("one", "in/n=1.parquet", [(1,)])):
        assert project.run("new", f"found_{name}", "--from", path).code == 0
        assert "partitions" not in (project.folder / f"pipelines/found_{name}.yaml").read_text()
        assert project.run(f"found_{name}").code == 0
        assert sorted(project.table(f"found_{name}")) == rows


def test_one_long_line_is_not_called_pretty_printed(project: Project) -> None:
    project.write("found.json", json.dumps({"tags": [{}], "text": "y" * 200_000}) + "\n")
    project.pipeline(
        "sources: {a: {json: {path: found.json, columns: {tags: array<string>}}}}\n"
        "steps: {b: [{from: a}, {aggregate: {columns: {n: count(*)}}}]}\n"
        "sinks: {b: {table: {from: b, connection: warehouse, write: replace}}}\n",
        "found",
    )
    result = project.run("found")
    assert result.code == 1 and "`tags[0]` is an object" in result.err and "pretty" not in result.err


def test_of_many_pipelines_an_unknown_name_shows_a_few(project: Project) -> None:
    for number in range(12):
        project.pipeline("sources: {}\n", f"p{number:02}")
    result = project.run("run", "quite-another")
    assert result.code == 2 and "pipelines/p08.yaml" in result.err
    assert "more)" in result.err and "p11" not in result.err


def test_new_from_an_array_that_is_cut_says_so(project: Project) -> None:
    project.write("views.json", '[{"id": 1},\n {"id": 2}')
    result = project.run("new", "views", "--from", "views.json")
    assert result.code != 0
    assert "the array is not closed" in result.err


def test_schema_is_what_the_checker_uses(project: Project) -> None:
    found = project.run("schema").json
    assert found["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert set(found["properties"]) == {
        "pipeline",
        "description",
        "owner",
        "tags",
        "params",
        "sources",
        "steps",
        "checks",
        "sinks",
    }
    assert "profiles" in project.run("schema", "--project").json["properties"]
    assert "sum(numeric)" in project.run("schema", "--functions").out


def test_no_colour_and_no_escape_codes_where_nobody_looks(project: Project) -> None:
    result = project.run("pipelines/sales.yaml", FORCE_COLOR="", NO_COLOR="1")
    assert "\x1b" not in result.err + result.out


def test_completion_offers_pipelines_relations_and_profiles(project: Project) -> None:
    def offered(words: str, current: int) -> str:
        return project.run(_ETLRUN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(current)).out

    assert "pipelines/sales.yaml" in offered("etlrun run pipe", 2)
    assert "totals" in offered("etlrun show pipelines/sales.yaml to", 3)
    assert "local" in offered("etlrun run pipelines/sales.yaml --profile lo", 4)


CONTRACT = """pipeline: sales
sources:
  sales:
    csv: {path: sales.csv, columns: {shop: string, units: int}}
sinks:
  sales:
    table:
      from: sales
      connection: warehouse
      write: replace
      columns: {shop: {type: string not null, description: whose sales they are}, units: int}
"""


def test_a_sink_keeps_the_promises_of_its_columns(project: Project) -> None:
    project.write("pipelines/sales.yaml", CONTRACT)
    assert project.run("sales").code == 0
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as warehouse:
        comments = "SELECT comment FROM duckdb_columns() WHERE table_name = 'sales' AND column_name = 'shop'"
        assert warehouse.execute(comments).fetchall() == [("whose sales they are",)]
    project.write("sales.csv", "shop,units\n,1\n")
    refused = project.run("sales")
    assert (refused.code, "1 of 1 row has a null in `shop`" in refused.err) == (3, True)


def test_a_check_may_read_a_relation_that_nothing_else_reads(project: Project) -> None:
    project.write("shops.csv", "name\nA\n")
    shops = "sources:\n  shops: {csv: {path: shops.csv, columns: {name: string}}}\n"
    check = "    - relationships: {on: {shop: name}, to: shops}\n"
    project.write("pipelines/sales.yaml", SALES.replace("sources:\n", shops).replace("    - unique: shop\n", check))
    refused = project.run("sales")
    assert (refused.code, "1 of 2 rows has a `shop` that is not in `shops`, such as `B`" in refused.err) == (3, True)


def test_migrate_changes_tables_and_loses_nothing_unasked(project: Project) -> None:
    project.run("sales")
    project.write("pipelines/sales.yaml", SALES.replace("sum(units)", "sum(units), rows: count(*)"))
    refused = project.run("sales")
    assert "`etlrun migrate sales --apply` does it" in refused.err
    assert 'ALTER TABLE "totals" ADD COLUMN "rows" BIGINT;' in project.run("migrate", "sales").out
    assert project.run("migrate", "--apply").code == 0
    assert project.run("sales").code == 0
    project.write("pipelines/sales.yaml", SALES)
    lossy = project.run("migrate", "--apply")
    assert (lossy.code, "lossy-change" in lossy.err, len(project.table("totals")[0])) == (2, True, 3)
    assert project.run("migrate", "--apply", "--allow-loss").code == 0
    assert project.run("migrate").err == "no existing table needs a change\n"
    assert project.table("totals") == [("A", 3), ("B", 3)]


@pytest.mark.parametrize("command", ["check", "lineage", "test", "init", "explain"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, command: str) -> None:
    result = Project(tmp_path).run(command, "x" * 300)
    assert "x" * 300 in result.err and "Traceback" not in result.err
    assert result.code == (2 if "there is no file" in result.err else 1)


def test_a_state_folder_that_is_a_link_to_itself_is_named(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.pipeline("sources: {rows: {csv: {path: rows.csv, columns: {a: int}}}}\nsteps: {t: [from: rows]}\n")
    project.write("rows.csv", "a\n1\n")
    (tmp_path / ".etlrun").symlink_to(".etlrun")
    result = project.run("show", "p", "t")
    assert (result.code, result.err.partition(": ")[0]) == (1, "file-unusable"), result.err
    assert "too many levels of symbolic links" in result.err and str(tmp_path / ".etlrun") in result.err


def test_show_writes_maps_of_days_as_json(project: Project) -> None:
    project.write("days.json", '{"m": {"2024-01-02": 3}, "d": {"1": {"2024-01-03": "x"}}}\n')
    columns = "{m: 'map<date, int>', d: 'map<int, map<date, string>>'}"
    text = f"pipeline: days\nsources: {{rows: {{json: {{path: days.json, columns: {columns}}}}}}}\n"
    project.write("pipelines/days.yaml", text)
    shown = project.run("show", "pipelines/days.yaml", "rows", "--json")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out) == {"m": {"2024-01-02": 3}, "d": {"1": {"2024-01-03": "x"}}}
