"""`etlrun llm diff`: shows what an edited prompt or another model would change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.llm_options import AskingOptions, asking, chosen_models
from etlrun.cli.options import PipelineFile, checked_pipeline, gathered
from etlrun.cli.reporting import reporting
from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import counted

if TYPE_CHECKING:
    from etlrun.enrich.comparison import Comparison


@click.command("diff")
@click.argument("pipeline", metavar="PIPELINE", type=PipelineFile())
@asking
@click.option(
    "-n",
    "--keys",
    "count",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="The number of keys in the sample; keys with the most rows come first.",
)
@click.option(
    "--before",
    default="",
    metavar="QUESTION",
    help="The question to compare with (see `etlrun llm stats`). Default: the latest other one.",
)
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Set a param or variable; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each change.")
@gathered(AskingOptions)
def command(
    pipeline: Path, count: int, before: str, settings: tuple[str, ...], as_json: bool, options: AskingOptions
) -> None:
    """Ask a sample of keys with the current prompt and model, and show which answers change.

    Use it after you edit the prompt or choose another --model, before a run asks all keys. The answers are saved: a run does not
    pay for them again.
    """
    from etlrun.enrich.comparison import compare_answers
    from etlrun.runtime.asked_keys import gather_keys

    checked = checked_pipeline(pipeline, options.profile, "", settings)
    names = chosen_models(checked.profile, options.models) if options.models else ()
    with reporting("llm diff", quiet=as_json) as reporter:
        keys = gather_keys(checked, reporter)
        found = compare_answers(checked, keys, names, before, count, options.consent(reporter), reporter)
    if as_json:
        for change in found.changes:
            click.echo(json.dumps(change._asdict(), ensure_ascii=False))
    else:
        _tell(found)


def _tell(found: Comparison) -> None:
    changed_rows = sum(change.rows for change in found.changes)
    click.echo(
        f"{len(found.changes):,} of {counted(found.keys, 'key')} {'has' if len(found.changes) == 1 else 'have'} another answer, "
        f"{changed_rows:,} of {counted(found.rows, 'row')}"
    )
    tell(f"before: {found.before}; now: {found.after}")
    if found.changes:
        lines = [
            (change.key, change.before or "(no answer)", change.after or "(no answer)", change.rows)
            for change in found.changes
        ]
        click.echo("\n" + table_text(("key", "before", "now", "rows"), lines))
