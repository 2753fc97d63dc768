"""`etlrun run`: runs pipelines and publishes their results."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etlrun.cli.options import PipelineFile, ProjectOptions, checked_pipeline, choosing, gathered, selecting, waiting
from etlrun.cli.reporting import reporting
from etlrun.cli.run_periods import ChosenValues, spanning
from etlrun.cli.same_choice import same_choice_object
from etlrun.cli.words import NO_ENGINE, tell
from etlrun.contracts.engine import kept_engines
from etlrun.diagnostics import counted
from etlrun.failures import RunFailure
from etlrun.stopping import orderly, safe_point

if TYPE_CHECKING:
    from etlrun.compiler.check import Checked


@click.command("run")
@click.argument("pipelines", metavar="[PIPELINE...]", nargs=-1, type=PipelineFile())
@choosing
@click.option("--dry-run", is_flag=True, help="Do everything except publishing.")
@click.option(
    "--yes", is_flag=True, help="Call models without asking for confirmation. The budgets of the pipeline still apply."
)
@click.option(
    "--max-usd",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Spend at most this amount on models, for each pipeline.",
)
@waiting
@selecting
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="How many pipelines of the project run at the same time.",
)
@spanning("run it")
@click.option("--full", is_flag=True, help="Also run pipelines of the project for which nothing has changed.")
@click.option(
    "--junit",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the result of each pipeline of the project as JUnit XML.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object to standard output; an array for several pipelines."
)
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@gathered(ProjectOptions)
def command(
    pipelines: tuple[Path, ...],
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    first: str,
    last: str,
    listed: tuple[str, ...],
    options: ProjectOptions,
) -> None:
    """Run pipelines and publish their results.

    PIPELINE is a file, or the name of a pipeline of the project.

    Without PIPELINE, the whole project is run. A pipeline runs after the pipelines whose tables it reads. A pipeline is skipped
    if its files, tables, specification and params have not changed since its last run; --full runs it anyway. After a failure,
    only the pipelines that depend on the failed one are skipped; `etlrun retry` runs them again.

    --select takes names, `+NAME` (also the pipelines that it depends on), `NAME+` (also those that depend on it), `tag:WORD` and
    `owner:NAME`. Separated by spaces, pipelines that match one of them run; separated by commas, those that match all of them.

    `--from 2022-01 --to 2022-06` runs one pipeline for each value of its `month` or `date` param, each in its own run. A value is
    skipped if nothing has changed since its last run, so you can repeat the command to continue.
    `--for month=2022-01..2022-06 --for shop=A,B` runs the pipeline for each month and shop.

    Every pipeline is checked before the first one runs. If anything fails, a table keeps its old rows or has all of its new rows.
    Exit codes: 0 success, 1 the run failed, 2 a mistake in the specification or the command, 3 a check failed and nothing was
    published, 4 a budget or quota for models was reached (the next run continues), 130 interrupted, 143 terminated.

    If calling models would cost more than `confirm_above_usd` of etlrun.yaml, the command asks for confirmation at the terminal.
    In scripts, use --yes or --max-usd.
    """
    if values := ChosenValues(first, last, listed):
        raise SystemExit(_run_values(values, pipelines, options))
    if not pipelines:
        raise SystemExit(_run_chosen(select, exclude, options))
    if select or exclude or options.junit:
        raise click.UsageError("--select, --exclude and --junit are for runs of the project: leave out PIPELINE")
    _run_each(
        [checked_pipeline(path, options.profile, options.engine, options.settings) for path in pipelines], options
    )


def _run_values(values: ChosenValues, pipelines: Sequence[Path], options: ProjectOptions) -> int:
    from etlrun.cli.run_project import run_graph

    graph = values.graph(pipelines, options.profile, options.engine, options.settings)
    return run_graph(graph, tuple(graph.pipelines), options)


def _run_chosen(select: tuple[str, ...], exclude: tuple[str, ...], options: ProjectOptions) -> int:
    from etlrun.cli.run_project import chosen_pipelines, project_graph, run_project

    graph = project_graph(options.profile, options.engine, options.settings)
    return run_project(graph, chosen_pipelines(graph, select, exclude), options)


def _run_each(checked: Sequence[Checked], options: ProjectOptions) -> None:
    """Run pipelines one after another, and print their results if JSON is requested."""
    summary: list[dict[str, Any]] = []
    engines = [pipeline.profile.engine.value for pipeline in checked]
    with orderly(), kept_engines(engines):  # a publish is reported even if an error or a signal follows
        try:
            for pipeline in checked:
                safe_point()
                summary.append(_run(pipeline, options))
        except RunFailure as failure:
            if options.as_json and failure.record is not None:
                summary.append(same_choice_object(failure.record))
                failure.is_printed = True
            raise
        finally:
            if options.as_json and summary:
                click.echo(json.dumps(summary if len(checked) > 1 else summary[0], ensure_ascii=False))


def _run(checked: Checked, options: ProjectOptions) -> dict[str, Any]:
    from etlrun.enrich.consent import Consent
    from etlrun.runtime.run import RunOptions
    from etlrun.runtime.unfinished import run_or_end

    if not checked.profile.names_engine and not options.quiet:
        tell(NO_ENGINE, err=True)
    with reporting(checked.pipeline.name, quiet=options.quiet) as reporter:
        consent = Consent(options.yes, options.max_usd, reporter.confirm)
        given = RunOptions(publishes=not options.dry_run, consent=consent, wait=options.wait)
        record = run_or_end(checked, reporter, given)
    if not options.quiet:
        with contextlib.suppress(OSError):  # a closed terminal does not undo a publish
            tell(_summary(record.as_json()), err=True)
    return record.as_json()


def _summary(record: dict[str, Any]) -> str:
    """A short summary of a run."""
    lines = [
        f"{record['pipeline']}: {record['status']} in {record['seconds']:.1f} s on {record['engine']} (run {record['run_id']})"
    ]
    for name, source in record["sources"].items():
        bad = f", {source['bad_rows']:,} broken" if source["bad_rows"] else ""
        cached = f", {source['cached']:,} in the cache" if "cached" in source else ""
        files = f" from {counted(source['files'], 'file')}{cached}" if source["files"] else ""
        lines.append(f"  read      {name}: {counted(source['rows'], 'row')}{files}{bad}")
    for summary in record["models"].values():
        lines += _asked(summary)
    for found in record["checks"]:
        lines.append(
            f"  check     {found['relation']}: {found['check']}: {found['detail']}"
            + (" (warning)" if found["status"] == "warned" else "")
        )
    if not record["sinks"] and record["status"] == "done":
        lines.append("  published nothing: the pipeline has no `sinks`")
    for name, sink in record["sinks"].items():
        where = f"{sink['connection']}.{sink['table']}" if "table" in sink else sink["file"]
        earlier = f"; run {sink['appended_by']} appended them" if "appended_by" in sink else ""
        lines.append(f"  published {name}: {counted(sink['rows'], 'row')} to {where} ({sink['write']}{earlier})")
    return "\n".join(lines)


def _asked(summary: dict[str, Any]) -> list[str]:
    """The share of rows and keys with an answer, its sources and cost, and how to get the rest."""
    from etlrun.enrich.answer_relation import most_given, percent
    from etlrun.enrich.dollars import dollars

    rows, keys = summary["rows"], summary["keys"]
    of_rows, of_keys = (percent(summary["coverage"][each]) for each in ("rows", "keys"))
    share = f"{of_rows} of {counted(rows, 'row')} and {of_keys} of {counted(keys, 'distinct key')} have an answer"
    lines = [f"  answered  {summary['prompt']}: {share}" + (f" ({given})" if (given := most_given(summary)) else "")]
    if summary["requests"]:
        lines.append(
            f"            {counted(summary['asked'], 'key')} asked in {counted(summary['requests'], 'request')} "
            f"for {dollars(summary['usd'])}; {summary['cached']:,} were known"
        )
    if ways := summary.get("agreement"):
        costs = ", ".join(f"{report['source']} {dollars(report['usd'])}" for report in summary["reports"])
        lines.append(
            f"            {' and '.join(ways['models'])} agree on {counted(ways['agreed'], 'key')}; another model decided {ways['decided']:,}, "
            f"{ways['review']:,} need a review ({costs})"
        )
    if summary["labelled_keys"] < keys:
        models = ", ".join(summary["models"])
        other = (
            "a third model that decides, as `model` of the step"
            if ways
            else f"another model under `{models}` in etlrun.yaml"
        )
        where = f"{other}, or overrides/{summary['prompt']}.csv"
        lines.append(f"            for the rest: {where} (`etlrun llm review`)")
    return lines
