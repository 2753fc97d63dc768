"""`etlrun llm prune`: removes answers to questions that the project no longer asks."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import counted
from etlrun.spec.project_file import find_project


@click.command("prune")
@click.option("--yes", is_flag=True, help="Remove them. Without this option they are only listed.")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the label store.")
def command(yes: bool, profile: str) -> None:
    """List questions that the project does not use any more; with --yes, remove them.

    A question is one version of a prompt together with a model; after an edit, a prompt is a new question. If you remove the old
    question, `etlrun llm diff` cannot compare with it; and if you undo the edit, all its keys must be asked and paid again. If
    several projects share the store, the questions of the others are listed too.
    """
    from etlrun.enrich.dollars import dollars
    from etlrun.enrich.housekeeping import prune, unused
    from etlrun.enrich.labels import open_labels

    project = find_project(Path.cwd())
    with closing(open_labels(project, project.profile(profile))) as store:
        costs = unused(project, store)
        if not costs:
            tell("all questions in the store are still in use")
            return
        lines = [
            (cost.question, cost.prompt, cost.source, sum(cost.statuses.values()), dollars(cost.usd), cost.last_at)
            for cost in costs
        ]
        tell(table_text(("question", "prompt", "source", "answers", "usd", "last"), lines))
        for job in store.jobs([cost.question for cost in costs]):
            tell(
                f"{job.source} still works on job {job.id} ({job.name or 'no name yet'}): removing it here does not stop it, and it may cost up to "
                f"{dollars(job.usd)}; to stop it, first run `etlrun llm jobs --cancel {job.id}`"
            )
        if not yes:
            tell(f"--yes removes {counted(len(costs), 'question')} with all answers")
            return
        tell(f"removed: {counted(len(costs), 'question')}, {counted(prune(store, costs), 'answer')}")
