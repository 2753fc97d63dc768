"""`etlrun init`: creates a new project."""

from __future__ import annotations

from pathlib import Path

import click

from etlrun.cli.words import tell
from etlrun.diagnostics import counted
from etlrun.samples.projects import TEMPLATES


@click.command("init")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--template",
    default=TEMPLATES[0],
    show_default=True,
    type=click.Choice(TEMPLATES),
    help="`minimal`: one CSV file, one pipeline and its test. `customer360`: two pipelines over sample logs, with mappings, a prompt and dashboards.",
)
def command(folder: Path, template: str) -> None:
    """Write a new project into DIR; `etlrun run` and `etlrun test` work in it at once.

    It contains etlrun.yaml with a profile `dev` on DuckDB, pipelines, their tests, the schemas for editors
    (`etlrun schema --write` writes them again), a .gitignore and a GitHub workflow. Existing files are not replaced.
    """
    from etlrun.cli.schema import schemas
    from etlrun.samples.projects import write_project

    written = write_project(folder, template, schemas())
    for path in written:
        click.echo(path)
    enter = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    tell(f"wrote {counted(len(written), 'file')}; next: {enter}etlrun run, etlrun test", err=True)
