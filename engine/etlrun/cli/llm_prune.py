"""`etlrun llm prune`: remove the answers to questions that nobody asks any more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import counted
from etlrun.spec.project import find_project


@click.command("prune")
@click.option("--yes", is_flag=True, help="Remove them; without it they are listed.")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile whose label store is changed.")
def command(yes: bool, profile: str) -> None:
    """List, or with --yes remove, the questions that no prompt of the project asks any more of any model of its profiles.

    An edited prompt is another question: with the old one goes what `etlrun llm diff` compares with, and what an undone edit would
    find again without paying. In a store that several projects share, questions of the others are listed too.
    """
    from etlrun.enrich.dollars import dollars
    from etlrun.enrich.housekeeping import prune, unused
    from etlrun.enrich.labels import open_labels

    project = find_project(Path.cwd())
    with closing(open_labels(project, project.profile(profile))) as store:
        costs = unused(project, store)
        if not costs:
            tell("every question of the store is still asked")
            return
        lines = [
            (cost.question, cost.prompt, cost.source, sum(cost.statuses.values()), dollars(cost.usd), cost.last_at)
            for cost in costs
        ]
        tell(table_text(("question", "prompt", "source", "answers", "usd", "last"), lines))
        for job in store.jobs([cost.question for cost in costs]):
            tell(
                f"{job.source} is at work on job {job.id} ({job.name or 'not named yet'}): removing it here does not stop it, and it costs up to "
                f"{dollars(job.usd)}; `etlrun llm jobs --cancel {job.id}` before that ends it"
            )
        if not yes:
            tell(f"--yes removes {counted(len(costs), 'question')} and what belongs to it")
            return
        tell(f"removed: {counted(len(costs), 'question')}, {counted(prune(store, costs), 'answer')}")
