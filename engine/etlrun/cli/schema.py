"""`etlrun schema`: prints the JSON Schema of pipelines, including plugins, and the functions of expressions."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("schema")
@click.option("--project", "of", flag_value="project", help="Print the schema of etlrun.yaml instead.")
@click.option("--tests", "of", flag_value="test", help="Print the schema of `*.test.yaml` instead.")
@click.option("--dashboards", "of", flag_value="dashboard", help="Print the schema of dashboards instead.")
@click.option("--mappings", "of", flag_value="mapping", help="Print the schema of mappings instead.")
@click.option("--prompts", "of", flag_value="prompt", help="Print the schema of the front matter of prompts instead.")
@click.option(
    "--write", is_flag=True, help="Write all six schemas into the folder schemas/ of the project, for editors."
)
@click.option("--functions", is_flag=True, help="List the functions that expressions may call instead.")
def command(of: str | None, *, write: bool, functions: bool) -> None:
    """Print the JSON Schema (draft-07) of a pipeline, for editors and CI."""
    if functions:
        from etlrun.language.functions import FUNCTIONS

        for function in FUNCTIONS.values():
            takes = ", ".join(kind.lstrip("=") for kind in function.takes)
            click.echo(f"{function.name}({takes}): {function.doc}")
        return
    if write:
        from etlrun.samples.projects import write_schemas
        from etlrun.spec.project_file import find_project

        project = find_project(Path.cwd())
        click.echo(project.shown(write_schemas(project.root, schemas())))
        return
    click.echo(schemas()[of or "pipeline"], nl=False)


def schemas() -> dict[str, str]:
    """The schemas of a project's files, by kind of file."""
    from etlrun.dashboards import spec as dashboards
    from etlrun.spec import cases, pipeline_schema
    from etlrun.spec.mappings import mapping_schema_text
    from etlrun.spec.project_file import project_schema_text
    from etlrun.spec.prompts import prompt_schema_text

    return {
        "project": project_schema_text(),
        "pipeline": pipeline_schema.schema_text(),
        "mapping": mapping_schema_text(),
        "prompt": prompt_schema_text(),
        "test": cases.schema_text(),
        "dashboard": dashboards.schema_text(),
    }
