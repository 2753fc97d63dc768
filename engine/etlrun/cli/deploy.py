"""`etlrun deploy`: writes files with which a scheduler runs the project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.words import tell
from etlrun.failures import RunFailure

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked

FIELD = r"[0-9*/,A-Za-z-]+"
FIELDS = {
    "minute": (0, 59, ()),
    "hour": (0, 23, ()),
    "day of the month": (1, 31, ()),
    "month": (1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    "day of the week": (0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
}  # the smallest and the largest number of each field of cron, and names that can replace numbers


@click.command("deploy")
@click.argument("target", type=click.Choice(["airflow", "cron", "dagster", "github", "k8s"]))
@click.option("--schedule", default="0 5 * * *", show_default=True, metavar="CRON", help="The schedule of the project.")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile to run with.")
@click.option("--image", default="", metavar="NAME", help="k8s: the container image with etlrun and the project.")
@click.option(
    "--install",
    default="",
    metavar="ARGUMENTS",
    help="github and k8s: the arguments of `pip install`, such as `-r requirements.txt` or `wheels/NAME.whl` (files of the project). "
    "Default: the requirements.txt of the project; without one, etlrun with the extras that the profile needs.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    help="The folder for the files. Default: deploy/TARGET; for github: the current folder.",
)
@click.option("--force", is_flag=True, help="Replace existing files.")
def command(
    target: str, schedule: str, profile: str, image: str, install: str, output: Path | None, *, force: bool
) -> None:
    """Write the files with which a scheduler runs the project. Nothing is deployed.

    The scheduler runs the pipelines in the order of their dependencies.

    The files call the command line and use its exit codes: after 1 or 4 the scheduler tries the run again, after 2 or 3 it does
    not. The files contain no secrets: these stay in the environment of the scheduler. The workflow for github also checks and
    tests every change.
    """
    from etlrun.cli.run_project import project_graph
    from etlrun.deploy.airflow import airflow_files
    from etlrun.deploy.cron import cron_files
    from etlrun.deploy.dagster import dagster_files
    from etlrun.deploy.deployment import Deployment
    from etlrun.deploy.workflows import github_files, k8s_files

    if not re.fullmatch(rf"{FIELD}( {FIELD}){{4}}", schedule):
        raise click.BadParameter(
            f"`{schedule}` does not have five fields, such as `0 5 * * *`", param_hint="--schedule"
        )
    _verify_fields(schedule)
    graph = project_graph(profile, "", ())
    checked = next(iter(graph.pipelines.values()))
    writers = {
        "airflow": airflow_files,
        "cron": cron_files,
        "dagster": dagster_files,
        "github": github_files,
        "k8s": k8s_files,
    }
    pipelines = {name: graph.upstream[name] for name in graph.pipelines}
    words = _install_words(install, checked)
    files = writers[target](Deployment(checked.project.root.name, pipelines, schedule, profile, image, words))
    folder = output or (Path() if target == "github" else Path("deploy") / target)
    _write(folder, files, force=force)
    if target in ("github", "k8s") and words[0].startswith("etlrun"):
        tell(f"the files run `pip install {words[0]}`; from a wheel of your own: --install wheels/NAME.whl", err=True)


def _install_words(text: str, checked: Checked) -> tuple[str, ...]:
    """What the files install. Raises BadParameter."""
    from etlrun.deploy.installing import MissingInstallError, install_words

    try:
        return install_words(text, checked.project.root, checked.profile)
    except MissingInstallError as missing:
        message = f"there is no file {missing} in the project, and only files of the project are deployed"
        raise click.BadParameter(f"{message}: copy it there", param_hint="--install") from None
    except ValueError:
        raise click.BadParameter(f"`{text}` has a quote that is not closed", param_hint="--install") from None


def _write(folder: Path, files: dict[str, str], *, force: bool) -> None:
    """Write the files. Raises RunFailure, and writes nothing, if a file exists and differs."""
    there = [name for name, text in files.items() if _differs(folder / name, text)]
    if there and not force:
        message = f"{folder / there[0]} already exists with other content"
        raise RunFailure("usage", "not-empty", message, "keep your changes elsewhere, then write again with --force")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
        click.echo(str(folder / name))
    tell("nothing is deployed yet: check the files, then give them to the scheduler", err=True)


def _differs(path: Path, text: str) -> bool:
    return path.exists() and (not path.is_file() or path.read_text(encoding="utf-8", errors="replace") != text)


def _verify_fields(schedule: str) -> None:
    """Raises BadParameter for the first field that is not possible, such as hour 25."""
    for text, (name, (least, most, words)) in zip(schedule.split(), FIELDS.items(), strict=True):
        values = {**{str(number): number for number in range(least, most + 1)}, **dict.fromkeys(words, least)}
        for item in text.split(","):
            span, slash, step = item.partition("/")
            ends = [] if span == "*" else span.split("-")
            known = all((end.lower().lstrip("0") or "0") in values for end in ends) and len(ends) <= 2
            if not known or (slash and not (step.isdigit() and int(step))):
                allowed = f"{least} to {most}" + (f" or {words[0]} to {words[-1]}" if words else "")
                message = f"`{item}` is not a valid {name}: write {allowed}, `*`, a range `2-4` or a step `*/2`"
                raise click.BadParameter(message, param_hint="--schedule")
