"""`etlrun llm retry`: lets the next run ask again the keys that a model refused or failed to answer."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.words import tell
from etlrun.diagnostics import counted
from etlrun.spec.project_file import find_project

if TYPE_CHECKING:
    from etlrun.enrich.store import Status


@click.command("retry")
@click.argument("prompt", metavar="PROMPT")
@click.option(
    "--refused", "refused", is_flag=True, help="Only keys that a model refused to answer; runs do not ask them again."
)
@click.option(
    "--failed",
    "failed",
    is_flag=True,
    help="Only keys without an answer for another reason; runs ask them again anyway.",
)
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the label store.")
def command(prompt: str, refused: bool, failed: bool, profile: str) -> None:
    """Let the next run ask the refused and failed keys of a prompt again.

    The command removes these keys from the label store: without --refused and --failed, it removes both. It calls no model.
    """
    from etlrun.enrich.housekeeping import ask_again
    from etlrun.enrich.labels import open_labels

    project = find_project(Path.cwd())
    statuses: list[Status] = []
    statuses += ["refused"] if refused or not failed else []
    statuses += ["failed"] if failed or not refused else []
    chosen = project.profile(profile)
    with closing(open_labels(project, chosen)) as store:
        count = ask_again(project, chosen, store, prompt, statuses)
    if not count:
        tell(f"no key of `{prompt}`, as the prompt and its models are now, is {' or '.join(statuses)}")
        return
    tell(f"the next run asks about these again: {counted(count, 'key')}")
