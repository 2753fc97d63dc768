"""Options that several commands share, and the checked pipeline, profile and engine that they choose."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from etlrun.compiler.check import Checked
from etlrun.compiler.producers import ProjectPipelines, check_file, name_in
from etlrun.compiler.project_graph import find_unpublished
from etlrun.diagnostics import Diagnostic, SpecError, nearest, shortened
from etlrun.failures import RunFailure
from etlrun.spec.cases import is_case_file, pipelines_below
from etlrun.spec.project import Use
from etlrun.spec.project_file import find_project
from etlrun.spec.registry import kinds

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class ProjectOptions:
    """The options of `etlrun run` and `etlrun retry`."""

    profile: str
    engine: str
    settings: tuple[str, ...]
    yes: bool
    wait: float
    as_json: bool
    quiet: bool
    jobs: int
    max_usd: float | None = None
    dry_run: bool = False
    full: bool = False
    junit: Path | None = None


def gathered(kind: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options that are fields of the dataclass `kind` as one value, its parameter `options`."""
    names = {field.name for field in fields(kind)}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def with_options(**given: object) -> None:
            own = {name: value for name, value in given.items() if name not in names}
            command(**own, options=kind(**{name: value for name, value in given.items() if name in names}))

        return with_options

    return decorate


class Seconds(click.ParamType[float]):
    """A span of time, `30s`, `10m` or `2h`, in seconds."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        found = re.fullmatch(r"(\d{1,6})([smh])", str(value))
        if found is None:
            self.fail(f"`{value}` is not a duration; write it as 30s, 10m or 2h", param, ctx)
        return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


waiting = click.option(
    "--wait",
    type=Seconds(),
    metavar="TIME",
    default="0s",
    help="How long to wait (30s, 10m, 2h) for a table that another run is publishing, and for batch jobs of models.",
)


class PipelineFile(click.ParamType[Path]):
    """A pipeline's file; completion offers those of pipelines/."""

    name = "pipeline"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = named_pipeline(str(value)) or Path(value)
        if os.path.isdir(path):
            self.fail(f"{value} is a folder; name a file in it", param, ctx)
        if not os.path.isfile(path):  # nor is a path of 300 characters, for which `Path.is_file` raises
            known = known_pipelines()
            hint = nearest(str(value), known if "/" in str(value) else [Path(found).stem for found in known]) or (
                f"the pipelines are {shortened(known)}" if known else ""
            )
            is_setting = "=" in str(value) and "/" not in str(value)
            hint = f"to set a param, write --set {value}" if is_setting else hint
            self.fail(f"there is no file {value}" + (f" ({hint})" if hint else ""), param, ctx)
        if is_case_file(path):
            self.fail(f"{value} is a file of tests: run etlrun test {value}", param, ctx)
        return path

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        ours = [CompletionItem(path) for path in known_pipelines() if path.startswith(incomplete)]
        return ours or [CompletionItem(incomplete, type="file")]


def known_pipelines() -> list[str]:
    """The paths of the pipelines of the project around the current folder."""
    return [str(path) for path in pipelines_below(project_folder("pipelines"))]


def named_pipeline(text: str) -> Path | None:
    """The file of the pipeline with this name or file name; None if it is a path, or does not exist.

    A folder with the name of a pipeline does not hide the pipeline.
    """
    if os.path.isfile(text) or "/" in text or text.endswith((".yaml", ".yml")):
        return None
    files = [Path(path) for path in known_pipelines()]
    return next((path for path in files if path.stem == text), None) or next(
        (path for path in files if name_in(path) == text), None
    )


def project_folder(name: str) -> Path:
    """A folder of the project around the current folder, as a relative path."""
    project = find_project(Path.cwd())
    return Path(project.shown(project.path(name)))


def _complete_profile(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    with contextlib.suppress(SpecError):
        return [name for name in find_project(Path.cwd()).profiles if name.startswith(incomplete)]
    return []


def complete_relation(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Complete the relations of the pipeline in the previous argument."""
    with contextlib.suppress(SpecError, OSError):
        pipeline = check_file(Path(ctx.params["pipeline"])).pipeline
        return [name for name in (*pipeline.sources, *pipeline.chains) if name.startswith(incomplete)]
    return []


def choosing(command: Command) -> Command:
    """Add `--profile`, `--engine` and `--set`."""
    setting = click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="NAME=VALUE",
        help="Set a param or variable; may be repeated.",
    )
    return choosing_engine(setting(command))


def choosing_engine(command: Command) -> Command:
    """Add `--profile` and `--engine`."""
    options = (
        click.option(
            "--profile",
            default="",
            envvar="ETLRUN_PROFILE",
            shell_complete=_complete_profile,
            help="The profile of etlrun.yaml to use.",
        ),
        click.option(
            "--engine",
            default="",
            envvar="ETLRUN_ENGINE",
            type=click.Choice(["", "spark", "duckdb"]),
            metavar="[spark|duckdb]",
            help="Use this engine instead of the one in the profile.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def selecting(command: Command) -> Command:
    """Add `--select` and `--exclude`."""
    names = "NAME, +NAME, NAME+, tag:WORD, owner:NAME"
    only = click.option(
        "--select", multiple=True, metavar="NAMES", help=f"Run only these pipelines of the project: {names}."
    )
    return only(
        click.option("--exclude", multiple=True, metavar="NAMES", help="Leave out these pipelines of the project.")(
            command
        )
    )


def checked_pipeline(path: Path, profile: str, engine: str, settings: tuple[str, ...], *, runs: bool = True) -> Checked:
    """The checked pipeline at `path` with the options applied. Raises SpecError; with `runs`, every param must have a value."""
    chosen = read_settings(settings)
    checked = check_file(path, profile, chosen)
    if problems := find_unpublished([checked], ProjectPipelines(checked.project, profile, chosen)):
        raise SpecError(problems)
    known = {**checked.pipeline.params, **checked.project.variables}
    for name in chosen:
        if name not in known:
            names = f"its params and the project's variables are: {', '.join(known)}"
            fix = nearest(name, tuple(known)) or (names if known else "remove the option: the pipeline has no params")
            raise RunFailure(
                "usage",
                "unknown-param",
                f"--set {name}: the pipeline `{checked.pipeline.name}` has no param `{name}`",
                fix,
            )
    if runs and checked.pipeline.unset:
        raise SpecError(unset_params(checked))
    return with_engine(checked, engine)


def unset_params(checked: Checked) -> list[Diagnostic]:
    """A mistake for each param without a value."""
    document = checked.pipeline.document
    return [
        document.diagnose_key(
            ("params", name), "missing-param", f"the param `{name}` has no value", f"give one: --set {name}=VALUE"
        )
        for name in checked.pipeline.unset
    ]


def with_engine(checked: Checked, engine: str) -> Checked:
    """The pipeline with another engine; the settings of the profile's own engine stay with it."""
    if not engine:
        return checked
    if engine == checked.profile.engine.kind:
        return replace(checked, profile=replace(checked.profile, names_engine=True))
    chosen = Use(engine, kinds("engines")[engine](), ())
    return replace(checked, profile=replace(checked.profile, engine=chosen, names_engine=True))


def read_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` texts as a mapping. Raises BadParameter."""
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"`{setting}` is not NAME=VALUE", param_hint="--set")
        if name.strip() in found:
            message = f"`{name.strip()}` is set twice, but a run uses one value; for several runs write --for {name.strip()}=A,B"
            raise click.BadParameter(message, param_hint="--set")
        found[name.strip()] = value
    return found
