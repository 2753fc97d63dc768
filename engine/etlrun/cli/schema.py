"""`etlrun schema`: the JSON Schema of pipelines, plugins included, and the functions of expressions."""

from __future__ import annotations

import json

import click


@click.command("schema")
@click.option("--project", "of_project", is_flag=True, help="The schema of etlrun.yaml instead.")
@click.option("--tests", "of_tests", is_flag=True, help="The schema of `*.test.yaml` instead.")
@click.option("--dashboards", "of_dashboards", is_flag=True, help="The schema of dashboards instead.")
@click.option("--functions", is_flag=True, help="The functions that expressions may call instead.")
def command(of_project: bool, of_tests: bool, of_dashboards: bool, functions: bool) -> None:
    """Print the JSON Schema (draft-07) of a pipeline, for editors and CI."""
    if functions:
        from etlrun.language.functions import FUNCTIONS

        for function in FUNCTIONS.values():
            takes = ", ".join(kind.lstrip("=") for kind in function.takes)
            click.echo(f"{function.name}({takes}): {function.doc}")
        return
    from etlrun.dashboards import spec as dashboards
    from etlrun.spec import cases, pipeline
    from etlrun.spec.project import project_schema

    if of_project:
        click.echo(json.dumps(pipeline.public(project_schema()), indent=1, ensure_ascii=False))
        return
    chosen = dashboards if of_dashboards else cases if of_tests else pipeline
    click.echo(chosen.schema_text(), nl=False)
