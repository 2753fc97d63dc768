"""Runs one pipeline for several values of its params, such as a range of months: a graph with one run per value, in order."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from etlrun.cli.options import Command, checked_pipeline
from etlrun.compiler.check import Checked
from etlrun.compiler.project_graph import ProjectGraph
from etlrun.diagnostics import nearest
from etlrun.spec.params import ParamError, read_value

PERIODS = ("month", "date")
MOST = 10_000  # the most values of one range


@dataclass(frozen=True)
class ChosenValues:
    """The values of params chosen by `--from`, `--to` and `--for`; false if there are none."""

    first: str
    last: str
    listed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.first or self.last or self.listed)

    def graph(self, pipelines: Sequence[Path], profile: str, engine: str, settings: tuple[str, ...]) -> ProjectGraph:
        """One run for each combination of values, each after the previous one. Raises UsageError, SpecError."""
        if self.listed and (self.first or self.last or len(pipelines) != 1):
            raise click.UsageError("--for is for one PIPELINE, without --from and --to: `--for month=2024-01..2024-12`")
        if len(pipelines) != 1 or not (self.listed or (self.first and self.last)):
            raise click.UsageError("--from and --to go together, with one PIPELINE")
        checked = checked_pipeline(pipelines[0], profile, engine, settings, runs=False)
        chosen = self._listed_values(checked) if self.listed else self._periods(checked)
        _refuse_lost_rows(checked, chosen)
        runs: dict[str, Checked] = {}
        upstream: dict[str, tuple[str, ...]] = {}
        for values in itertools.product(*chosen.values()):
            name = f"{checked.pipeline.name} {', '.join(values)}"  # no value contains a comma, so each run has a unique name
            upstream[name] = tuple(runs)[-1:]
            given = (*settings, *(f"{param}={value}" for param, value in zip(chosen, values, strict=True)))
            runs[name] = checked_pipeline(pipelines[0], profile, engine, given)
        return ProjectGraph(runs, upstream, {})

    def _periods(self, checked: Checked) -> dict[str, tuple[str, ...]]:
        param = _param(checked)
        return {param: tuple(_values(checked.pipeline.params[param].type, self.first, self.last))}

    def _listed_values(self, checked: Checked) -> dict[str, tuple[str, ...]]:
        """The values of `NAME=VALUE,VALUE,FIRST..LAST`, for each name."""
        chosen: dict[str, tuple[str, ...]] = {}
        for text in self.listed:
            name, sign, values = text.partition("=")
            name = name.strip()
            if not sign or name in chosen:
                what = (
                    f"`{name}` is given twice: write all values in one list, `{name}=A,B`"
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
        return chosen


def spanning(verb: str) -> Callable[[Command], Command]:
    """Add `--from`, `--to` and `--for`, which `verb` (such as "run it") for each value."""

    def decorate(command: Command) -> Command:
        options = (
            click.option(
                "--from",
                "first",
                default="",
                metavar="VALUE",
                help=f"With one PIPELINE: {verb} for each month or day, starting with this one.",
            ),
            click.option("--to", "last", default="", metavar="VALUE", help="With --from: the last month or day."),
            click.option(
                "--for",
                "listed",
                multiple=True,
                metavar="NAME=VALUES",
                help=f"With one PIPELINE: {verb} for each of these values of a param: `shop=A,B`, `month=2024-01..2024-12`.",
            ),
        )
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _listed(kind: str, name: str, values: str) -> Iterator[str]:
    for part in map(str.strip, values.split(",")):
        first, dots, last = part.partition("..")
        if not part:
            raise click.BadParameter(f"`{name}={values}` has an empty value", param_hint="--for")
        if dots and kind in PERIODS:
            yield from _values(kind, first.strip(), last.strip(), "--for", "--for")
            continue
        if re.search(r"[^/.]\.\.[^/.]", part):
            message = f"only params of the type month or date have ranges, and `{name}` is of the type {kind}"
            fix = f"list the values, separated by commas, such as `{name}={first.strip()},{last.strip()}`"
            raise click.BadParameter(f"{message}: {fix}", param_hint="--for")
        try:
            read_value(part, kind)
        except ParamError as error:
            raise click.BadParameter(f"{name}: {error} ({error.fix})", param_hint="--for") from error
        yield part


def _refuse_lost_rows(checked: Checked, chosen: Mapping[str, tuple[str, ...]]) -> None:
    """Raises UsageError for too many runs, and if a run would replace the rows that the previous run published."""
    for param in (name for name, values in chosen.items() if len(values) > 1):
        _refuse_whole_tables(checked, param)
        _refuse_shared_parts(checked, param)
    count = math.prod(map(len, chosen.values()))
    if count > MOST:
        raise click.UsageError(f"this would be {count:,} runs; at most {MOST:,} are allowed")


def _param(checked: Checked) -> str:
    found = [name for name, param in checked.pipeline.params.items() if param.type in PERIODS]
    name = checked.pipeline.name
    if not found:
        message = f"`{name}` has no param of the type `month` or `date`, and --from and --to need one"
        raise click.UsageError(f"{message}: `params: {{month: month}}`")
    if len(found) > 1:
        message = f"`{name}` has {len(found)} params of the types `month` and `date` ({', '.join(found)})"
        raise click.UsageError(f"{message}; name one: `--for {found[0]}=FIRST..LAST`")
    return found[0]


def _refuse_whole_tables(checked: Checked, param: str) -> None:
    """Raises UsageError for a sink that would keep only the rows of the last value."""
    for sink, use in checked.pipeline.sinks.items():
        if use.value.replaces_all():
            raise click.UsageError(
                f"each run replaces all rows of `{sink}`, so only those of the last {param} would remain; "
                f"replace a part: `write: {{replace_where: COLUMN = ${param}}}`"
            )


def _refuse_shared_parts(checked: Checked, param: str) -> None:
    """Raises UsageError for a sink that replaces the same part with each value of a param."""
    for sink, use in checked.pipeline.sinks.items():
        part = use.value.place(sink)[2]
        if part and not re.search(rf"\$\{{?{re.escape(param)}\b", part, re.IGNORECASE):
            raise click.UsageError(
                f"each run replaces the same rows of `{sink}`, so only those of the last {param} would remain; "
                f"add the param to the condition: `write: {{replace_where: ... and COLUMN = ${param}}}`"
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
    raise click.BadParameter(f"this would be more than {MOST:,} values", param_hint=until)
