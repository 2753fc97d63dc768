"""`etlrun dashboard`: builds pages that show published tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.options import choosing, read_settings
from etlrun.cli.words import tell
from etlrun.diagnostics import Diagnostic, SpecError, nearest, shortened
from etlrun.spec.project_file import find_project

if TYPE_CHECKING:
    from etlrun.dashboards.checked import CheckedDashboard
    from etlrun.runtime.dashboards import Built

into_folder = click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/dashboards"),
    show_default=True,
    help="The folder for the pages.",
)


@click.group("dashboard")
def command() -> None:
    """Build dashboards: HTML pages that show published tables."""


@command.command("build")
@click.argument("names", metavar="[NAME...]", nargs=-1)
@choosing
@into_folder
@click.option(
    "--to",
    "form",
    type=click.Choice(["html", "powerbi", "ossie"]),
    default="html",
    show_default=True,
    help="One HTML file, a Power BI project, or (experimental) an Ossie semantic model.",
)
@click.option("--force", is_flag=True, help="Replace a Power BI project even if it was edited.")
@click.option("--open", "opens", is_flag=True, help="Open the result.")
def build(
    names: tuple[str, ...],
    profile: str,
    engine: str,
    settings: tuple[str, ...],
    output: Path,
    form: str,
    force: bool,
    opens: bool,
) -> None:
    """Build dashboards as HTML pages or Power BI projects.

    NAME is the name or file of a dashboard; default: all in dashboards/.

    A page contains sums for every combination of its filters and the rows of its tables, and sends no data anywhere. A Power BI
    project reads MySQL or a Parquet file. All dashboards are checked before the first one is built.
    """
    checked = _checked(_files(names), profile, read_settings(settings))
    for dashboard in checked:
        built = _build(dashboard, form, output, force=force)
        click.echo(str(built.path))
        tell(built.summary, err=True)
        for notice in built.notices:
            tell(notice, err=True)
        if opens:
            click.launch(str(built.path))


@command.command("watch")
@click.argument("names", metavar="[NAME...]", nargs=-1)
@choosing
@into_folder
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8320, show_default=True, help="The port; 0 uses any free port."
)
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
def watch(
    names: tuple[str, ...], profile: str, engine: str, settings: tuple[str, ...], output: Path, port: int, opens: bool
) -> None:
    """Serve dashboards on 127.0.0.1 and rebuild them when a file or table changes.

    Open pages reload. Mistakes are shown here and above the page, which stays unchanged until you correct them. Stop with Ctrl-C.
    """
    from etlrun.cli.dashboard_watch import watch_pages
    from etlrun.runtime.page_server import WatchedPages, serve

    _files(names)
    pages = WatchedPages(output)
    address = serve(pages, port)
    click.echo(f"{address}  until Ctrl-C")
    if opens:
        click.launch(address)
    chosen = read_settings(settings)
    watch_pages(pages, lambda: _checked(_files(names), profile, chosen))


def _build(dashboard: CheckedDashboard, form: str, output: Path, *, force: bool) -> Built:
    from etlrun.runtime.dashboards import build_ossie, build_page
    from etlrun.runtime.power_bi import build_project

    if form == "powerbi":
        return build_project(dashboard, output, force=force)
    return build_ossie(dashboard, output) if form == "ossie" else build_page(dashboard, output)


def _checked(paths: list[Path], profile: str, settings: dict[str, str]) -> list[CheckedDashboard]:
    """The checked dashboards of the files. Raises SpecError for mistakes and for two dashboards with one name."""
    from etlrun.dashboards.check import check_dashboard

    checked: list[CheckedDashboard] = []
    mistakes: list[Diagnostic] = []
    for path in paths:
        try:
            checked.append(check_dashboard(path, profile, settings))
        except SpecError as error:
            mistakes += error.diagnostics
    if mistakes:
        raise SpecError(mistakes)
    seen: dict[str, CheckedDashboard] = {}
    for dashboard in checked:
        other = seen.setdefault(dashboard.name.casefold(), dashboard)
        if other is not dashboard:
            message = f"the name `{dashboard.name}` is also used in {other.file.document.file}"
            raise SpecError([dashboard.file.document.diagnose(("dashboard",), "duplicate-name", message, "rename one")])
    return checked


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
            fix = nearest(name, known) or (
                f"the dashboards are {shortened(known)}" if known else "dashboards/ has none"
            )
            raise click.UsageError(f"there is no dashboard `{name}` ({fix})")
        found.append(path)
    return found
