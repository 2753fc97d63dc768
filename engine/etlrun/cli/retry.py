"""`etlrun retry`: go on with a run of the project."""

from __future__ import annotations

from pathlib import Path

import click

from etlrun.cli.options import ProjectOptions, choosing, gathered, waiting
from etlrun.cli.words import tell


@click.command("retry")
@choosing
@click.option(
    "--yes", is_flag=True, help="Ask models without a question, whatever it costs within the budgets of the pipeline."
)
@waiting
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="How many pipelines run at once."
)
@click.option("--json", "as_json", is_flag=True, help="Print an array with an object for each pipeline.")
@click.option("-q", "--quiet", is_flag=True, help="Only say what went wrong.")
@gathered(ProjectOptions)
def command(options: ProjectOptions) -> None:
    """Run what the last `etlrun run` of the project left open: pipelines that failed, were skipped, or were not reached.

    Give the same --profile, --engine and --set as for that run. The exit codes are those of `etlrun run`.
    """
    from etlrun.cli.run_project import project_graph, run_project
    from etlrun.runtime.project_run import left_open
    from etlrun.spec.project import find_project

    project = find_project(Path.cwd())
    names = left_open(project.path(project.settings.runs))
    graph = project_graph(options.profile, options.engine, options.settings)
    chosen = [name for name in graph.pipelines if name in names]
    if not chosen:
        tell("the last run of the project left nothing open", err=True)
        return
    raise SystemExit(run_project(graph, chosen, options))
