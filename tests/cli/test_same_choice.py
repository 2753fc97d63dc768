"""A command that a message proposes repeats the profile, engine and params of the command that failed, and only those it takes."""

from __future__ import annotations

import pytest

from etlrun.cli.same_choice import same_choice
from etlrun.diagnostics import Diagnostic

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
