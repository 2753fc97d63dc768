"""The command `etlrun test`: which tests it runs, what it prints for people and programs, and how it ends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from shop import write_project, write_test

from commanding import etlrun
from projects import Project

GOOD = "given: {sold: [{shop: A, units: 3}]}\nexpect: {totals: [{units: 3}]}"
BAD = "given: {sold: [{shop: A, units: 3, weight: .nan}]}\nexpect: {totals: [{shop: A, units: 4, price: 1.5}]}"
TWO = """pipeline: shop
tests:
  - name: one shop
    given: {sold: [{shop: A, units: 3}]}
    expect: {totals: [{units: 3}]}
  - name: Another shop
    given: {sold: [{shop: B, units: 3}]}
    expect: {totals: [{units: 4}]}
"""


def without_seconds(text: str) -> str:
    return re.sub(r"\d+\.\d+ s", "0 s", text)


def test_one_line_a_test_and_one_for_all(project: Path) -> None:
    (project / "pipelines" / "shop.test.yaml").write_text(TWO)
    (project / "pipelines" / "below").mkdir()
    write_test(project, GOOD).rename(project / "pipelines" / "below" / "more.test.yml")
    (project / "pipelines" / "shop.test.yaml").write_text(TWO)
    outcome = etlrun(project, "test")
    assert without_seconds(outcome.out) == (
        "ok      shop: it (0 s)\n"
        "ok      shop: one shop (0 s)\n"
        "FAILED  shop: Another shop (0 s)\n"
        "  `totals`: 1 row missing, 1 row not expected (- expected, + actual)\n"
        "    pipelines/shop.test.yaml:8:23: this row is missing\n"
        "      - {units: 4}\n"
        "    not expected:\n"
        "      + {units: 3}\n"
    )
    assert (
        without_seconds(outcome.err)
        == "3 tests: 1 failed, 2 passed in 0 s\nif the actual rows are right: etlrun test --update\n"
    )
    assert outcome.code == 1


def test_text_of_a_name_picks_tests(project: Path) -> None:
    (project / "pipelines" / "shop.test.yaml").write_text(TWO)
    outcome = etlrun(project, "test", "-k", "ONE")
    assert (without_seconds(outcome.out), outcome.code) == ("ok      shop: one shop (0 s)\n", 0)
    outcome = etlrun(project, "test", "-k", "two")
    assert "no test has `two` in its name; the tests are:\n  shop: one shop\n  shop: Another shop\n" in outcome.err
    assert outcome.code == 2


def test_nothing_runs_while_any_file_has_a_mistake(project: Path) -> None:
    write_test(project, GOOD)
    write_test(project, "given: {numbers: [{n: one}]}\nexpect: {doubled: []}", "calling")
    outcome = etlrun(project, "test", "pipelines/shop.test.yaml", "pipelines")
    assert (outcome.out, outcome.code) == ("", 2)
    assert outcome.err.startswith("pipelines/calling.test.yaml:4:27: type-mismatch: ")


def test_where_there_is_no_test_it_says_how_to_write_one(project: Path) -> None:
    outcome = etlrun(project, "test")
    assert (
        "there is no test in pipelines; write one, such as pipelines/asking.test.yaml:\n\npipeline: asking\ntests:\n  - name: what it shows\n"
        in outcome.err
    )
    assert outcome.code == 2


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("pipelines/shop.yaml", "pipelines/shop.yaml is not a test file: their names end in .test.yaml"),
        (
            "pipelines/shp.test.yaml",
            "there is no file or folder pipelines/shp.test.yaml (did you mean `pipelines/shop.test.yaml`?)",
        ),
    ],
)
def test_a_path_that_holds_no_tests_is_told_of(project: Path, path: str, words: str) -> None:
    write_test(project, GOOD)
    outcome = etlrun(project, "test", path)
    assert words in outcome.err
    assert outcome.code == 2


def test_other_commands_take_no_tests_for_pipelines(project: Path) -> None:
    write_test(project, GOOD)
    outcome = etlrun(project, "run", "pipelines/shop.test.yaml")
    assert "pipelines/shop.test.yaml is a file of tests: run etlrun test pipelines/shop.test.yaml" in outcome.err
    assert outcome.code == 2


def test_json_is_one_object_and_the_text_goes_beside_it(project: Path) -> None:
    write_test(project, BAD)
    outcome = etlrun(project, "test", "--json")
    found = json.loads(outcome.out)
    (test,) = found.pop("tests")
    assert {**found, "seconds": 0} == {"engine": "duckdb", "seconds": 0, "ok": 0, "failed": 1, "updated": 0}
    assert {**test, "seconds": 0} == {
        "file": "pipelines/shop.test.yaml",
        "line": 3,
        "pipeline": "shop",
        "name": "it",
        "status": "failed",
        "seconds": 0,
        "complaints": [],
        "differences": [
            {
                "relation": "totals",
                "missing": [],
                "unexpected": [],
                "differ": [
                    {
                        "line": 5,
                        "expected": {"shop": "A", "units": 4, "price": "1.5"},
                        "actual": {"shop": "A", "units": 3, "price": None},
                    }
                ],
            }
        ],
    }
    assert outcome.err.startswith("FAILED  shop: it (")
    assert outcome.code == 1


def test_json_tells_of_mistakes_as_every_command_does(project: Path) -> None:
    write_test(project, GOOD.replace("totals", "total"))
    outcome = etlrun(project, "test", "--json")
    assert json.loads(outcome.out)["error"]["code"] == "unknown-relation"
    assert outcome.code == 2


def test_update_tells_what_it_changed(project: Path) -> None:
    path = write_test(project, BAD)
    outcome = etlrun(project, "test", "--update", "--json")
    assert json.loads(outcome.out)["tests"][0]["status"] == "updated"
    assert outcome.err.startswith("updated shop: it (")
    assert "      - units: 4\n      + units: 3\n" in outcome.err
    assert without_seconds(outcome.err).endswith("1 test: 1 updated, 0 passed in 0 s\n")
    assert path.read_text().endswith("expect: {totals: [{shop: A, units: 3, price: null}]}\n")
    assert outcome.code == 0


def test_colour_only_where_it_is_wanted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_test(project, BAD)
    assert "\x1b" not in etlrun(project, "test").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[31m      - units: 4\x1b[0m\n\x1b[32m      + units: 3\x1b[0m\n" in etlrun(project, "test").out


def test_spark_runs_the_same_tests_and_leaves_only_how_they_ended(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write_project(tmp_path)
    write_test(tmp_path, GOOD)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    result = project.run("test", "--engine", "spark", "--json")
    assert (result.code, result.json["engine"], result.json["ok"]) == (0, "spark", 1), result.err
    left = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert [path.name for path in left] == ["tests.json"]


def test_the_schema_is_what_the_checker_uses(project: Path) -> None:
    found = json.loads(etlrun(project, "schema", "--tests").out)
    assert set(found["properties"]) == {"pipeline", "tests"}
    assert set(found["properties"]["tests"]["items"]["properties"]) == {
        "name",
        "description",
        "set",
        "given",
        "enrich",
        "expect",
        "checks",
    }
    assert found["properties"]["tests"]["items"]["required"] == ["name"]


def test_completion_offers_files_of_tests(tmp_path: Path) -> None:
    project = Project(tmp_path)
    write_project(tmp_path)
    write_test(tmp_path, GOOD)

    def offered(words: str) -> str:
        return project.run(_ETLRUN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD="2").out

    assert offered("etlrun test pipe").strip() == "plain,pipelines/shop.test.yaml"
    assert "test" not in offered("etlrun run pipe")
