"""One pipeline for several values of its params, such as a span of months: a run for each, in order, those that are done left out."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from etlrun.cli.options import ProjectOptions, checked_pipeline
from etlrun.cli.run_project import run_graph
from etlrun.compiler.check import Checked
from etlrun.compiler.project_graph import ProjectGraph
from etlrun.diagnostics import nearest
from etlrun.spec.params import ParamError, read_value

PERIODS = ("month", "date")
MOST = 10_000  # values of one span


def run_periods(path: Path, first: str, last: str, options: ProjectOptions) -> int:
    """Run a pipeline for each value from `first` to `last`; gives the exit code. Raises UsageError, SpecError."""
    checked = checked_pipeline(path, options.profile, options.engine, options.settings, runs=False)
    param = _param(checked)
    kind = checked.pipeline.params[param].type
    return _run_all(path, checked, {param: tuple(_values(kind, first, last))}, options)


def run_values(path: Path, listed: Sequence[str], options: ProjectOptions) -> int:
    """Run a pipeline for each value of `NAME=VALUE,VALUE,FIRST..LAST`; of several names, for each choice of one value each.

    Gives the exit code. Raises UsageError, SpecError.
    """
    checked = checked_pipeline(path, options.profile, options.engine, options.settings, runs=False)
    chosen: dict[str, tuple[str, ...]] = {}
    for text in listed:
        name, sign, values = text.partition("=")
        name = name.strip()
        if not sign or name in chosen:
            what = (
                f"`{name}` has values already: write all in one list, `{name}=A,B`"
                if sign
                else f"`{text}` is not NAME=VALUE,VALUE"
            )
            raise click.BadParameter(what, param_hint="--for")
        if name not in checked.pipeline.params:
            fix = (
                nearest(name, checked.pipeline.params)
                or f"its params are {', '.join(checked.pipeline.params) or 'none'}"
            )
            message = f"the pipeline `{checked.pipeline.name}` has no param `{name}`; {fix}"
            raise click.BadParameter(message, param_hint="--for")
        chosen[name] = tuple(dict.fromkeys(_listed(checked.pipeline.params[name].type, name, values)))
    return _run_all(path, checked, chosen, options)


def _listed(kind: str, name: str, values: str) -> Iterator[str]:
    for part in map(str.strip, values.split(",")):
        first, dots, last = part.partition("..")
        if not part:
            raise click.BadParameter(f"`{name}={values}` has an empty value", param_hint="--for")
        if dots and kind in PERIODS:
            yield from _values(kind, first.strip(), last.strip(), "--for", "--for")
            continue
        try:
            read_value(part, kind)
        except ParamError as error:
            raise click.BadParameter(f"{name}: {error} ({error.fix})", param_hint="--for") from error
        yield part


def _run_all(path: Path, checked: Checked, chosen: Mapping[str, tuple[str, ...]], options: ProjectOptions) -> int:
    """A run for each choice of one value of each param, one after another; the values of the last param change fastest.

    Raises UsageError where a run would replace what the run before it published.
    """
    for param in (name for name, values in chosen.items() if len(values) > 1):
        _refuse_whole_tables(checked, param)
        _refuse_shared_parts(checked, param)
    count = math.prod(map(len, chosen.values()))
    if count > MOST:
        raise click.UsageError(f"these are {count:,} runs; {MOST:,} are the most")
    runs: dict[str, Checked] = {}
    upstream: dict[str, tuple[str, ...]] = {}
    for values in itertools.product(*chosen.values()):
        name = f"{checked.pipeline.name} {', '.join(values)}"  # no value holds a comma, so each run has its own name
        upstream[name] = tuple(runs)[-1:]
        settings = (*options.settings, *(f"{param}={value}" for param, value in zip(chosen, values, strict=True)))
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


def _refuse_shared_parts(checked: Checked, param: str) -> None:
    """Raises UsageError for a sink that replaces the same part with each value of a param."""
    for sink, use in checked.pipeline.sinks.items():
        part = use.value.place(sink)[2]
        if part and not re.search(rf"\$\{{?{re.escape(param)}\b", part, re.IGNORECASE):
            raise click.UsageError(
                f"`{sink}` replaces the same rows for each {param}, so only those of the last would stay; "
                f"say whose they are: `write: {{replace_where: ... and COLUMN = ${param}}}`"
            )


def _values(kind: str, first: str, last: str, at: str = "--from", until: str = "--to") -> Iterator[str]:
    """The months or days from `first` to `last`, both included. Raises BadParameter."""
    for option, text in ((at, first), (until, last)):
        try:
            read_value(text, kind)
        except ParamError as error:
            raise click.BadParameter(f"{error} ({error.fix})", param_hint=option) from error
    if last < first:
        raise click.BadParameter(f"{last} is before {first}", param_hint=until)
    day = datetime.date.fromisoformat(first if kind == "date" else f"{first}-01")
    for _ in range(MOST):
        text = day.isoformat() if kind == "date" else day.isoformat()[:7]
        if text > last:
            return
        yield text
        step = 1 if kind == "date" else 32
        day += datetime.timedelta(days=step)
        day = day if kind == "date" else day.replace(day=1)
    raise click.BadParameter(f"these are more than {MOST:,} values", param_hint=until)
