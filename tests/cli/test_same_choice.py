"""A command that a message proposes repeats the profile, engine and params of the command that failed, and only those it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commanding import etlrun
from etlrun.cli.same_choice import same_choice
from etlrun.diagnostics import Diagnostic
from projects import PROJECT, Project

GIVEN = ("run", "core", "--profile", "prod", "--set=day=2022-04-01", "--set", "shop=Ha Noi", "--json")
SETTINGS = "--set day=2022-04-01 --set 'shop=Ha Noi'"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("run it: etlrun core", f"run it: etlrun core --profile prod {SETTINGS}"),
        (
            "run: ALTER TABLE x; `etlrun migrate core --apply` does it",
            f"run: ALTER TABLE x; `etlrun migrate core --apply --profile prod {SETTINGS}` does it",
        ),
        (
            "first etlrun migrate core --apply, then etlrun run core",
            f"first etlrun migrate core --apply --profile prod {SETTINGS}, then etlrun run core --profile prod {SETTINGS}",
        ),
        ("`etlrun runs` lists them", "`etlrun runs --profile prod` lists them"),
        ("`etlrun schema` prints it", "`etlrun schema` prints it"),
        (
            "the pipeline `mart` publishes it: etlrun mart",
            "the pipeline `mart` publishes it: etlrun mart --profile prod",
        ),
        (
            "with another profile: `etlrun core --profile dev --set day=1`",
            "with another profile: `etlrun core --profile dev --set day=1`",
        ),
        ("etlrun reads that", "etlrun reads that"),
        ("a connection that etlrun did not make", "a connection that etlrun did not make"),
    ],
)
def test_a_command_repeats_what_was_chosen(text: str, shown: str) -> None:
    found = same_choice(Diagnostic("", 0, 0, 0, "missing-table", text, text), GIVEN)
    assert (found.message, found.fix) == (shown, shown)
    assert same_choice(found, GIVEN) == found
    assert same_choice(found, ("run", "core")) == found


def test_the_json_of_a_run_repeats_it_too(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("etlrun.yaml", PROJECT.replace("profile: fast\n", "profile: local\n"))
    rest = "steps: {{m: [{{from: t}}]}}\nsinks: {{{0}: {{table: {{from: m, connection: warehouse, write: replace}}}}}}"
    project.write("rows.csv", "a\n1\n")
    project.pipeline("sources: {t: {csv: {path: rows.csv, columns: {a: int}}}}\n" + rest.format("core"), "core")
    project.pipeline("sources: {t: {table: {pipeline: core}}}\n" + rest.format("mart"), "mart")
    fix = "the pipeline `core` publishes it: etlrun core --profile fast"
    for words in (["pipelines/mart.yaml"], ["--select", "mart"]):
        result = etlrun(tmp_path, "run", *words, "--profile", "fast", "--json")
        found = json.loads(result.out)
        assert (found[0] if isinstance(found, list) else found)["error"]["fix"] == fix, result.err
