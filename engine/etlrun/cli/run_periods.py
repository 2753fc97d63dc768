"""One pipeline for a span of months or days: a run for each value of its `month` or `date` param, in order, those that are done left out."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path

import click

from etlrun.cli.options import ProjectOptions, checked_pipeline
from etlrun.cli.run_project import run_graph
from etlrun.compiler.check import Checked
from etlrun.compiler.project_graph import ProjectGraph
from etlrun.spec.params import ParamError, read_value

PERIODS = ("month", "date")
MOST = 10_000  # values of one span


def run_periods(path: Path, first: str, last: str, options: ProjectOptions) -> int:
    """Run a pipeline for each value from `first` to `last`; gives the exit code. Raises UsageError, SpecError."""
    checked = checked_pipeline(path, options.profile, options.engine, options.settings, runs=False)
    param = _param(checked)
    kind = checked.pipeline.params[param].type
    _refuse_whole_tables(checked, param)
    runs: dict[str, Checked] = {}
    upstream: dict[str, tuple[str, ...]] = {}
    for value in _values(kind, first, last):
        name = f"{checked.pipeline.name} {value}"
        upstream[name] = tuple(runs)[-1:]
        settings = (*options.settings, f"{param}={value}")
        runs[name] = checked_pipeline(path, options.profile, options.engine, settings)
    return run_graph(ProjectGraph(runs, upstream, {}), tuple(runs), options)


def _param(checked: Checked) -> str:
    found = [name for name, param in checked.pipeline.params.items() if param.type in PERIODS]
    if len(found) != 1:
        what = "has no param" if not found else f"has {len(found)} params ({', '.join(found)})"
        message = f"`{checked.pipeline.name}` {what} of the type `month` or `date`, and --from and --to need one"
        raise click.UsageError(f"{message}; run it for each value with --set")
    return found[0]


def _refuse_whole_tables(checked: Checked, param: str) -> None:
    """Raises UsageError for a sink that would hold the last value's rows only."""
    for sink, use in checked.pipeline.sinks.items():
        if use.value.replaces_all():
            raise click.UsageError(
                f"`{sink}` replaces all that is there with each run, so only the last {param} would stay; "
                f"replace a part: `write: {{replace_where: COLUMN = ${param}}}`"
            )


def _values(kind: str, first: str, last: str) -> Iterator[str]:
    """The months or days from `first` to `last`, both included. Raises BadParameter."""
    for option, text in (("--from", first), ("--to", last)):
        try:
            read_value(text, kind)
        except ParamError as error:
            raise click.BadParameter(f"{error} ({error.fix})", param_hint=option) from error
    if last < first:
        raise click.BadParameter(f"{last} is before {first}", param_hint="--to")
    day = datetime.date.fromisoformat(first if kind == "date" else f"{first}-01")
    for _ in range(MOST):
        text = day.isoformat() if kind == "date" else day.isoformat()[:7]
        if text > last:
            return
        yield text
        step = 1 if kind == "date" else 32
        day += datetime.timedelta(days=step)
        day = day if kind == "date" else day.replace(day=1)
    raise click.BadParameter(f"these are more than {MOST:,} values", param_hint="--to")
