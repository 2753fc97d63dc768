"""`etlrun llm review`: the keys that matter most, for a person to correct."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import click

from etlrun.cli.options import PipelineFile, checked_pipeline, choosing
from etlrun.cli.reporting import reporting
from etlrun.diagnostics import harmless


@click.command("review")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@click.option(
    "-n",
    "--rows",
    "count",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="How many keys at most; those with the most rows first.",
)
@click.option("--open", "only_open", is_flag=True, help="Only keys without an answer.")
@choosing
def command(pipeline: Path, count: int, only_open: bool, profile: str, engine: str, settings: tuple[str, ...]) -> None:
    """Print the keys of PIPELINE as CSV: each with its answer, the number of rows it has, and who gave the answer.

    Correct what is wrong, keep those lines only, and put them into overrides/PROMPT.csv: they win over every model. The columns rows,
    status and source may stay. Keys are computed by duckdb; nobody is asked.
    """
    from etlrun.enrich.review import review
    from etlrun.runtime.asked_keys import gather_keys

    checked = checked_pipeline(pipeline, profile, engine, settings)
    with reporting(checked.pipeline.name, quiet=True) as reporter:
        tables = review(checked, gather_keys(checked, reporter))
    for prompt, (header, lines) in tables.items():
        chosen = [line for line in lines if not only_open or line[header.index("status")] != "ok"]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(chosen[:count])
        lines_of_csv = text.getvalue()
        click.echo(harmless(lines_of_csv) if sys.stdout.isatty() else lines_of_csv, nl=False)
        click.echo(
            f"{min(count, len(chosen)):,} of {len(chosen):,} keys; corrections go into overrides/{prompt}.csv", err=True
        )
