"""A view gives the rows of its relation on every kind of database, or `etlrun check` refuses it; it is made in one step and by etlrun alone."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from warehouses import Target

from etlrun.compiler.producers import check_file
from etlrun.contracts.connection import Load
from etlrun.failures import RunFailure
from etlrun.language.columns import Columns
from mysql.loads import make_load
from mysql.test_conditions import DECLARED, rows_of
from projects import Project

CHAINS: dict[str, list[dict[str, Any]]] = {
    "all_rows": [{"from": "given"}],
    "twice": [
        {"from": ["given", "given"]},
        {"filter": "(s > 'ab' or s in ('', 'NULL') or n >= 12) and at is not null"},
    ],
    "renamed": [{"from": "given"}, {"select": ["id", "s", "t", "day"]}, {"rename": {"s": "Label é"}}, {"drop": ["t"]}],
    "constants": [
        {"from": "given"},
        {
            "derive": {
                "one": "1",
                "low": "-9223372036854775807",
                "text": "'it\\'s \\\\ 😀'",
                "spring": "date '2022-04-01'",
                "kind": "case when s = 'abc' then 'exact' when n > 5 then t end",
                "filled": "coalesce(t, s, 'none')",
                "least": "coalesce(n, 0)",
                "price": "case when d > 1 then d end",
                "years": "case when day >= date '2022-01-01' then 'new' else 'old' end",
            }
        },
    ],
    "joined": [
        {"from": "given"},
        {"select": ["id", "s", "n", "day"]},
        {"join": {"with": "texts", "on": ["s"], "how": "left"}},
    ],
    "totals": [
        {"from": "given"},
        {
            "aggregate": {
                "by": ["s", "n", "day"],
                "columns": {
                    "rows": "count(*)",
                    "known": "count(t)",
                    "units": "sum(n)",
                    "d": "sum(d)",
                    "last": "max(at)",
                    "dear": "max(d)",
                },
            }
        },
        {"filter": "rows >= 1"},
    ],
    "newest": [{"from": "given"}, {"dedupe": {"by": ["s"], "order": ["id desc"]}}],
    "wide": [
        {"from": "given"},
        {
            "aggregate": {
                "by": ["day"],
                "pivot": {"column": "s", "labels": ["abc", "x"], "value": "sum(n)", "name": "n_{label}", "fill": 0},
                "columns": {"rows": "count(*)"},
            }
        },
    ],
    "whole": [
        {"from": "given"},
        {"aggregate": {"columns": {"rows": "count(*)", "first": "min(day)", "most": "max(b)"}}},
    ],
    "texts": [
        {"from": "given"},
        {"aggregate": {"by": ["s"], "columns": {"of_text": "count(*)"}}},
        {"filter": "s is not null"},
    ],
}


def _project(folder: Path, target: Target, chains: dict[str, list[dict[str, Any]]], sinks: dict[str, Any]) -> Project:
    """A pipeline that reads the table `given` of the target."""
    project = Project(folder / "project")
    connections = {"there": {target.kind: target.keys}, "here": {"duckdb": "here.duckdb"}}
    project.write(
        "etlrun.yaml", yaml.safe_dump({"profiles": {"dev": {"engine": {"duckdb": {}}, "connections": connections}}})
    )
    source = {"table": {"connection": "there", "table": "given", "key": ["id"], "columns": DECLARED}}
    document = {"sources": {"given": source}, "steps": chains, "sinks": sinks}
    project.pipeline(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    return project


def _views(chains: dict[str, Any]) -> dict[str, Any]:
    return {name: {"view": {"from": name, "connection": "there"}} for name in chains}


def _rows(target: Target, view: str, columns: Columns, folder: Path) -> list[tuple[Any, ...]]:
    """The rows of a view, as a pipeline reads them."""
    (folder / view).mkdir(parents=True)
    copied = target.open().copy(view, columns, folder / view)
    files = [str(path) for path in copied.files]
    return duckdb.read_parquet(files).fetchall() if files else []


KINDS = pytest.mark.parametrize("target", ["duckdb", "mysql", "postgres"], indirect=True)


@pytest.fixture
def given(target: Target, tmp_path: Path) -> Target:
    """A database with odd rows in a table."""
    chance = random.Random(3)
    rows = [row for row in rows_of(chance, 300) if not any(isinstance(value, str) and "\0" in value for value in row)]
    target.open().publish(make_load(tmp_path, rows, DECLARED, key=("id",), parts=1, table="given"))
    target.close()
    return target


@KINDS
def test_it_gives_the_rows_of_its_relation(given: Target, tmp_path: Path) -> None:
    copies = {
        f"{name}_copy": {
            "table": {"from": name, "connection": "here", "table": name, "write": "replace", "min_rows": 0}
        }
        for name in CHAINS
    }
    project = _project(tmp_path, given, CHAINS, {**_views(CHAINS), **copies})
    result = project.run("run", "p")
    assert result.code == 0, result.err
    checked = check_file(project.folder / "pipelines/p.yaml")
    for name in CHAINS:
        rows = _rows(given, name, checked.columns[name], tmp_path / "copied")
        assert sorted(map(repr, rows)) == sorted(map(repr, project.table(name, "here.duckdb"))), name


def _view(folder: Path, query: str, columns: dict[str, str], run_id: str) -> Load:
    load = make_load(folder, [], columns, key=(), table="shown", run_id=run_id)
    return replace(load, write="view", query=query, rows=3)


@KINDS
def test_it_is_replaced_by_the_next_run_and_left_alone_where_etlrun_did_not_make_it(
    target: Target, tmp_path: Path
) -> None:
    target.run("CREATE TABLE t (a INT, b INT)", "INSERT INTO t VALUES (1, 2)")
    old = _view(tmp_path, "SELECT a FROM t", {"a": "int"}, "20220501T000000Z-a")
    new = _view(tmp_path, "SELECT b, a FROM t", {"b": "int", "a": "int"}, "20220502T000000Z-a")
    target.run("CREATE TABLE shown (a INT)")
    with pytest.raises(RunFailure, match="it is a table"):
        target.open().publish(old)
    target.run("DROP TABLE shown", "CREATE VIEW shown AS SELECT 7 AS a")
    with pytest.raises(RunFailure, match="etlrun did not make"):
        target.open().publish(old)
    assert target.rows("shown") == [(7,)]
    target.run("DROP VIEW shown")
    assert not target.open().publish(old).was_there
    assert target.open().publish(old).was_there
    assert target.rows("shown") == [(1,)]
    target.open().publish(new)
    assert target.rows("shown") == [(2, 1)]
    with pytest.raises(RunFailure, match="started after this run"):
        target.open().publish(replace(old, run_id="20220501T000000Z-b"))
    wrong = replace(new, query="SELECT 'x' AS b, a FROM t", run_id="20220503T000000Z-a")
    with pytest.raises(RunFailure, match="`b` would be"):
        target.open().publish(wrong)
    assert target.rows("shown") == [(2, 1)]
    assert target.ledger() == [("", new.run_id, 3)]
    target.run("DROP VIEW shown", "CREATE VIEW shown AS SELECT 7 AS b, 8 AS a")
    with pytest.raises(RunFailure, match="no longer the one that etlrun gave it") as failed:
        target.open().publish(replace(new, run_id="20220503T000000Z-b"))
    assert "DROP VIEW" in failed.value.fix
    assert target.rows("shown") == [(7, 8)]


@KINDS
def test_what_somebody_named_as_a_view_that_is_new_is_left_alone(target: Target, tmp_path: Path) -> None:
    target.run("CREATE VIEW shown__new AS SELECT 7 AS a")
    name = "v" * 60
    load = replace(_view(tmp_path, "SELECT 1 AS a", {"a": "int"}, "20220501T000000Z-a"), table=name)
    for table in ("shown", name):
        target.open().publish(replace(load, table=table))
    assert target.rows("shown__new") == [(7,)]
    assert target.rows(name) == [(1,)]


def test_what_a_database_could_compute_in_another_way_is_refused(tmp_path: Path) -> None:
    served = Target("mysql", {"url": "mysql://root@127.0.0.1:1/none"}, lambda: None, str)
    chains: dict[str, Any] = {
        "upper": [{"from": "given"}, {"derive": {"big": "upper(s)"}}],
        "half": [{"from": "given"}, {"derive": {"half": "n / 2"}}],
        "truth": [{"from": "given"}, {"derive": {"long": "n > 5"}}],
        "picked": [{"sql": "select distinct s from given"}],
        "matched": [{"sql": "select a.id from given a left semi join given b on a.s = b.t"}],
        "unmatched": [{"sql": "select a.id from given a left anti join given b on a.s = b.t"}],
        "of_group": [{"sql": "select coalesce(s, '') as known, count(*) as c from given group by s"}],
        "long_sum": [{"from": "given"}, {"aggregate": {"columns": {"b": "sum(b)"}}}],
        "mixed": [{"from": "given"}, {"filter": "s = cast(n as string)"}],
    }
    project = _project(tmp_path, served, chains, _views(chains))
    project.write("here.csv", "s\nA\n")
    text = (project.folder / "pipelines/p.yaml").read_text()
    text = text.replace("sources:\n", "sources:\n  files: {csv: {path: here.csv, columns: {s: string}}}\n")
    text += "  given: {view: {from: given, connection: there}}\n  of_files: {view: {from: files, connection: there}}\n"
    project.write("pipelines/p.yaml", text)
    err = project.run("check").out
    assert err.count("view-unlike") == len(chains) + 2, err
    assert "the view `given` would read itself through `given`" in err
    assert "`files` is not a table of `there`; a view can read only tables of its connection" in err


@pytest.mark.parametrize("target", ["postgres"], indirect=True)
def test_what_keeps_postgresql_from_replacing_a_view_is_named(target: Target, tmp_path: Path) -> None:
    load = _view(tmp_path, "SELECT 1 AS a", {"a": "int"}, "20220501T000000Z-a")
    target.open().publish(load)
    target.run("CREATE VIEW reader AS SELECT a FROM shown")
    with pytest.raises(RunFailure, match="other views or rules read it") as failed:
        target.open().publish(replace(load, run_id="20220502T000000Z-a"))
    assert "view reader depends on view shown: drop those first" in failed.value.fix
    target.run("DROP VIEW reader", "CREATE ROLE etl_other", "ALTER VIEW shown OWNER TO etl_other")
    account = target.make_account("ALL")
    user = account.partition(":")[0]
    target.run(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}")
    database = target.connection(account).open("warehouse", tmp_path, str, writing=True)
    with pytest.raises(RunFailure, match="only the owner of the view `shown` may do this") as failed:
        database.publish(replace(load, run_id="20220502T000000Z-a"))
    database.close()
    assert "ALTER VIEW shown OWNER TO" in failed.value.fix
    target.run(f"DROP OWNED BY etl_other, {user}", f"DROP ROLE etl_other, {user}")


@pytest.mark.parametrize("target", ["mysql"], indirect=True)
def test_the_view_of_a_table_that_is_published_by_pointer_is_no_view_to_replace(target: Target, tmp_path: Path) -> None:
    load = make_load(tmp_path, [(1,)], {"a": "int"}, key=("a",), parts=1, table="shown")
    target.open().publish(replace(load, publish="pointer"))
    with pytest.raises(RunFailure, match="is the view of a table that is published by pointer") as failed:
        target.open().publish(_view(tmp_path, "SELECT 1 AS a", {"a": "int"}, "20220502T000000Z-a"))
    assert failed.value.fix == "give this view another name: `view: NAME`"
    assert target.rows("shown") == [(1,)]
