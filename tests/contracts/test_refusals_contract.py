"""What a person reads where a table takes no rows or an account may not write: the place in the file, the table, why, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from warehouses import Target

from projects import Project, Result

SPEC = """sources:
  given: {csv: {path: given.csv, columns: {id: int, shop: int}}}
sinks:
  profile: {table: {from: given, connection: warehouse, write: replace}}
"""
PROJECT = """profiles:
  local: {engine: {duckdb: {}}, connections: {warehouse: {CONNECTION}}}
"""
RULES = {
    "shop INT CHECK (shop < 5)": "check",
    "shop INT NOT NULL": "shop",
    "shop INT, FOREIGN KEY (shop) REFERENCES shops (id)": "",
}
TRIGGERS = {
    "mysql": (
        "CREATE TRIGGER known BEFORE INSERT ON profile FOR EACH ROW BEGIN "
        "IF NEW.shop > 5 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no such shop'; END IF; END",
    ),
    "postgres": (
        "CREATE FUNCTION known() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.shop > 5 THEN RAISE EXCEPTION 'no such shop'; END IF; RETURN NEW; END $$",
        "CREATE TRIGGER known BEFORE INSERT ON profile FOR EACH ROW EXECUTE FUNCTION known()",
    ),
}


def run(target: Target, folder: Path, rows: str, **keys: str) -> Result:
    """A run that publishes these rows by a connection with other `keys`."""
    given = {**target.keys, **keys}
    place = next(name for name in ("url", "path") if name in given)
    connection = f'{target.kind}: {{{place}: "${{PLACE}}"}}'
    project = Project(folder)
    project.write("etlrun.yaml", PROJECT.replace("CONNECTION", connection))
    project.write("given.csv", f"id,shop\n{rows}\n")
    return project.run(project.pipeline(SPEC), PLACE=given[place])


@pytest.mark.parametrize("target", ["duckdb", "mysql", "postgres"], indirect=True)
@pytest.mark.parametrize("rule", RULES)
def test_a_value_that_the_table_refuses_is_told_with_what_to_do(target: Target, tmp_path: Path, rule: str) -> None:
    target.run(
        "CREATE TABLE shops (id INT PRIMARY KEY)",
        "INSERT INTO shops VALUES (1)",
        f"CREATE TABLE profile (id INT, {rule})",
        "INSERT INTO profile VALUES (7, 1)",
    )
    target.close()
    result = run(target, tmp_path, "1,1\n2," if "NULL" in rule else "1,1\n2,9")
    assert result.code == 1, result.err
    assert "pipelines/p.yaml:5:13: " in result.err and "-refused: " in result.err and "`profile`" in result.err, (
        result.err
    )
    assert RULES[rule] in result.err.lower() and "Error" not in result.err and "resume" not in result.err, result.err
    assert any(fix in result.err for fix in ("in the pipeline", "`filter` such rows out", "publish that table first"))
    assert target.run("SELECT id, shop FROM profile") == [(7, 1)]


@pytest.mark.parametrize("target", ["mysql", "postgres"], indirect=True)
def test_a_value_that_a_trigger_refuses_is_told_in_its_words(target: Target, tmp_path: Path) -> None:
    target.run("CREATE TABLE profile (id INT, shop INT)", *TRIGGERS[target.kind])
    result = run(target, tmp_path, "1,1\n2,9")
    assert result.code == 1, result.err
    assert "pipelines/p.yaml:5:13: rows-refused: " in result.err and "no such shop" in result.err, result.err
    assert "change them in the pipeline" in result.err and target.rows() == []


@pytest.mark.parametrize("target", ["mysql", "postgres"], indirect=True)
def test_a_right_that_is_missing_is_told_with_what_to_grant(target: Target, tmp_path: Path) -> None:
    assert run(target, tmp_path, "1,1").code == 0
    account = target.make_account("SELECT, DELETE", *("profile", "_etlrun_loads", "_etlrun_writers"))
    given = target.keys["url"].replace("//root@", f"//{account}@")
    result = run(target, tmp_path, "1,2", url=given)
    assert result.code == 1, result.err
    assert "pipelines/p.yaml:5:13: " in result.err and "INSERT" in result.err and "profile" in result.err
    assert target.run("SELECT id, shop FROM profile") == [(1, 1)]


@pytest.mark.parametrize("target", ["mysql", "postgres"], indirect=True)
def test_doctor_names_the_sinks_that_an_account_may_not_publish_and_what_to_grant(
    target: Target, tmp_path: Path
) -> None:
    account = target.make_account("SELECT, INSERT, DELETE, CREATE" if target.kind == "mysql" else "USAGE")
    given = target.keys["url"].replace("//root@", f"//{account}@")
    shown = "  shown: {view: {from: tops, connection: warehouse}}\n"
    steps = "steps:\n  tops:\n    - from: profile_of_shops\n"
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT.replace("CONNECTION", f'{target.kind}: {{url: "${{PLACE}}"}}'))
    read = "sources:\n  profile_of_shops: {table: {table: shops, connection: warehouse, columns: {id: int}}}\n"
    project.pipeline(read + steps + "sinks:\n" + shown, "views")
    project.pipeline(SPEC)
    found = project.run("doctor", PLACE=given)
    assert found.code == 1 and "sink shown of pipelines/views.yaml: the account lacks rights: " in found.out, found.out
    assert "CREATE" in found.out and "GRANT" in found.out
    assert ("sink profile of" in found.out) == (target.kind == "postgres")
    for grant in re.findall(r"GRANT [^;]*;", found.out):
        target.run(grant)
    found = project.run("doctor", PLACE=given)
    assert found.code == 0 and "connection warehouse: sinks: " in found.out, found.out + found.err
