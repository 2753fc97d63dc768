"""Runs several pipelines of a project in the order of the graph, and reports them as a table, JSON and JUnit."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from etlrun.cli.live_line import LIVE_LINE
from etlrun.cli.options import ProjectOptions, read_settings, with_engine
from etlrun.cli.reporting import own_stderr, reporting
from etlrun.cli.same_choice import same_choice_object
from etlrun.cli.words import NO_ENGINE, failure_text, published_text, table_text, tell
from etlrun.compiler.producers import ProjectPipelines
from etlrun.compiler.project_graph import ProjectGraph, read_graph
from etlrun.compiler.selection import select
from etlrun.contracts.engine import kept_engines
from etlrun.diagnostics import counted, harmless
from etlrun.runtime.project_run import PipelineOutcome, ProjectRun, Reasons
from etlrun.runtime.record import Record, error_object
from etlrun.runtime.run import RunOptions
from etlrun.runtime.run_place import RunPlace, run_place
from etlrun.runtime.unfinished import run_or_end
from etlrun.spec.project_file import find_project
from etlrun.stopping import orderly
from etlrun.warehouse.turns import several_at_once


def project_graph(profile: str, engine: str, settings: tuple[str, ...]) -> ProjectGraph:
    """The graph of the project around the current folder. Raises SpecError, and UsageError if it has no pipeline."""
    project = find_project(Path.cwd())
    given = read_settings(settings)
    pipelines = ProjectPipelines(project, profile, given)
    if not pipelines.files:
        raise click.UsageError(f"there is no pipeline in {project.shown(project.path('pipelines'))}/")
    graph = read_graph(pipelines)
    refuse_unknown(graph, given)
    by_name = {name: with_engine(checked, engine) for name, checked in graph.pipelines.items()}
    return ProjectGraph(by_name, graph.upstream, graph.publishers)


def refuse_unknown(graph: ProjectGraph, settings: dict[str, str]) -> None:
    """Raises UsageError for a setting that no pipeline has."""
    known = {
        name for checked in graph.pipelines.values() for name in (*checked.pipeline.params, *checked.project.variables)
    }
    for name in settings:
        if name not in known:
            raise click.BadParameter(
                f"no pipeline has a param `{name}` (the params are {', '.join(sorted(known))})", param_hint="--set"
            )


def run_project(graph: ProjectGraph, chosen: Sequence[str], options: ProjectOptions) -> int:
    """Run pipelines of a project and report the outcome of each; returns the exit code. `etlrun retry` can continue it."""
    require_params(graph, chosen)
    project = next(iter(graph.pipelines.values())).project
    return run_graph(graph, chosen, options, run_place(project))


def run_graph(graph: ProjectGraph, chosen: Sequence[str], options: ProjectOptions, runs: RunPlace | None = None) -> int:
    """Run pipelines of a graph; outcomes are saved in `runs`, if given."""
    if not options.quiet and any(not graph.pipelines[name].profile.names_engine for name in chosen):
        tell(NO_ENGINE, err=True)
    started = time.monotonic()
    again = "`etlrun retry` runs what is not done" if runs is not None else "run the same command again to continue"
    outcomes: list[PipelineOutcome] = []
    stream = own_stderr()

    def notice(outcome: PipelineOutcome) -> None:
        outcomes.append(outcome)
        if outcome.failure is not None:
            LIVE_LINE.print_above(harmless(failure_text(outcome.failure)), stream)
        elif outcome.status == "failed":
            LIVE_LINE.print_above(harmless(outcome.reason), stream)

    def run_one(name: str, reason: str) -> Record:
        from etlrun.enrich.consent import Consent

        with reporting(name, quiet=options.quiet) as reporter:
            reporter.say(f"runs because {reason}")
            consent = Consent(options.yes, options.max_usd, reporter.confirm)
            given = RunOptions(publishes=not options.dry_run, consent=consent, wait=options.wait)
            return run_or_end(graph.pipelines[name], reporter, given)

    several = several_at_once() if options.jobs > 1 else contextlib.nullcontext()
    engines = [graph.pipelines[name].profile.engine.value for name in chosen]
    with orderly(), several, kept_engines(engines):  # a publish is reported even if an error or a signal follows
        try:
            found = ProjectRun(Reasons(graph, is_full=options.full), chosen, run_one, notice, options.jobs, runs).run()
        finally:
            _tell(
                outcomes,
                _table(outcomes, chosen, time.monotonic() - started, again),
                time.monotonic() - started,
                options,
            )
    return next((outcome.exit_code for outcome in found if outcome.exit_code), 0)


def require_params(graph: ProjectGraph, chosen: Sequence[str]) -> None:
    """Raises SpecError for params without a value in the chosen pipelines."""
    from etlrun.cli.options import unset_params
    from etlrun.diagnostics import SpecError

    missing = [found for name in chosen for found in unset_params(graph.pipelines[name])]
    if missing:
        raise SpecError(missing)


def _tell(outcomes: Sequence[PipelineOutcome], table: str, seconds: float, options: ProjectOptions) -> None:
    if not options.quiet or any(outcome.exit_code for outcome in outcomes):
        with contextlib.suppress(OSError):  # a closed terminal does not undo a publish
            tell(table, err=True)
    if options.as_json:
        click.echo(json.dumps([_object(outcome) for outcome in outcomes], ensure_ascii=False))
    if options.junit is not None:
        options.junit.write_text(_junit(outcomes, seconds), encoding="utf-8")


def _table(outcomes: Sequence[PipelineOutcome], names: Sequence[str], seconds: float, again: str) -> str:
    chosen = len(names)
    rows = [(found.pipeline, found.status, _seconds(found), _published(found), _why(found)) for found in outcomes]
    counts = {
        status: sum(found.status == status for found in outcomes)
        for status in dict.fromkeys(found.status for found in outcomes)
    }
    left = [f"{chosen - len(outcomes)} not started"] if len(outcomes) < chosen else []
    total = ", ".join([*(f"{count} {status}" for status, count in counts.items()), *left])
    text = table_text(("pipeline", "status", "seconds", "published", "why"), rows) + "\n" if rows else ""
    is_open = left or any(found.exit_code for found in outcomes)
    return f"{text}{counted(chosen, 'pipeline')} in {seconds:.1f} s: {total}{f'; {again}' if is_open else ''}"


def _seconds(outcome: PipelineOutcome) -> str:
    return f"{outcome.record['seconds']:.1f}" if outcome.record else "-"


def _published(outcome: PipelineOutcome) -> str:
    return published_text(outcome.record["sinks"] if outcome.record else {})


def _why(outcome: PipelineOutcome) -> str:
    text = outcome.failure.message if outcome.failure else outcome.reason
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= 100 else first[:99] + "…"


def _object(outcome: PipelineOutcome) -> dict[str, Any]:
    """An outcome for `--json`: the record of its run, or what is known without one."""
    found: dict[str, Any] = dict(outcome.record) if outcome.record else {"pipeline": outcome.pipeline}
    found["status"] = outcome.status
    if outcome.reason:
        found["reason"] = outcome.reason
    if outcome.failure and not outcome.record:
        found["error"] = error_object(outcome.failure)
    return same_choice_object(found)


def _junit(outcomes: Sequence[PipelineOutcome], seconds: float) -> str:
    from xml.etree import ElementTree

    failed = [outcome for outcome in outcomes if outcome.exit_code]
    left_out = [outcome for outcome in outcomes if outcome.status in ("skipped", "unchanged")]
    suite = ElementTree.Element(
        "testsuite",
        name="etlrun run",
        tests=str(len(outcomes)),
        failures=str(len(failed)),
        skipped=str(len(left_out)),
        time=f"{seconds:.3f}",
    )
    for outcome in outcomes:
        case = ElementTree.SubElement(
            suite, "testcase", classname="etlrun", name=outcome.pipeline, time=_seconds(outcome).replace("-", "0")
        )
        if outcome in failed:
            text = failure_text(outcome.failure) if outcome.failure else outcome.reason
            ElementTree.SubElement(case, "failure", message=_why(outcome), type=outcome.status).text = text
        elif outcome in left_out:
            ElementTree.SubElement(case, "skipped", message=outcome.reason)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suite, encoding="unicode") + "\n"


def chosen_pipelines(graph: ProjectGraph, chosen: Sequence[str], excluded: Sequence[str]) -> tuple[str, ...]:
    """The pipelines chosen by `--select` and `--exclude`. Raises UsageError if there are none."""
    found = select(graph, chosen, excluded)
    if not found:
        raise click.UsageError("--exclude removes every pipeline")
    return found
