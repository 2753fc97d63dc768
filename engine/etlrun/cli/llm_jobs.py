"""`etlrun llm jobs`: lists batch jobs of model services and their states."""

from __future__ import annotations

import json
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etlrun.cli.words import table_text, tell
from etlrun.spec.project_file import find_project

if TYPE_CHECKING:
    from etlrun.enrich.jobs import Job


@click.command("jobs")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the label store.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of jobs.")
@click.option(
    "--cancel",
    metavar="JOB",
    default="",
    help="Ask the service to cancel this job; the next run uses the answers that are ready.",
)
def command(profile: str, as_json: bool, cancel: str) -> None:
    """List batch jobs of models, the latest first, with keys, state, age and cost.

    A job is `intended` until the service has accepted it. Then it is `at work` until a run finds that it has ended and takes its
    answers. This command calls the service only with --cancel. `reserved` is the highest possible cost of a job, `spent` its
    actual cost.
    """
    from etlrun.enrich.cancelling_jobs import cancel_job
    from etlrun.enrich.dollars import dollars
    from etlrun.enrich.labels import open_labels

    project = find_project(Path.cwd())
    store = open_labels(project, project.profile(profile))
    with closing(store):
        if cancel:
            job = cancel_job(project, project.profile(profile), store, cancel)
            tell(
                f"{job.source} was asked to cancel the job {job.id} ({job.name}); the next run uses the answers that are ready"
            )
            return
        jobs = store.jobs()
    rows = [_row(job, time.time()) for job in jobs]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not rows:
        click.echo("there are no jobs yet")
        return
    names = ("job", "prompt", "source", "state", "keys", "requests", "age", "reserved", "spent", "name")
    lines = [
        (
            *(row[name] for name in names[:6]),
            _span(row["age"]),
            *(dollars(row[name]) for name in names[7:9]),
            row["name"],
        )
        for row in rows
    ]
    click.echo(table_text(names, lines))


def _row(job: Job, now: float) -> dict[str, Any]:
    return {
        "job": job.id,
        "question": job.question,
        "prompt": job.prompt,
        "source": job.source,
        "state": job.state,
        "keys": job.keys,
        "requests": job.requests,
        "age": round((job.ended or now) - job.at),
        "reserved": round(job.usd, 6) if job.is_open else 0.0,
        "spent": round(job.spent, 6),
        "name": job.name,
        "run": job.run,
        "at": datetime.fromtimestamp(job.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _span(seconds: float) -> str:
    """Seconds as a short text: `40s`, `12m`, `3h`, `2d`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"
