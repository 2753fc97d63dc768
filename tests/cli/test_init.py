"""`etlrun init` writes projects that are right as they stand, found from every folder in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commanding import etlrun


@pytest.mark.parametrize("template", ["minimal", "customer360"])
def test_a_new_project_is_without_mistakes(tmp_path: Path, template: str) -> None:
    made = etlrun(tmp_path, "init", "demo", "--template", template)
    assert made.code == 0 and "next: cd demo && etlrun run, etlrun test" in made.err
    checked = etlrun(tmp_path / "demo", "check")
    assert (checked.code, checked.out) == (0, ""), checked.out
    assert (tmp_path / "demo/data").is_dir()


def test_a_new_project_runs_from_any_folder_in_it(tmp_path: Path) -> None:
    etlrun(tmp_path, "init", ".")
    inside = tmp_path / "pipelines"
    assert etlrun(inside, "check").err == "1 pipeline, 1 file of tests: no mistakes\n"
    assert etlrun(inside, "test").code == 0
    done = etlrun(inside, "run", "orders.yaml")
    assert done.code == 0 and "published shops: 2 rows to warehouse.shops (replace)" in done.err
    assert (tmp_path / "warehouse.duckdb").exists()


def test_editors_find_the_schema_that_a_file_names(tmp_path: Path) -> None:
    etlrun(tmp_path, "init", ".")
    for path in (*tmp_path.glob("*.yaml"), *tmp_path.glob("pipelines/*.yaml")):
        named = path.read_text().splitlines()[0].partition("$schema=")[2]
        assert json.loads((path.parent / named).read_text())["type"] == "object"
    (tmp_path / "schemas/pipeline.json").unlink()
    assert etlrun(tmp_path / "data", "schema", "--write").out == "../schemas\n"
    assert (tmp_path / "schemas/pipeline.json").exists()


def test_nothing_that_is_there_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "etlrun.yaml").write_text("profile: mine\n")
    refused = etlrun(tmp_path, "init", ".")
    assert refused.code == 2 and "not-empty: `.` has etlrun.yaml already" in refused.err
    assert [path.name for path in tmp_path.iterdir()] == ["etlrun.yaml"]
