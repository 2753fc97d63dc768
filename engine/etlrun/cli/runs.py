"""`etlrun runs`: lists the runs of this project, and the publishes in the ledgers of its connections."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from etlrun.cli.words import published_text, table_text, tell
from etlrun.failures import RunFailure
from etlrun.spec.project import Profile, Project
from etlrun.spec.project_file import find_project

if TYPE_CHECKING:
    from etlrun.contracts.connection import LedgerEntry


@click.command("runs")
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the connections.")
@click.option(
    "-n",
    "--rows",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    help="The largest number of runs, and of rows of each ledger.",
)
@click.option(
    "--all",
    "shows_all",
    is_flag=True,
    help="Also list runs that do not publish: `show`, `plan` and --dry-run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with `runs` and `ledger`.")
def command(profile: str, rows: int, shows_all: bool, as_json: bool) -> None:
    """List the runs of this project, latest first.

    It also lists the publish logs (the ledgers) of the connections."""
    from etlrun.runtime.run_place import run_place
    from etlrun.runtime.run_records import StoredRun, stored_runs

    project = find_project(Path.cwd())
    runs: list[dict[str, Any]] = []
    for found in stored_runs(run_place(project)):
        if not isinstance(found, StoredRun):
            tell(str(found), err=True)
        elif len(runs) < rows and (shows_all or found.record.status != "dry-run"):
            runs.append(found.record.as_record())
    ledgers = _ledgers(project, project.profile(profile))
    if as_json:
        summary = {name: [dataclasses.asdict(entry) for entry in found[:rows]] for name, found in ledgers.items()}
        click.echo(json.dumps({"runs": runs, "ledger": summary}, ensure_ascii=False))
        return
    names = ("run", "pipeline", "status", "engine", "seconds", "published")
    click.echo(table_text(names, [_line(run) for run in runs]) if runs else "no runs yet")
    for name, entries in ledgers.items():
        rows_of = [
            (entry.table, entry.period or "whole table", entry.run_id, entry.rows, entry.finished_at)
            for entry in entries[:rows]
        ]
        more = f"\nand {len(entries) - rows:,} more: -n {len(entries)}" if len(entries) > rows else ""
        if rows_of:
            tell(f"\nledger of {name}\n" + table_text(("table", "period", "run", "rows", "finished"), rows_of) + more)


def _line(run: dict[str, Any]) -> tuple[Any, ...]:
    return (
        *(run[name] for name in ("run_id", "pipeline", "status", "engine", "seconds")),
        published_text(run.get("sinks", {})),
    )


def _ledgers(project: Project, profile: Profile) -> dict[str, list[LedgerEntry]]:
    """The ledger of every connection that can be opened; the others are reported on standard error."""
    from etlrun.warehouse.opening import open_connection

    found: dict[str, list[LedgerEntry]] = {}
    for name in profile.connections:
        try:
            database = open_connection(project, profile, name, writing=False)
            try:
                found[name] = database.entries()
            finally:
                database.close()
        except RunFailure as failure:
            if failure.code != "connection-missing":
                tell(f"{name}: {failure.message}", err=True)
    return found
