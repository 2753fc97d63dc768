"""`etlrun check`: shows all mistakes in specifications and tests at once, without data and without an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from etlrun.cli.options import choosing, known_pipelines, named_pipeline, project_folder, read_settings
from etlrun.collector import not_collecting
from etlrun.compiler.check import Checked
from etlrun.compiler.producers import ProjectPipelines
from etlrun.compiler.project_graph import find_unpublished, make_graph
from etlrun.dashboards.spec import FOLDER as DASHBOARDS
from etlrun.dashboards.spec import dashboards_below, is_dashboard_file
from etlrun.diagnostics import FORMATS, Diagnostic, SpecError, counted, nearest, shortened
from etlrun.spec.cases import case_files_below, is_case_file, pipelines_below
from etlrun.spec.project_file import find_project, project_file

FOLDERS = ("pipelines", DASHBOARDS)


@click.command("check")
@click.argument("paths", metavar="[PATH...]", nargs=-1, type=click.Path(path_type=Path))
@choosing
@click.option(
    "--format",
    "form",
    default="text",
    type=click.Choice(list(FORMATS)),
    show_default=True,
    help="The output format.",
)
def command(paths: tuple[Path, ...], profile: str, engine: str, settings: tuple[str, ...], form: str) -> None:
    """Check pipelines, tests and dashboards for mistakes, without running anything.

    PATH is a file, the name of a pipeline, or a folder. Default: pipelines/ and dashboards/.

    Without PATH, the project is also checked as a whole: if one pipeline reads a table of another, that one must publish it with
    fitting columns and types. Two pipelines must not have the same name or write to the same table, and no pipeline may depend on
    itself.

    All mistakes are shown, sorted by place, each with a fix. Exit code 0 if there are no mistakes, 2 otherwise; warnings do not
    count.
    """
    given = tuple(map(_named, paths)) or _usual_folders()
    found = {_missing(path) for path in given if not path.exists()}
    files = list(dict.fromkeys(file for path in given for file in _files(path)))
    if not files and not found:
        raise click.UsageError(f"there is no pipeline in {', '.join(map(str, given))}")
    with not_collecting():
        projects: dict[Path, ProjectPipelines] = {}
        mistakes, checked = _check_each(files, profile, read_settings(settings), projects)
        between = make_graph(checked)[1] if not paths else []
        for root, pipelines in projects.items() if paths else ():
            between += find_unpublished([one for one in checked if one.project.root == root], pipelines)
    found |= {*mistakes, *between}
    text = FORMATS[form](sorted(found))
    if text:
        click.echo(text)
    errors = sum(diagnostic.severity == "error" for diagnostic in found)
    if form == "text":
        click.echo(f"{_counted(files)}: {_verdict(errors, len(found) - errors)}", err=True)
    raise SystemExit(2 if errors else 0)


def _check_each(
    files: Sequence[Path], profile: str, settings: dict[str, str], projects: dict[Path, ProjectPipelines]
) -> tuple[set[Diagnostic], list[Checked]]:
    """The mistakes and warnings of each single file, and the pipelines without mistakes; their projects are added to `projects`."""
    found: set[Diagnostic] = set()
    checked: list[Checked] = []
    for file in files:
        try:
            if is_case_file(file):
                from etlrun.compiler.cases import check_cases  # imported here: only tests need it

                found.update(check_cases(file, profile).warnings)
            elif is_dashboard_file(file):
                from etlrun.dashboards.check import check_dashboard

                found.update(check_dashboard(file, profile, settings).checked.warnings)
            else:
                project = find_project(file)
                pipelines = projects.setdefault(project.root, ProjectPipelines(project, profile, settings))
                checked.append(pipelines.check(file))
                found.update(checked[-1].warnings)
        except SpecError as error:
            found.update(error.diagnostics)
    return found, checked


def _usual_folders() -> tuple[Path, ...]:
    """The folders of the project for pipelines and dashboards; the one for pipelines if there is none."""
    try:
        folders = tuple(map(project_folder, FOLDERS))
    except SpecError:  # the mistakes of the project file are shown with those of the pipelines
        folders = tuple(map(Path, FOLDERS))
        if not any(path.is_dir() for path in folders):
            raise
    return tuple(path for path in folders if path.is_dir()) or folders[:1]


def _files(path: Path) -> Iterator[Path]:
    """The pipelines and tests in a folder and below, or its dashboards; for a project, those in its usual folders.

    A path of a file is used whatever its name.
    """
    if not path.is_dir():
        yield from (path,) if path.exists() else ()
        return
    if project_file(path):
        yield from dashboards_below(path / DASHBOARDS)
        path = path / "pipelines"
    if path.resolve().name == DASHBOARDS:
        yield from dashboards_below(path)
        return
    yield from pipelines_below(path)
    yield from case_files_below(path)


def _named(path: Path) -> Path:
    """The file of a pipeline that is given by its name; a folder stays a folder."""
    return path if path.is_dir() else named_pipeline(str(path)) or path


def _missing(path: Path) -> Diagnostic:
    known = known_pipelines()
    fix = nearest(str(path), known) or (
        f"the pipelines are {shortened(known)}" if known else "run the command in the folder of the project"
    )
    return Diagnostic(str(path), 1, 1, 2, "file-not-found", f"there is no file or folder `{path}`", fix)


def _counted(files: Sequence[Path]) -> str:
    tests, dashboards = sum(map(is_case_file, files)), sum(map(is_dashboard_file, files))
    pipelines = len(files) - tests - dashboards
    parts = [counted(pipelines, "pipeline")] if pipelines or not files else []
    parts += [f"{counted(tests, 'file')} of tests"] if tests else []
    return ", ".join([*parts, counted(dashboards, "dashboard")] if dashboards else parts)


def _verdict(errors: int, warnings: int) -> str:
    if not errors and not warnings:
        return "no mistakes"
    return ", ".join(counted(count, word) for count, word in ((errors, "mistake"), (warnings, "warning")) if count)
