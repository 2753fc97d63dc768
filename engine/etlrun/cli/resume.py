"""`etlrun resume`: publishes the staged rows of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from etlrun.cli.options import waiting
from etlrun.cli.reporting import reporting
from etlrun.cli.words import tell
from etlrun.spec.project_file import find_project


@click.command("resume")
@click.argument("run", metavar="RUN")
@waiting
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to standard output.")
def command(run: str, wait: float, as_json: bool) -> None:
    """Publish the checked rows of a run whose publish failed or was killed.

    RUN is an id from `etlrun runs`, or the beginning of one.

    Nothing is read or computed again. A sink that was already published is skipped.
    """
    from etlrun.cli.options import checked_pipeline
    from etlrun.runtime.resume import resume
    from etlrun.runtime.run_place import run_place
    from etlrun.runtime.run_records import find_run

    project = find_project(Path.cwd())
    found = find_run(run_place(project), run)
    folder, record = found.folder, found.record
    settings = tuple(f"{name}={value}" for name, value in record.params.items())
    checked = checked_pipeline(Path(record.file), record.profile, "", settings)
    with reporting(record.pipeline) as reporter:
        record = resume(checked, folder, record, reporter, wait)
    if as_json:
        click.echo(json.dumps(record.as_json(), ensure_ascii=False))
    else:
        tell(f"{record.pipeline}: published the rows of the run {record.run_id}", err=True)
