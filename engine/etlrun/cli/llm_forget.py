"""`etlrun llm forget`: remove all that the label store knows of a key."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from etlrun.cli.words import tell
from etlrun.diagnostics import counted
from etlrun.spec.project import find_project


@click.command("forget")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option(
    "--containing", is_flag=True, help="Remove every key that contains one of the texts, not only the exact keys."
)
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the label store.")
def command(keys: tuple[str, ...], containing: bool, profile: str) -> None:
    """Remove every answer about KEY from the label store, for all questions and spellings.

    If the store is a file, it is rewritten, so that no trace stays in it. If the key is still in the data, the next run asks it
    again.
    """
    from etlrun.enrich.housekeeping import forget_keys
    from etlrun.enrich.labels import open_labels

    project = find_project(Path.cwd())
    with closing(open_labels(project, project.profile(profile))) as store:
        found = forget_keys(project, store, keys, parts=containing)
    removed = f"removed: {counted(found.answers, 'answer')} about {counted(len(found.keys), 'key')}"
    tell(removed if found.answers else "the store has no answer about it")
    for file in found.files:
        tell(f"{file} holds it too: edit the file")
