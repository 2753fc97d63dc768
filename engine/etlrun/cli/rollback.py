"""`etlrun rollback`: lets readers of a table see its rows from before the last publish."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from etlrun.cli.words import table_text, tell
from etlrun.diagnostics import nearest
from etlrun.failures import RunFailure
from etlrun.spec.project import Profile
from etlrun.spec.project_file import find_project
from etlrun.stopping import orderly

if TYPE_CHECKING:
    from etlrun.contracts.connection import Version


@click.command("rollback")
@click.argument("table", metavar="TABLE")
@click.option(
    "--to",
    "run",
    default="",
    metavar="RUN",
    help="Go back to the rows of this run (an id from --dry-run, or the beginning of one), also after a rollback.",
)
@click.option(
    "--period",
    default=None,
    metavar="TEXT",
    help="Undo the last publish of this period only, written as in `etlrun runs`.",
)
@click.option(
    "--connection", default="", metavar="NAME", help="The connection of the table, if the profile has several."
)
@click.option("--profile", default="", envvar="ETLRUN_PROFILE", help="The profile with the connection.")
@click.option("--dry-run", is_flag=True, help="List the versions that are kept, and change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with `versions`.")
def command(
    table: str, run: str, period: str | None, connection: str, profile: str, dry_run: bool, as_json: bool
) -> None:
    """Undo the last publish of a table with `publish: pointer`.

    Readers see the previous rows at once; nothing is loaded. The rows that are withdrawn are kept until the next publish. A Delta
    table keeps its versions itself: read one with `version: N` of a `delta` source, or restore one with a Delta tool (RESTORE).
    """
    from etlrun.warehouse.opening import open_connection

    project = find_project(Path.cwd())
    chosen = project.profile(profile)
    name = _connection(chosen, connection)
    with orderly(), closing(open_connection(project, chosen, name, writing=not dry_run)) as database:
        versions = database.versions(table) if dry_run else database.roll_back(table, period, run)
    if as_json:
        summary = {"connection": name, "table": table, "versions": [dataclasses.asdict(one) for one in versions]}
        click.echo(json.dumps(summary, ensure_ascii=False))
        return
    tell(_listed(versions) if versions else f"no earlier rows of `{table}` are kept")


def _connection(profile: Profile, wanted: str) -> str:
    """The name of the chosen connection. Raises RunFailure."""
    known = tuple(profile.connections)
    if wanted in known:
        return wanted
    if not wanted and len(known) == 1:
        return known[0]
    what = (
        f"the profile `{profile.name}` has no connection `{wanted}`"
        if wanted
        else f"the profile `{profile.name}` has {len(known)} connections"
    )
    fix = (
        nearest(wanted, known)
        if wanted and known
        else f"name one: --connection {'|'.join(known)}"
        if known
        else "name another --profile"
    )
    raise RunFailure("usage", "unknown-connection", what, fix or f"the connections are {', '.join(known)}")


def _listed(versions: Sequence[Version]) -> str:
    lines = [
        ("readers see it" if one.is_current else "kept", one.period or "whole table", one.run_id, f"{one.rows:,}")
        for one in versions
    ]
    return table_text(("state", "period", "run", "rows"), lines)
