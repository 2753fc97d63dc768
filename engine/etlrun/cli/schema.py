"""`etlrun schema`: the JSON Schema of pipelines, plugins included, and the functions of expressions."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("schema")
@click.option("--project", "of_project", is_flag=True, help="The schema of etlrun.yaml instead.")
@click.option("--tests", "of_tests", is_flag=True, help="The schema of `*.test.yaml` instead.")
@click.option("--dashboards", "of_dashboards", is_flag=True, help="The schema of dashboards instead.")
@click.option("--write", is_flag=True, help="Write all four into schemas/ of the project instead, for editors.")
@click.option("--functions", is_flag=True, help="The functions that expressions may call instead.")
def command(of_project: bool, of_tests: bool, of_dashboards: bool, write: bool, functions: bool) -> None:
    """Print the JSON Schema (draft-07) of a pipeline, for editors and CI."""
    if functions:
        from etlrun.language.functions import FUNCTIONS

        for function in FUNCTIONS.values():
            takes = ", ".join(kind.lstrip("=") for kind in function.takes)
            click.echo(f"{function.name}({takes}): {function.doc}")
        return
    if write:
        from etlrun.samples.projects import write_schemas
        from etlrun.spec.project import find_project

        project = find_project(Path.cwd())
        click.echo(project.shown(write_schemas(project.root, schemas())))
        return
    wanted = "project" if of_project else "dashboard" if of_dashboards else "test" if of_tests else "pipeline"
    click.echo(schemas()[wanted], nl=False)


def schemas() -> dict[str, str]:
    """The schemas of a project's files, by what they are of."""
    from etlrun.dashboards import spec as dashboards
    from etlrun.spec import cases, pipeline
    from etlrun.spec.project import project_schema

    return {
        "project": json.dumps(pipeline.public(project_schema()), indent=1, ensure_ascii=False) + "\n",
        "pipeline": pipeline.schema_text(),
        "test": cases.schema_text(),
        "dashboard": dashboards.schema_text(),
    }
