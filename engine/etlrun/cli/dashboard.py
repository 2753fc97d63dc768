"""`etlrun dashboard`: pages that show what pipelines published."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import choosing, read_settings
from etlrun.cli.words import tell
from etlrun.diagnostics import Diagnostic, SpecError, nearest
from etlrun.spec.project import find_project

if TYPE_CHECKING:
    from etlrun.dashboards.check import CheckedDashboard


@click.group("dashboard")
def command() -> None:
    """Pages that show what pipelines published: one HTML file each, that opens from disk."""


@command.command("build")
@click.argument("names", metavar="[NAME...]", nargs=-1)
@choosing
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/dashboards"),
    show_default=True,
    help="The folder of the pages.",
)
@click.option("--open", "opens", is_flag=True, help="Show the pages in a browser.")
def build(
    names: tuple[str, ...], profile: str, engine: str, settings: tuple[str, ...], output: Path, opens: bool
) -> None:
    """Build the pages of dashboards: names or files, or all of dashboards/ where none is given.

    A page holds sums for every combination of its filters and the rows of its tables, and sends nothing anywhere. All dashboards are
    checked before the first one is built.
    """
    from etlrun.dashboards.check import check_dashboard
    from etlrun.runtime.dashboards import build_page

    checked: list[CheckedDashboard] = []
    mistakes: list[Diagnostic] = []
    for path in _files(names):
        try:
            checked.append(check_dashboard(path, profile, read_settings(settings)))
        except SpecError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise SpecError(mistakes)
    for dashboard in checked:
        built = build_page(dashboard, output)
        click.echo(str(built.path))
        tell(f"{dashboard.spec.dashboard}: {built.rows:,} rows in a page of {built.size / 1000:,.0f} kB", err=True)
        if opens:
            webbrowser.open(built.path.resolve().as_uri())


def _files(names: tuple[str, ...]) -> list[Path]:
    from etlrun.dashboards.spec import FOLDER, dashboards_below

    folder = find_project(Path.cwd()).path(FOLDER)
    known = {path.stem: path for path in dashboards_below(folder)} if folder.is_dir() else {}
    if not names and not known:
        raise click.UsageError("there is no dashboard in dashboards/")
    found = []
    for name in names or known:
        path = known.get(name) or Path(name)
        if not path.is_file():
            fix = nearest(name, known) or (f"there is {', '.join(known)}" if known else "dashboards/ has none")
            raise click.UsageError(f"there is no dashboard `{name}` ({fix})")
        found.append(path)
    return found
