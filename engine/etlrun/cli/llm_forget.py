"""`etlrun llm forget`: removes everything about a key from the label store."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from etlrun.cli.words import tell
from etlrun.diagnostics import counted
from etlrun.spec.project_file import find_project


@click.command("forget")
@click.argument("keys", metavar="KEY...", nargs=-1, required=True)
@click.option(
    "--containing", is_flag=True, help="Remove every key that contains one of the texts, not only the exact keys."
)
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the label store.")
def command(keys: tuple[str, ...], containing: bool, profile: str) -> None:
    """Remove every answer about KEY from the label store, for all questions and spellings.

    If the store is a file, it is rewritten, so that no trace stays in it. The command also searches overrides/, prompts/,
    golden/, mappings/, CSV files of `etlrun llm review` beside etlrun.yaml, and the folders of runs (broken records, failing
    rows, stages, logs), and prints the files that still contain KEY.

    It does not search input files and published tables: correct the input, run again with --full, and build dashboards and
    documentation again. If the key is still in the data, the next run asks it again. The service that answered may keep
    requests for as long as its contract says.
    """
    from etlrun.enrich.housekeeping import forget_keys
    from etlrun.enrich.labels import open_labels
    from etlrun.enrich.traces import copies_of_inputs

    project = find_project(Path.cwd())
    with closing(open_labels(project, project.profile(profile))) as store:
        found = forget_keys(project, store, keys, parts=containing)
    removed = f"removed: {counted(found.answers, 'answer')} about {counted(len(found.keys), 'key')}"
    if found.answers or not found.in_jobs:
        tell(removed if found.answers else "the store has no answer about it")
    if found.in_jobs:
        tell(f"removed from open batch jobs: {counted(found.in_jobs, 'key')}; the replies about it are not stored")
    for trace in found.traces:
        tell(f"{trace.path} contains it too: {trace.fix}")
    copies = copies_of_inputs(project)
    tell(
        "not searched: the input files"
        + (f", their copies in {copies}" if copies else "")
        + (f", broken and failing rows of runs in {project.runs_url}" if project.runs_url else "")
        + ", published tables, and pages built from them"
    )
