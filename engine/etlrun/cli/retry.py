"""`etlrun retry`: continues a run of the project."""

from __future__ import annotations

from pathlib import Path

import click

from etlrun.cli.options import ProjectOptions, choosing, gathered, waiting
from etlrun.cli.words import tell


@click.command("retry")
@choosing
@click.option(
    "--yes", is_flag=True, help="Call models without asking for confirmation. The budgets of the pipeline still apply."
)
@waiting
@click.option(
    "--jobs", default=1, show_default=True, type=click.IntRange(1, 64), help="How many pipelines run at the same time."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array with one object for each pipeline.")
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@gathered(ProjectOptions)
def command(options: ProjectOptions) -> None:
    """Run the pipelines that the last `etlrun run` of the project did not finish.

    These are pipelines that failed, were skipped after a failure, or were not started.

    Use the same --profile, --engine and --set as for that run. The exit codes are those of `etlrun run`.
    """
    from etlrun.cli.run_project import project_graph, run_project
    from etlrun.runtime.project_run import left_open
    from etlrun.runtime.run_place import run_place
    from etlrun.spec.project_file import find_project

    project = find_project(Path.cwd())
    names = left_open(run_place(project))
    graph = project_graph(options.profile, options.engine, options.settings)
    chosen = [name for name in graph.pipelines if name in names]
    if not chosen:
        tell("all pipelines of the last run of the project are done", err=True)
        return
    raise SystemExit(run_project(graph, chosen, options))
