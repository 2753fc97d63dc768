"""`etlrun docs`: builds the documentation of the project as static pages."""

from __future__ import annotations

import json
from pathlib import Path

import click

from etlrun.cli.words import tell
from etlrun.diagnostics import counted


@click.group("docs")
def command() -> None:
    """Build the documentation of the project: HTML pages that open from disk."""


@command.command("build")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/docs"),
    show_default=True,
    help="The folder for the pages.",
)
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile of etlrun.yaml to use.")
@click.option("--force", is_flag=True, help="Replace the folder even if it contains files that etlrun did not write.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--open", "opens", is_flag=True, help="Open the first page in a browser.")
def build(output: Path, profile: str, *, force: bool, as_json: bool, opens: bool) -> None:
    """Write HTML pages about the project.

    Every pipeline, column, test, mapping and prompt has a page. The pages show graphs, lineage, SQL, checks and runs, and have a
    search over all columns.

    No pipeline is run and no connection is opened. The pages need no server and send no requests.
    """
    from etlrun.cli.run_project import project_graph
    from etlrun.runtime.generated_folder import replace_generated, write_generated
    from etlrun.runtime.site_facts import gather_facts
    from etlrun.site.pages import site_pages

    graph = project_graph(profile, "", ())
    project = next(iter(graph.pipelines.values())).project
    pages = site_pages(gather_facts(project, graph))
    (replace_generated if force else write_generated)(output, pages)
    first = output / "index.html"
    if as_json:
        click.echo(json.dumps({"index": str(first), "pages": len(pages)}))
    else:
        click.echo(str(first))
        tell(f"{counted(len(pages), 'page')} of {counted(len(graph.pipelines), 'pipeline')}", err=True)
    if opens:
        click.launch(str(first))
