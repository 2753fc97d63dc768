"""Which project file, profile and engine a run has where little is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from commanding import etlrun
from etlrun.diagnostics import SpecError
from etlrun.spec.project_file import find_project

PIPELINE = """pipeline: p
sources:
  rows: {csv: {path: rows.csv, columns: {a: int}}}
sinks:
  out: {table: {from: rows, connection: warehouse, write: replace}}
"""
CONNECTIONS = "connections: {warehouse: {duckdb: w.duckdb}}"


def test_the_only_profile_is_the_one_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "etlrun.yml").write_text(f"profiles: {{anything: {{{CONNECTIONS}}}}}\n")
    profile = find_project(tmp_path).profile()
    assert (profile.name, profile.engine.kind, profile.names_engine) == ("anything", "duckdb", False)


def test_a_profile_must_be_chosen_where_there_are_several(tmp_path: Path) -> None:
    (tmp_path / "etlrun.yaml").write_text("profiles: {dev: {}, prod: {}}\n")
    with pytest.raises(SpecError) as refused:
        find_project(tmp_path).profile()
    (found,) = refused.value.diagnostics
    assert found.message == "etlrun.yaml has the profiles dev, prod, and does not select one of them"
    assert found.fix == "choose one: `profile: dev` in etlrun.yaml, or --profile"
    assert find_project(tmp_path).profile("prod").name == "prod"


def test_a_project_has_one_project_file(tmp_path: Path) -> None:
    (tmp_path / "etlrun.yaml").write_text("data: a\n")
    (tmp_path / "etlrun.yml").write_text("data: b\n")
    with pytest.raises(SpecError, match=r"there is also a file `etlrun.yml`"):
        find_project(tmp_path)


def test_a_run_says_that_nobody_chose_its_engine(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines/p.yaml").write_text(PIPELINE)
    done = etlrun(tmp_path, "pipelines/p.yaml")
    assert done.code == 0 and done.err.startswith("no engine is chosen, so duckdb runs this; for Spark: pip install")
    assert "no engine" not in etlrun(tmp_path, "pipelines/p.yaml", "--engine", "duckdb").err
