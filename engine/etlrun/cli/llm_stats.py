"""`etlrun llm stats`: summarizes the label store: answers, requests, tokens and cost."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from etlrun.cli.words import table_text
from etlrun.diagnostics import counted
from etlrun.spec.project_file import find_project


@click.command("stats")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the label store.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of questions.")
def command(profile: str, as_json: bool) -> None:
    """List all questions, the latest first, with answers by status, requests, tokens and cost.

    A question is one version of a prompt together with a model; after an edit, a prompt is a new question.
    """
    from etlrun.enrich.dollars import dollars
    from etlrun.enrich.labels import open_labels

    project = find_project(Path.cwd())
    store = open_labels(project, project.profile(profile))
    try:
        costs = store.costs()
    finally:
        store.close()
    if as_json:
        click.echo(json.dumps([asdict(cost) for cost in costs], ensure_ascii=False))
        return
    if not costs:
        click.echo("nothing was asked yet")
        return
    statuses = ("ok", "abstained", "refused", "failed")
    names = ("question", "prompt", "source", *statuses, "requests", "tokens in", "tokens out", "usd", "last")
    lines = [
        (
            cost.question,
            cost.prompt,
            cost.source,
            *(cost.statuses.get(status, 0) for status in statuses),
            cost.requests,
            cost.input_tokens,
            cost.output_tokens,
            dollars(cost.usd),
            cost.last_at,
        )
        for cost in costs
    ]
    click.echo(table_text(names, lines))
    answers = counted(sum(cost.statuses.get("ok", 0) for cost in costs), "answer")
    click.echo(f"{answers} for {dollars(sum(cost.usd for cost in costs))}", err=True)
