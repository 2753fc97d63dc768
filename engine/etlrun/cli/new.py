"""`etlrun new`: writes a first pipeline for a data file."""

from __future__ import annotations

from pathlib import Path

import click

from etlrun.spec.project_file import find_project
from etlrun.spec.scope import NAME


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--from",
    "file",
    required=True,
    type=click.Path(exists=True, path_type=Path),
    metavar="FILE",
    help="The data file (.csv, .json or .parquet), or a folder of Parquet files.",
)
def command(name: str, file: Path) -> None:
    """Write a pipeline that reads FILE and publishes its rows, as a start for your own.

    The file is pipelines/NAME.yaml. Columns, types and the separator are detected from FILE. If its name has a day in it
    (`20220401.json`), the pipeline reads all days of the month `$month`. If it is in a folder such as `dt=2024-01-01`, the
    pipeline reads the folders of all values, and `dt` is a column.
    """
    from etlrun.reading.sketch import sketch_source
    from etlrun.reading.sketched_pipeline import write_pipeline

    if not NAME.match(name):
        raise click.BadParameter(
            f"`{name}` cannot be a name: use at most 64 letters, digits and `_`, and begin with a letter",
            param_hint="NAME",
        )
    project = find_project(Path.cwd())
    target = project.path("pipelines") / f"{name}.yaml"
    if target.exists():
        raise click.UsageError(f"{project.shown(target)} exists: choose another name, or remove it")
    schema = "../schemas/pipeline.json" if (project.root / "schemas" / "pipeline.json").is_file() else ""
    connection = next(iter(project.profile().connections), "warehouse")
    text = write_pipeline(name, sketch_source(file, project.root), connection, schema)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    shown = project.shown(target)
    click.echo(shown)
    places = project.places({})
    if not places.holds(file.resolve()):
        click.echo(f"{file} is outside the project: {places.fix(file.resolve())}", err=True)
    click.echo(f"wrote {shown}; next: etlrun check {shown}, etlrun show {shown} rows, etlrun {shown}", err=True)
