"""Values of PostgreSQL that no other system has, such as `infinity`, stop a run with a fix that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from projects import Project

from .guarded import Guarded

PROFILES = """\
profiles:
  local: {engine: {duckdb: {}}, connections: {shop: {postgres: {url: "postgresql://root@127.0.0.1:PORT/w"}}}}
"""
PIPELINE = """\
sources:
  visits: {table: {connection: shop, table: visits, columns: {id: int, x: DECLARED}}}
steps:
  all: [{from: visits}STEP]
sinks:
  all: {files: {from: all, path: out/all.json}}
"""


@pytest.mark.parametrize(
    ("stored", "declared", "value"),
    [
        ("timestamp", "timestamp", "infinity"),
        ("timestamp", "timestamp", "-infinity"),
        ("date", "date", "infinity"),
        ("numeric", "decimal(10,2)", "NaN"),
        ("numeric", "decimal(10,2)", "Infinity"),
    ],
)
def test_a_special_value_is_named_and_the_fix_makes_it_null(
    guarded: Guarded, tmp_path: Path, stored: str, declared: str, value: str
) -> None:
    guarded.run(
        "DROP TABLE IF EXISTS visits",
        f"CREATE TABLE visits (id INT, x {stored})",
        f"INSERT INTO visits VALUES (1, '{value}')",
    )
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROFILES.replace("PORT", str(guarded.server.port)))
    spec = PIPELINE.replace("STEP", "")
    result = project.run("run", project.pipeline(spec.replace("DECLARED", f'"{declared}"'), "visits"))
    assert f"values that are not of the type {declared}, such as {value}" in result.err
    assert f"declare `x: string`, and make such values null in a step: try_cast(x as {declared})" in result.err
    fixed = PIPELINE.replace("STEP", f', {{replace: {{x: "try_cast(x as {declared})"}}}}').replace("DECLARED", "string")
    assert project.run("run", project.pipeline(fixed, "visits")).code == 0
    assert (tmp_path / "out/all.json").read_text() == '{"id":1,"x":null}\n'
